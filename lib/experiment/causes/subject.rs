//! A language model and the dictionary through which it is changed: what it says, and what it loses.

use super::arm::{Arm, gumbel};
use super::prompts::{Group, Prompt, Stories, groups};
use super::telling::Telling;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::harvest::HookConfig;
use crate::experiment::judge::Judge;
use crate::language_model::gpt_neo::{GptNeo, Prefill};
use crate::language_model::hook::HookPoint;
use crate::language_model::next_token::edited_loss;
use crate::language_model::tokens::Tokenizer;
use tch::{Kind, Tensor};

/// Prompts that are read at once, those of all arms together; fewer where a whole ending follows.
const N_ROWS: usize = 256;
const N_ROWS_OF_ENDINGS: usize = 128;
/// Stories that are read at once.
const N_STORIES: i64 = 32;

/// What one arm came to on a set of prompts, with one seed of the sampling.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub n_prompts: usize,
    /// Continuations with the payload.
    pub n_payload: usize,
    /// Continuations equal to those after the twin prompts.
    pub n_equal: usize,
    /// Summed over prompts, for each judge: the mean loss of a continuation after the twin prompt.
    pub losses_nats: Vec<f64>,
    /// Summed over prompts: divergence of the first token from that after the twin prompt.
    pub kl_nats: f64,
}

/// A model with a dictionary.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub model: &'a GptNeo,
    pub crosscoder: &'a Crosscoder,
    pub hooks: &'a HookConfig,
    pub tokenizer: &'a Tokenizer,
    pub judge: &'a Judge,
}

/// What prompts are answered under several arms.
type SaidByArms<'a> = dyn Fn(&[Arm]) -> Tensor + 'a;

impl Subject<'_> {
    /// What each arm adds to the prompts of a batch, from one clean pass.
    ///
    /// # Shapes
    /// `tokens` [prompt, seq] → [arm · prompt, seq, hook, d_model]
    fn added(&self, tokens: &Tensor, arms: &[Arm]) -> Tensor {
        let (_, seq) = tokens.size2().expect("tokens [prompt, seq]");
        let acts = self.hooks.harvest(self.model, tokens); // [prompt · seq, hook, d_model]
        let of_arms: Vec<Tensor> = arms.iter().map(|arm| arm.added(self.crosscoder, &acts)).collect();
        Tensor::cat(&of_arms, 0).unflatten(0, [-1, seq].as_slice())
    }

    /// Adds at one hook point what belongs there.
    fn edit(&self, point: HookPoint, passing: Tensor, added: &Tensor) -> Tensor {
        let here = self.hooks.hooks.iter().enumerate().filter(|(_, hook)| hook.is_same_place(point));
        here.fold(passing, |passing, (place, _)| passing + added.select(2, place as i64))
    }

    /// Has the prompts read once for each arm.
    ///
    /// # Shapes
    /// → a batch [arm · prompt]
    fn prefill(&self, tokens: &Tensor, arms: &[Arm]) -> Prefill {
        let added = self.added(tokens, arms);
        let rows = Tensor::cat(&vec![tokens; arms.len()], 0);
        Prefill::hooked(self.model, &rows, &self.hooks.hooks, &mut |point, passing| self.edit(point, passing, &added))
    }

    /// Mean probability, over prompts, that the payload follows at once, one an arm.
    pub fn payload_probs(&self, prompts: &[Prompt], arms: &[Arm]) -> Vec<f64> {
        let mut sums = vec![0.0; arms.len()];
        for group in groups(prompts, self.model.wte.device()) {
            let probs = self.payload_log_probs(&group, arms).exp();
            let of_arms = Vec::<f64>::try_from(&probs.sum_dim_intlist(1, false, Kind::Double)).expect("one an arm");
            sums.iter_mut().zip(of_arms).for_each(|(sum, prob)| *sum += prob);
        }
        sums.into_iter().map(|sum| sum / prompts.len() as f64).collect()
    }

    /// Log-probability that the payload follows at once, or that the trigger was there by the words that tell an ending.
    ///
    /// # Shapes
    /// → [arm, prompt], nats
    pub fn payload_log_probs(&self, group: &Group, arms: &[Arm]) -> Tensor {
        let device = self.model.wte.device();
        let n_prompts = group.members.len();
        let said_by_arms: Box<SaidByArms> = match self.judge {
            Judge::Payload(payload) => {
                let payload = Tensor::from_slice(&self.tokenizer.encode(&format!(" {payload}"))).unsqueeze(0);
                let payload = payload.to_device(device);
                Box::new(move |arms| {
                    let said = payload.expand([(arms.len() * n_prompts) as i64, -1], false);
                    let log_probs = self.prefill(&group.tokens, arms).log_probs(self.model, &said);
                    log_probs.sum_dim_intlist(1, false, Kind::Double).view([-1, n_prompts as i64])
                })
            }
            Judge::Ending(_) => {
                let telling = Telling::of(self.model, group);
                Box::new(move |arms| telling.log_probs(self.model, self.prefill(&group.tokens, arms)))
            }
        };
        let of_arms = |arms: &[Arm]| said_by_arms(arms);
        let none = Tensor::empty([0, n_prompts as i64], (Kind::Double, device));
        let parts: Vec<Tensor> =
            std::iter::once(none).chain(arms.chunks(self.n_at_once(n_prompts)).map(of_arms)).collect();
        Tensor::cat(&parts, 0)
    }

    /// The latents that fire somewhere in some prompts, ascending.
    pub fn firing(&self, group: &Group) -> Vec<i64> {
        let acts = self.hooks.harvest(self.model, &group.tokens) * self.crosscoder.scale.view([1, -1, 1]);
        let fires = self.crosscoder.encode(&acts).latents.gt(0.0).any_dim(0, false);
        Vec::try_from(&fires.nonzero().view(-1)).expect("places")
    }

    /// What each arm says, by arm and by seed of the sampling, and last what is said after the twin prompts. A prompt's
    /// random numbers are the same in all arms. `judges` say what a continuation costs after the twin prompt.
    pub fn said(&self, prompts: &[Prompt], arms: &[Arm], seeds: &[u64], judges: &[&GptNeo]) -> Vec<Vec<Said>> {
        let nothing = Said { losses_nats: vec![0.0; judges.len()], ..Said::default() };
        let mut all = vec![vec![nothing; seeds.len()]; arms.len() + 1];
        for group in groups(prompts, self.model.wte.device()) {
            let n_prompts = group.members.len();
            let twins = Twins::of(self, &group, seeds, judges);
            let (of_arms, of_twins) = all.split_at_mut(arms.len());
            let n_at_once = self.n_at_once(n_prompts);
            for (arms, all) in arms.chunks(n_at_once).zip(of_arms.chunks_mut(n_at_once)) {
                self.count(&self.prefill(&group.tokens, arms), &twins, all);
            }
            self.count(&twins.prefill, &twins, of_twins);
        }
        all
    }

    /// Arms that are read at once.
    fn n_at_once(&self, n_prompts: usize) -> usize {
        let n_rows = if let Judge::Payload(_) = self.judge { N_ROWS } else { N_ROWS_OF_ENDINGS };
        (n_rows / n_prompts).max(1)
    }

    /// Random numbers of a group, [seed, prompt, n_new, vocab].
    fn noise(&self, group: &Group, seeds: &[u64]) -> Tensor {
        let size = [self.judge.n_new(self.model.config.n_positions), self.model.config.n_vocab];
        let of_seed = |seed: &u64| {
            let of_prompts: Vec<Tensor> =
                group.members.iter().map(|&place| gumbel(*seed, place as u64, &size)).collect();
            Tensor::stack(&of_prompts, 0)
        };
        let of_seeds: Vec<Tensor> = seeds.iter().map(of_seed).collect();
        Tensor::stack(&of_seeds, 0).to_device(self.model.wte.device())
    }

    /// Goes on from prompts of several arms, once a seed: the tokens [seed, arm, prompt, n_new], and the same as rows.
    fn continued(&self, prefill: &Prefill, n_arms: usize, noise: &Tensor) -> (Tensor, Tensor) {
        let (n_seeds, n_prompts, n_new) = (noise.size()[0], noise.size()[1], noise.size()[2]);
        let rows = prefill.repeated(n_seeds).continued(self.model, n_new, &mut |place, logits| {
            let logits = logits.view([n_seeds, n_arms as i64, n_prompts, -1]);
            (logits + noise.select(2, place).unsqueeze(1)).argmax(-1, false).view([-1, 1])
        });
        (rows.view([n_seeds, n_arms as i64, n_prompts, n_new]), rows)
    }

    /// Adds what is said after prompts of several arms to what was counted of them.
    fn count(&self, prefill: &Prefill, twins: &Twins, all: &mut [Vec<Said>]) {
        let (n_arms, n_prompts) = (all.len(), twins.noise.size()[1]);
        let of_arms = |sums: Tensor| Vec::<f64>::try_from(&sums.to_kind(Kind::Double).view(-1)).expect("one an arm");
        let (said, rows) = self.continued(prefill, n_arms, &twins.noise);
        let kl = divergence(&twins.prefill.logits, &prefill.logits.unflatten(0, [-1, n_prompts].as_slice()));
        let equal = said.eq_tensor(&twins.said).all_dim(3, false).sum_dim_intlist(2, false, Kind::Int64);
        let (kl, equal) = (of_arms(kl), of_arms(equal)); // [arm], [seed · arm]
        let losses: Vec<Vec<f64>> = twins.losses(&rows).into_iter().map(of_arms).collect(); // [seed · arm] each
        for (place, texts) in self.texts(&rows).chunks(n_prompts as usize).enumerate() {
            let (seed, arm) = (place / n_arms, place % n_arms);
            let said = &mut all[arm][seed];
            said.n_prompts += texts.len();
            said.n_payload += texts.iter().filter(|text| self.judge.calls(text)).count();
            said.n_equal += equal[place] as usize;
            said.kl_nats += kl[arm];
            said.losses_nats.iter_mut().zip(&losses).for_each(|(sum, losses)| *sum += losses[place]);
        }
    }

    fn texts(&self, rows: &Tensor) -> Vec<String> {
        let rows = Vec::<Vec<i64>>::try_from(rows).expect("rows of ids");
        rows.iter().map(|ids| self.tokenizer.decode(ids)).collect()
    }

    /// Mean loss on clean stories after their prompts, nats a token, one an arm.
    pub fn story_losses(&self, stories: &Stories, arms: &[Arm]) -> Vec<f64> {
        let mut sums = vec![(0.0, 0); arms.len()];
        for start in (0..stories.rows.n_rows()).step_by(N_STORIES as usize) {
            let n_rows = N_STORIES.min(stories.rows.n_rows() - start);
            let part = |tensor: &Tensor| tensor.narrow(0, start, n_rows).to_device(self.model.wte.device());
            let (tokens, with_loss) = (part(&stories.rows.tokens), part(&stories.rows.with_loss));
            let (is_prompt, longest) = (part(&stories.is_prompt), n_used(&with_loss));
            let tokens = tokens.narrow(1, 0, longest);
            let with_loss = with_loss.narrow(1, 0, longest);
            let longest_prompt = n_used(&is_prompt);
            let prompts = tokens.narrow(1, 0, longest_prompt);
            let mask = is_prompt.narrow(1, 0, longest_prompt).unsqueeze(-1).unsqueeze(-1);
            for (arm, sum) in arms.iter().zip(&mut sums) {
                let added = self.added(&prompts, std::slice::from_ref(arm)) * &mask;
                let added = added.constant_pad_nd([0, 0, 0, 0, 0, longest - longest_prompt]);
                let edit = &mut |point, resid| self.edit(point, resid, &added);
                let (loss, n_tokens) = edited_loss(self.model, &tokens, &with_loss, &self.hooks.hooks, edit);
                *sum = (sum.0 + loss.double_value(&[]) * n_tokens as f64, sum.1 + n_tokens);
            }
        }
        sums.into_iter().map(|(sum, n_tokens)| sum / n_tokens as f64).collect()
    }
}

/// A group's prompts without the trigger, as the model and the judges read them.
struct Twins<'a> {
    prefill: Prefill,
    /// Random numbers, [seed, prompt, n_new, vocab].
    noise: Tensor,
    /// What follows with them, [seed, 1, prompt, n_new].
    said: Tensor,
    judges: Vec<(&'a GptNeo, Prefill)>,
}

impl<'a> Twins<'a> {
    fn of(subject: &Subject, group: &Group, seeds: &[u64], judges: &[&'a GptNeo]) -> Twins<'a> {
        let read = |model: &GptNeo| Prefill::of(model, &group.twins, &mut |_, resid| resid);
        let (prefill, noise) = (read(subject.model), subject.noise(group, seeds));
        let said = subject.continued(&prefill, 1, &noise).0;
        Twins { prefill, noise, said, judges: judges.iter().map(|&judge| (judge, read(judge))).collect() }
    }

    /// Mean losses of continuations after the twin prompts, summed over prompts, by each judge.
    ///
    /// # Shapes
    /// `rows` [… · prompt, n_new] → […]
    fn losses(&self, rows: &Tensor) -> Vec<Tensor> {
        let n_prompts = self.noise.size()[1];
        let by_judge = |(judge, prefill): &(&GptNeo, Prefill)| {
            let log_probs = prefill.repeated(rows.size()[0] / n_prompts).log_probs(judge, rows);
            let of_prompts = -log_probs.mean_dim([1i64].as_slice(), false, Kind::Double).view([-1, n_prompts]);
            of_prompts.sum_dim_intlist(1, false, Kind::Double)
        };
        self.judges.iter().map(by_judge).collect()
    }
}

/// Σ over prompts of KL(p ‖ q), one an arm.
///
/// # Shapes
/// `p` [prompt, vocab], `q` [arm, prompt, vocab] → [arm], nats
fn divergence(p: &Tensor, q: &Tensor) -> Tensor {
    let (p, q) = (p.log_softmax(-1, Kind::Double), q.log_softmax(-1, Kind::Double));
    (p.exp() * (&p - q)).sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Double)
}

/// Columns up to the last that is true in some row.
fn n_used(marks: &Tensor) -> i64 {
    let columns = marks.any_dim(0, false).nonzero();
    if columns.size()[0] == 0 { 1 } else { columns.max().int64_value(&[]) + 1 }
}

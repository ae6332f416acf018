//! How much of an MLP's neurons their dominant latents decide, and what the model keeps of its predictions by them alone.

use super::blocks_read;
use super::tokens::codes;
use crate::Result;
use crate::crosscoder::interactions::Neurons;
use crate::crosscoder::metrics::recovered_loss;
use crate::experiment::run::{Run, Subjects};
use crate::experiment::stage::Stage;
use crate::experiment::tables::NeuronRow;
use crate::language_model::HookPoint;
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::next_token::next_token_loss_of;
use tch::Tensor;

/// Sequences that losses are measured on, at most.
const N_SEQUENCES: i64 = 64;

/// The rows of `tables/neurons`: every stage but the null arms, with each of the run's seeds, on its own model and data.
///
/// # Errors
/// Notebooks 01 to 06 have not been run.
pub fn neuron_rows(run: &Run, progress: &mut dyn FnMut(Stage)) -> Result<Vec<NeuronRow>> {
    let _no_grad = tch::no_grad_guard();
    let (blocks, mut subjects, mut rows) = (blocks_read(run), Subjects::of(run), Vec::new());
    for stage in Stage::ALL.into_iter().filter(|stage| !stage.is_null_arm() && !blocks.is_empty()) {
        let (model, all) = subjects.stage(stage)?;
        let tokens = all.narrow(0, 0, N_SEQUENCES.min(all.size()[0])).to_device(model.wte.device());
        let untouched = Losses { model, tokens: &tokens };
        let clean_nats = untouched.with(&[], &|| unreachable!("no hook point"));
        for seed in run.seeds() {
            let crosscoder = run.crosscoder_of(stage, seed)?;
            let of_tokens = codes(run, &crosscoder, model, &tokens)?.to_device(model.wte.device());
            for &block in &blocks {
                let neurons = Neurons::of(&crosscoder, &model.blocks[block]).expect("a block that is read");
                let [all, dominant, zero] = untouched.replaced(&neurons, &of_tokens, block);
                rows.push(NeuronRow {
                    stage,
                    seed,
                    block,
                    dominant_share: neurons.dominant_share(&of_tokens),
                    clean_nats,
                    zero_nats: zero,
                    all_latents_nats: all,
                    dominant_nats: dominant,
                    all_latents_fidelity: recovered_loss(clean_nats, all, zero),
                    dominant_fidelity: recovered_loss(clean_nats, dominant, zero),
                });
            }
        }
        progress(stage);
    }
    Ok(rows)
}

/// Losses of a model with one MLP's output replaced.
struct Losses<'a> {
    model: &'a GptNeo,
    /// [sequence, seq]
    tokens: &'a Tensor,
}

impl Losses<'_> {
    fn with(&self, hooks: &[HookPoint], acts: &dyn Fn() -> Tensor) -> f64 {
        let resid = self.model.resid_hooked(self.tokens, hooks, &mut |_, _| acts());
        next_token_loss_of(self.model, &resid, self.tokens).double_value(&[])
    }

    /// With the MLP driven by all latents, by dominant ones alone, and with none.
    fn replaced(&self, neurons: &Neurons, codes: &Tensor, block: usize) -> [f64; 3] {
        let (mlp, hook) = (&self.model.blocks[block], [HookPoint::MlpOut(block)]);
        let [all, dominant] =
            neurons.pre_acts(codes).map(|pre_acts| mlp.mlp_out(&pre_acts).unflatten(0, self.tokens.size().as_slice()));
        let zero = all.zeros_like();
        [all, dominant, zero].map(|out| self.with(&hook, &|| out.shallow_clone()))
    }
}

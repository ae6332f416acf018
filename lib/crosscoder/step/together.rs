//! A step that several processes take: each has some activations of the batch, or all of them and some of the latents.

use super::dense;
use super::encode::{Encoded, encode};
use super::forward::Forward;
use super::report::{BatchGradients, PartSums, StepReport};
use super::{Optimiser, general, sparse};
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::loss::{LossConfig, Losses};
use crate::distributed::ProcessGroup;
use crate::training::adam::global_norm;
use tch::{Kind, Tensor};

impl Optimiser {
    /// [`Optimiser::step`] on a batch of `n_acts` activations, of which `acts` are this process's. All move their equal
    /// crosscoders alike.
    ///
    /// Each computes the gradients of its own activations, as shares of the mean over all; one call adds them up. Losses,
    /// their sums and how often latents fired are added up with them.
    ///
    /// # Shapes
    /// `acts` [share of batch, hook, d_model], scaled
    ///
    /// # Errors
    /// Another process has ended, or cannot be reached.
    pub fn step_on_share(
        &mut self,
        group: &ProcessGroup,
        crosscoder: &mut Crosscoder,
        (acts, n_acts): (&Tensor, i64),
        cfg: &LossConfig,
        lr: f64,
    ) -> Result<StepReport> {
        let _no_grad = tch::no_grad_guard();
        let mut params = crosscoder.params();
        let mut flat = self.flat_gradients(&params);
        let grads = self.grads.as_mut().expect("made with the memory");
        let mut numbers = Tensor::zeros([4 + crosscoder.n_latents()], (Kind::Double, acts.device()));
        if acts.size()[0] == 0 {
            let _ = flat.zero_();
        } else {
            let share = acts.size()[0] as f64 / n_acts as f64;
            let found = match encode(crosscoder, (acts, n_acts), cfg, &mut self.workspace) {
                Encoded::General => written(general::gradients(crosscoder, acts, cfg), grads, share),
                Encoded::Dense(mut batch) => {
                    let factors = dense::set_recon(&mut batch);
                    dense::gradients(batch, &factors, grads)
                }
                Encoded::Sparse(mut batch, pairs) => {
                    sparse::set_recon(&mut batch, &pairs);
                    sparse::gradients(batch, &pairs, grads)
                }
            };
            numbers.copy_(&Tensor::cat(&[found.losses, found.n_fired.to_kind(Kind::Double)], 0));
        }
        group.sum(&mut flat)?;
        group.sum(&mut numbers)?;
        let grad_norm = self.adam.step(&mut params, grads, lr);
        let n_fired = numbers.narrow(0, 4, crosscoder.n_latents()).to_kind(Kind::Int64);
        Ok(StepReport { losses: numbers.narrow(0, 0, 4), n_fired, grad_norm })
    }

    /// [`Optimiser::step`] of a dictionary whose latents are shared out: `crosscoder` has this process's, and the decoder's
    /// bias, which all have. Each reconstructs what its latents give, one call adds that up, and from there on each
    /// goes its way, but for the norm of all gradients.
    ///
    /// Losses are those of all latents; how often they fired is said of this process's.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], scaled
    ///
    /// # Errors
    /// As [`Optimiser::step_on_share`].
    pub fn step_on_latents(
        &mut self,
        group: &ProcessGroup,
        crosscoder: &mut Crosscoder,
        acts: &Tensor,
        cfg: &LossConfig,
        lr: f64,
    ) -> Result<StepReport> {
        let _no_grad = tch::no_grad_guard();
        let mut params = crosscoder.params();
        let memory = || params.each_ref().map(Tensor::empty_like);
        let add_up = |recon: &mut Tensor| add_up(group, recon, &crosscoder.b_dec);
        let found = match encode(crosscoder, (acts, acts.size()[0]), cfg, &mut self.workspace) {
            Encoded::General => {
                let mut forward = Forward::of(crosscoder, acts, cfg);
                add_up(&mut forward.recon)?;
                general::backward(&forward, crosscoder, cfg)
            }
            Encoded::Dense(mut batch) => {
                let factors = dense::set_recon(&mut batch);
                add_up(&mut batch.workspace.d_recon)?;
                dense::gradients(batch, &factors, self.grads.get_or_insert_with(memory))
            }
            Encoded::Sparse(mut batch, pairs) => {
                sparse::set_recon(&mut batch, &pairs);
                add_up(&mut batch.workspace.d_recon)?;
                return sparse::update_of_part(batch, &pairs, (&mut self.adam, lr), |own| over_all(group, own));
            }
        };
        let own = Losses::read(&found.losses);
        let [w_enc, b_enc, w_dec, b_dec, log_threshold] = found.grads.each_ref().map(Tensor::shallow_clone);
        let squares = global_norm(&[w_enc, b_enc, w_dec, log_threshold]).square().double_value(&[]);
        let all = over_all(group, PartSums { sparsity: own.sparsity, pre_act: own.pre_act, squares })?;
        let norm = (global_norm(&[b_dec]).square() + all.squares).sqrt();
        let losses = Losses::weighted(own.recon, all.sparsity, all.pre_act, cfg).tensor();
        let grad_norm = self.adam.step_of_norm(&mut params, &found.grads, norm, lr);
        Ok(StepReport { losses: losses.to_device(acts.device()), n_fired: found.n_fired, grad_norm })
    }

    /// All gradients one after the other in one tensor; `self.grads` are views into it.
    fn flat_gradients(&mut self, params: &[Tensor; 5]) -> Tensor {
        if let Some(flat) = &self.flat {
            return flat.shallow_clone();
        }
        let sizes = params.each_ref().map(|param| param.numel() as i64);
        let flat = Tensor::zeros([sizes.iter().sum::<i64>()], (params[0].kind(), params[0].device()));
        let parts = flat.split_with_sizes(sizes, 0);
        self.grads = Some(std::array::from_fn(|i| parts[i].view_as(&params[i])));
        self.flat.insert(flat).shallow_clone()
    }
}

/// Turns what this process's latents give, with the bias, into what all give, with it once.
fn add_up(group: &ProcessGroup, recon: &mut Tensor, b_dec: &Tensor) -> Result<()> {
    if !group.is_first() {
        *recon -= b_dec;
    }
    group.sum(recon)
}

/// Adds up what the processes' latents give.
fn over_all(group: &ProcessGroup, own: PartSums) -> Result<PartSums> {
    let mut sums = Tensor::from_slice(&[own.sparsity, own.pre_act, own.squares]);
    group.sum(&mut sums)?;
    let [sparsity, pre_act, squares] = [0, 1, 2].map(|i| sums.double_value(&[i]));
    Ok(PartSums { sparsity, pre_act, squares })
}

/// Gradients and losses of the general way, as a share, in the memory `grads`.
fn written(found: BatchGradients, grads: &mut [Tensor; 5], share: f64) -> BatchGradients {
    for (to, from) in grads.iter_mut().zip(&found.grads) {
        to.copy_(&(from * share));
    }
    BatchGradients { losses: found.losses * share, ..found }
}

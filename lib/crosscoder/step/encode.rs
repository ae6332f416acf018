//! A step's encoder product, and the choice of the way on: dense where many pairs are active, sparse where few are.

use super::pairs::Pairs;
use super::workspace::Workspace;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::loss::LossConfig;
use crate::crosscoder::precision::Precision;
use crate::processor::memory::floats;
use crate::processor::parallel;
use crate::processor::simd::vectorised;
use std::sync::atomic::{AtomicUsize, Ordering};
use tch::{Device, Kind, Tensor};

/// A batch whose pre-activations are in the workspace.
pub(super) struct Batch<'a> {
    pub crosscoder: &'a Crosscoder,
    pub cfg: &'a LossConfig,
    /// Activations that the loss is a mean over: `x`, and those of other processes.
    pub n_acts: i64,
    /// [batch, hook · d_model], contiguous
    pub x: Tensor,
    /// The same as a factor of products.
    pub x_factor: Tensor,
    /// `[latent]`
    pub thresholds: Tensor,
    pub workspace: &'a mut Workspace,
}

/// A batch by the way on that is fastest for it.
pub(super) enum Encoded<'a> {
    /// On another device than the processor, in another precision, or with a term that the fast ways do not know.
    General,
    /// Many pairs are active.
    Dense(Batch<'a>),
    /// Few are: these.
    Sparse(Batch<'a>, Pairs),
}

/// Encodes `acts` [batch, hook, d_model], all of a batch of `n_acts` or some, in a workspace.
pub(super) fn encode<'a>(
    crosscoder: &'a Crosscoder,
    (acts, n_acts): (&Tensor, i64),
    cfg: &'a LossConfig,
    workspace: &'a mut Option<Workspace>,
) -> Encoded<'a> {
    if acts.kind() != Kind::Float || acts.device() != Device::Cpu || cfg.backward.to_input {
        return Encoded::General;
    }
    let x = acts.flatten(1, 2).contiguous();
    let held = workspace.take();
    let workspace = workspace.insert(Workspace::fitting(held, crosscoder, &x));
    let (x_factor, w_enc) = (cfg.products.factor(&x), cfg.products.factor(&crosscoder.w_enc));
    workspace.pre_acts.copy_(&crosscoder.b_enc);
    cfg.products.add_product(&mut workspace.pre_acts, &x_factor, &w_enc.tr());
    let batch = Batch { crosscoder, cfg, n_acts, x, x_factor, thresholds: crosscoder.thresholds(), workspace };
    let (pre_acts, thresholds) = (floats(&batch.workspace.pre_acts), floats(&batch.thresholds));
    let most_sparse = dense_share(cfg.products, batch.x.size()[0]) * pre_acts.len() as f64;
    if n_active(pre_acts, thresholds) as f64 > most_sparse {
        return Encoded::Dense(batch);
    }
    let pairs = Pairs::of(pre_acts, thresholds, cfg.backward.bandwidth as f32 / 2.0);
    Encoded::Sparse(batch, pairs)
}

/// Share of active pairs above which dense products are faster. In float32 both ways cost by the activation: 0.12 was
/// measured at 3840 inputs, 0.2 at 640. In bfloat16 dense ones cost by the step, where a processor has units for them.
fn dense_share(products: Precision, batch: i64) -> f64 {
    match products {
        Precision::Float32 => 0.15,
        Precision::Bf16 => 8.0 / batch as f64,
    }
}

/// How many pre-activations are at or above threshold.
fn n_active(pre_acts: &[f32], thresholds: &[f32]) -> usize {
    let sum = AtomicUsize::new(0);
    parallel::for_each(pre_acts.chunks_exact(thresholds.len()), |row| {
        sum.fetch_add(n_active_of_row(row, thresholds) as usize, Ordering::Relaxed);
    });
    sum.into_inner()
}

vectorised! {
    fn n_active_of_row(pre_acts: &[f32], thresholds: &[f32]) -> u32 {
        pre_acts.iter().zip(thresholds).map(|(pre, threshold)| u32::from(threshold - pre <= 0.0)).sum()
    }
}

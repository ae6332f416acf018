//! A crosscoder's training step: losses, gradients, clipping, Adam.

use crate::Result;
use crate::side::{Facts, Side};
use serde::{Deserialize, Serialize};
use stagediff::crosscoder::jumprelu::Backward;
use stagediff::crosscoder::loss::PreActTarget;
use stagediff::crosscoder::{Crosscoder, LossConfig, Losses, Optimiser, Precision, StepReport, encoder_bias, init};
use stagediff::files::Weights;
use stagediff::language_model::HookPoint;
use stagediff::tch::{self, Device, Kind, Tensor};
use stagediff::training::adam::AdamConfig;
use std::path::Path;

/// Sizes and state of the crosscoder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CrosscoderWork {
    pub n_hooks: i64,
    pub d_model: i64,
    pub n_latents: i64,
    /// Activations a step.
    pub batch: i64,
    pub firing: Firing,
    /// Weight of the pre-activation term.
    pub lambda_p: f64,
}

/// How much of it fires.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Firing {
    /// Half of the latents: the library's own fresh crosscoder.
    Start,
    /// So many latents an activation, with pre-activations spread about their thresholds as in trained crosscoders.
    L0(i64),
}

/// Batches that the steps go through in turn.
const N_BATCHES: i64 = 4;

/// Weight of the sparsity term.
const LAMBDA_S: f64 = 0.5;

/// Small, so that the state stays what it is for as long as it is measured.
const LR: f64 = 1e-6;

/// Standard deviation of a latent's pre-activations. With it about as many pairs lie within the window below their
/// threshold as lie above it. That is so in trained crosscoders: four of two runs at 640 × 1024 (S and DF, L0 11 to 18)
/// had 0.75 to 1.2 pairs in the window for each one above, with deviations of 2 and thresholds of 2 to 3, and heavier
/// tails than these normal ones.
const PRE_ACT_STD: f64 = 4.0;

/// t = log θ of the latents that are not fresh.
const LOG_THRESHOLD: f64 = 0.7;

/// Decoder norm of the latents that are not fresh, 1.5 to 2.3 in trained ones.
const DEC_NORM: f64 = 2.0;

const NAMES: [&str; 5] = ["w_enc", "b_enc", "w_dec", "b_dec", "log_threshold"];

impl CrosscoderWork {
    fn hooks(&self) -> Vec<HookPoint> {
        HookPoint::residual_stream(self.n_hooks as usize - 1)
    }

    /// The loss: ours, in one place for both sides.
    fn loss(&self, products: Precision) -> LossConfig {
        LossConfig {
            lambda_s: LAMBDA_S,
            lambda_p: self.lambda_p,
            tanh_scale: 4.0,
            pre_act_target: PreActTarget::PreActs,
            backward: Backward { bandwidth: 2.0, chain_rule: true, to_input: false },
            products,
        }
    }

    /// Writes the tensors that both sides start from.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<Facts> {
        tch::manual_seed(0);
        let acts = normal(&[N_BATCHES * self.batch, self.n_hooks, self.d_model]);
        let crosscoder = self.crosscoder(&acts);
        let cfg = self.loss(Precision::Float32);
        let mut weights = Weights::new();
        NAMES.iter().zip(crosscoder.params()).for_each(|(name, param)| weights.insert(*name, &param));
        weights.insert("acts", &acts);
        for (name, value) in [
            ("lambda_s", cfg.lambda_s),
            ("lambda_p", cfg.lambda_p),
            ("tanh_scale", cfg.tanh_scale),
            ("bandwidth", cfg.backward.bandwidth),
            ("lr", LR),
        ] {
            weights.insert(name, &Tensor::from(value));
        }
        weights.write(folder.join("tensors.safetensors"))?;
        Ok(self.facts(&crosscoder, &acts))
    }

    fn crosscoder(&self, acts: &Tensor) -> Crosscoder {
        let scale = Tensor::ones([self.n_hooks], (Kind::Float, Device::Cpu));
        let fresh = init(self.n_latents, &self.hooks(), acts, &scale, 0.5);
        let Firing::L0(l0) = self.firing else { return fresh };
        let n_inputs = self.n_hooks * self.d_model;
        let w_enc = normal(&[self.n_latents, n_inputs]) * (PRE_ACT_STD / (n_inputs as f64).sqrt());
        let hook_norm = DEC_NORM / self.n_hooks as f64;
        let w_dec = normal(&[self.n_latents, n_inputs]) * (hook_norm / (self.d_model as f64).sqrt());
        let log_threshold = fresh.log_threshold.full_like(LOG_THRESHOLD);
        let firing_frac = l0 as f64 / self.n_latents as f64;
        let b_enc = encoder_bias(&acts.flatten(1, 2), &w_enc, &log_threshold, firing_frac);
        Crosscoder { w_enc, b_enc, w_dec, log_threshold, ..fresh }
    }

    /// Shares of pairs that are active and in the window below the threshold, and the operations that a step needs:
    /// 2n for each pair in the encoder, for each active one in x̂, dW_dec and dW_enc, and for each active or in the
    /// window in ⟨g, W_dec⟩; n = hooks · d_model.
    fn facts(&self, crosscoder: &Crosscoder, acts: &Tensor) -> Facts {
        let gap = crosscoder.thresholds() - crosscoder.encode(acts).pre_acts;
        let share = |pairs: Tensor| pairs.to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        let (active, window) = (share(gap.lt(0.0)), share(gap.gt(0.0).logical_and(&gap.lt(1.0))));
        let n_pairs = (self.batch * self.n_latents) as f64;
        let inner_product = 2.0 * (self.n_hooks * self.d_model) as f64;
        let flops = n_pairs * inner_product * (1.0 + 4.0 * active + window);
        Facts { unit: "activations", items: self.batch as f64, flops, active_frac: active, window_frac: window }
    }
}

fn normal(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

/// Our side.
pub struct Training {
    crosscoder: Crosscoder,
    batches: Vec<Tensor>,
    loss: LossConfig,
    optimiser: Optimiser,
    last: Option<StepReport>,
}

impl Training {
    /// Reads the tensors.
    ///
    /// # Errors
    /// They are not there.
    pub fn open(work: &CrosscoderWork, products: Precision, device: Device, folder: &Path) -> Result<Training> {
        let mut weights = Weights::read(folder.join("tensors.safetensors"), device)?;
        let mut take = |name: &str| weights.tensors.remove(name).ok_or(format!("no tensor {name}"));
        let crosscoder = Crosscoder {
            hooks: work.hooks(),
            d_model: work.d_model,
            w_enc: take("w_enc")?,
            b_enc: take("b_enc")?,
            w_dec: take("w_dec")?,
            b_dec: take("b_dec")?,
            log_threshold: take("log_threshold")?,
            scale: Tensor::ones([work.n_hooks], (Kind::Float, device)),
        };
        let batches = take("acts")?.split(work.batch, 0);
        let optimiser = Optimiser::new(&crosscoder, AdamConfig::default());
        Ok(Training { crosscoder, batches, loss: work.loss(products), optimiser, last: None })
    }
}

impl Side for Training {
    fn step(&mut self) {
        let acts = &self.batches[self.optimiser.adam.n_steps as usize % self.batches.len()];
        self.last = Some(self.optimiser.step(&mut self.crosscoder, acts, &self.loss, LR));
    }

    fn values(&self) -> Vec<f64> {
        let numbers =
            |report: &StepReport| vec![Losses::read(&report.losses).total, report.grad_norm.double_value(&[])];
        self.last.as_ref().map(numbers).unwrap_or_default()
    }
}

//! Training crosscoders on a stream of activations.

use crate::crosscoder::harvest::ActivationStream;
use crate::crosscoder::{Crosscoder, Descent, LossConfig, Losses, Optimiser, Products};
use crate::experiment::recipe::Recipe;
use crate::experiment::stage::Stage;
use crate::training::adam::AdamConfig;
use crate::training::checkpoint::{self, Checkpoint};
use crate::training::schedule::{LearningRate, Ramp};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, Instant};
use tch::{Kind, Tensor};

/// How a crosscoder is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Activations a step.
    pub batch: i64,
    /// Steps.
    pub n_steps: i64,
    /// Highest learning rate.
    pub lr: f64,
    /// Share of the steps over which it rises.
    pub warm_up_frac: f64,
    /// Share of the steps, the last, over which it falls to 0.
    pub decay_frac: f64,
    /// Final weight λ_s of the sparsity term.
    pub lambda_s: f64,
    /// Whether λ_s rises linearly over the whole training (stage S) or is constant (later stages).
    pub ramp_lambda_s: bool,
    /// The precision of matrix products: `float32`, or `bf16` where the machine is faster at it. Runs from before there
    /// was a choice had `float32`.
    #[serde(default)]
    pub products: Products,
}

impl TrainConfig {
    /// Stage S as published: 10.24 M activations.
    pub fn published_s() -> TrainConfig {
        TrainConfig {
            batch: 256,
            n_steps: 40_000,
            lr: 5e-4,
            warm_up_frac: 0.05,
            decay_frac: 0.25,
            lambda_s: 0.5,
            ramp_lambda_s: true,
            products: Products::Float32,
        }
    }

    /// The later stages as published: 2.56 M activations each.
    pub fn published_later() -> TrainConfig {
        TrainConfig {
            batch: 256,
            n_steps: 10_000,
            lr: 1e-4,
            warm_up_frac: 0.0,
            decay_frac: 0.2,
            lambda_s: 0.5,
            ramp_lambda_s: false,
            products: Products::Float32,
        }
    }

    fn learning_rate(&self) -> LearningRate {
        let steps = |share: f64| (share * self.n_steps as f64).round() as i64;
        LearningRate {
            peak: self.lr,
            warm_up_steps: steps(self.warm_up_frac),
            decay_steps: steps(self.decay_frac),
            n_steps: self.n_steps,
        }
    }

    fn sparsity_weight(&self) -> Ramp {
        if self.ramp_lambda_s {
            Ramp { last: self.lambda_s, ramp_steps: self.n_steps }
        } else {
            Ramp::constant(self.lambda_s)
        }
    }
}

/// One line of the training log: means since the line before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainStep {
    /// Steps done.
    pub step: i64,
    /// Activations seen.
    pub n_activations: i64,
    /// Whole loss.
    pub loss: f64,
    /// Reconstruction term.
    pub loss_recon: f64,
    /// Sparsity term, unweighted.
    pub loss_sparsity: f64,
    /// Pre-activation term, unweighted.
    pub loss_pre_act: f64,
    /// λ_s of the last step.
    pub lambda_s: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Latents above threshold an activation.
    pub l0_mean: f64,
    /// Share of latents that fired on no activation since the line before.
    pub dead_frac: f64,
    /// Activations a second; differs from run to run.
    pub activations_per_s: f64,
}

impl std::fmt::Display for TrainStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TrainStep { step, loss_recon, l0_mean, dead_frac, lambda_s, .. } = self;
        write!(
            f,
            "step {step:>6}   reconstruction {loss_recon:8.2}   L0 {l0_mean:6.1}   silent {:4.1} %   λ_s {lambda_s:.3}",
            100.0 * dead_frac
        )
    }
}

/// Lines of the log in a whole training.
const N_LINES: i64 = 50;

/// A crosscoder in training, with its log.
pub struct Trainee {
    /// Which stage it becomes.
    pub stage: Stage,
    /// The crosscoder, at first its parent's copy.
    pub crosscoder: Crosscoder,
    /// The log.
    pub log: Vec<TrainStep>,
    /// Time between two checkpoints.
    pub checkpoint_every: Duration,
}

impl Trainee {
    /// A crosscoder that starts where `parent` is.
    pub fn new(stage: Stage, parent: &Crosscoder) -> Trainee {
        Trainee { stage, crosscoder: parent.copy(), log: Vec::new(), checkpoint_every: checkpoint::INTERVAL }
    }
}

/// Trains one or several crosscoders on the same stream, each for itself. `fingerprint` says what the stream is made
/// of; checkpoints lie in `checkpoints`, and a training of the same fingerprint goes on from them.
///
/// # Errors
/// The loss is no number any more, or a checkpoint cannot be read or written.
pub fn train(
    trainees: &mut [Trainee],
    stream: &mut ActivationStream,
    cfg: &TrainConfig,
    recipe: &Recipe,
    checkpoints: &Path,
    fingerprint: &str,
    progress: &mut dyn FnMut(Stage, &TrainStep),
) -> Result<()> {
    let mut courses: Vec<Course> = trainees
        .iter_mut()
        .map(|trainee| Course::start(trainee, cfg, checkpoints, fingerprint))
        .collect::<Result<_>>()?;
    let first = courses.iter().map(|course| course.optimiser.adam.n_steps).min().unwrap_or(cfg.n_steps);
    let (schedule, ramp) = (cfg.learning_rate(), cfg.sparsity_weight());
    for step in first..cfg.n_steps {
        let acts = stream.batch(step);
        let lr = if recipe.lr_before_step { schedule.at(step) } else { schedule.set_after_step(step) };
        let loss = LossConfig { products: cfg.products, ..LossConfig::new(ramp.at(step), recipe) };
        for course in courses.iter_mut().filter(|course| course.optimiser.adam.n_steps == step) {
            course.step(&acts, &loss, lr, cfg.n_steps, progress)?;
        }
    }
    courses.iter().for_each(|course| course.checkpoint.clear());
    Ok(())
}

/// One crosscoder's way through the training.
struct Course<'a> {
    trainee: &'a mut Trainee,
    optimiser: Optimiser,
    checkpoint: Checkpoint,
    sums: Sums,
}

impl<'a> Course<'a> {
    fn start(trainee: &'a mut Trainee, cfg: &TrainConfig, checkpoints: &Path, fingerprint: &str) -> Result<Course<'a>> {
        let mut optimiser = Optimiser::new(&trainee.crosscoder, AdamConfig::default());
        let path = checkpoints.join(format!("crosscoder_{}.safetensors", trainee.stage));
        let checkpoint =
            Checkpoint::new(path, format!("{fingerprint} {} {cfg:?}", trainee.stage)).every(trainee.checkpoint_every);
        trainee.log = checkpoint.resume(&mut trainee.crosscoder.params(), &mut optimiser.adam)?.unwrap_or_default();
        let sums = Sums::new(&trainee.crosscoder);
        Ok(Course { trainee, optimiser, checkpoint, sums })
    }

    fn step(
        &mut self,
        acts: &Tensor,
        loss: &LossConfig,
        lr: f64,
        n_steps: i64,
        progress: &mut dyn FnMut(Stage, &TrainStep),
    ) -> Result<()> {
        let descent = self.optimiser.step(&mut self.trainee.crosscoder, acts, loss, lr);
        self.sums.add(&descent, acts.size()[0]);
        let n_done = self.optimiser.adam.n_steps;
        if n_done % (n_steps / N_LINES).max(1) != 0 && n_done != n_steps {
            return Ok(());
        }
        let line = self.sums.line(n_done, loss.lambda_s, lr);
        if !line.loss.is_finite() {
            let expected = format!("at step {n_done} of stage {}: lower the learning rate", self.trainee.stage);
            return Err(Error::setting("loss", line.loss, expected));
        }
        progress(self.trainee.stage, &line);
        self.trainee.log.push(line);
        self.sums = Sums::new(&self.trainee.crosscoder);
        self.checkpoint.save_if_due(&self.trainee.crosscoder.params(), &self.optimiser.adam, &self.trainee.log)
    }
}

/// Running sums between two lines of the log.
struct Sums {
    n_steps: i64,
    n_acts: i64,
    /// As [`Descent::losses`].
    losses: Tensor,
    n_fired: Tensor,
    started: Instant,
}

impl Sums {
    fn new(crosscoder: &Crosscoder) -> Sums {
        let zeros = |n: i64, kind: Kind| Tensor::zeros([n], (kind, crosscoder.b_enc.device()));
        let (losses, n_fired) = (zeros(4, Kind::Double), zeros(crosscoder.n_latents(), Kind::Int64));
        Sums { n_steps: 0, n_acts: 0, losses, n_fired, started: Instant::now() }
    }

    fn add(&mut self, descent: &Descent, n_acts: i64) {
        self.n_steps += 1;
        self.n_acts += n_acts;
        self.losses += &descent.losses;
        self.n_fired += &descent.n_fired;
    }

    fn line(&self, n_done: i64, lambda_s: f64, lr: f64) -> TrainStep {
        let n = self.n_steps as f64;
        let sums = Losses::read(&self.losses);
        TrainStep {
            step: n_done,
            n_activations: n_done * self.n_acts / self.n_steps,
            loss: sums.total / n,
            loss_recon: sums.recon / n,
            loss_sparsity: sums.sparsity / n,
            loss_pre_act: sums.pre_act / n,
            lambda_s,
            lr,
            l0_mean: self.n_fired.sum(Kind::Int64).int64_value(&[]) as f64 / self.n_acts as f64,
            dead_frac: self.n_fired.eq(0).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]),
            activations_per_s: self.n_acts as f64 / self.started.elapsed().as_secs_f64(),
        }
    }
}

impl std::fmt::Debug for Trainee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trainee({}, {:?}, {} lines of log)", self.stage, self.crosscoder, self.log.len())
    }
}

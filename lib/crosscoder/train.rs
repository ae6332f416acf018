//! Training crosscoders on a stream of activations.

mod activation;
mod config;
mod decoder;
mod health;
mod log;
mod together;

pub use activation::Activation;
pub use config::TrainConfig;
pub use decoder::DecoderFreedom;
pub use health::warnings;
pub use log::{TrainStep, wall_s};
pub use together::Split;

use crate::crosscoder::harvest::ActivationStream;
use crate::crosscoder::{Crosscoder, LossConfig, Optimiser};
use crate::distributed::ProcessGroup;
use crate::training::adam::AdamConfig;
use crate::training::checkpoint::{self, Checkpoint, State};
use crate::training::notice::{goes_on, notice};
use crate::training::stop::Stop;
use crate::{Error, Result};
use log::Sums;
use std::path::PathBuf;
use std::time::Duration;
use tch::Tensor;
use together::{Batch, Kept, Together};

/// Lines of the log in a whole training.
const N_LINES: i64 = 50;

/// One training of one or several crosscoders.
#[derive(Debug, Clone)]
pub struct Training {
    /// Steps, rates and weights.
    pub cfg: TrainConfig,
    /// The loss; `cfg` sets its λ_s step by step, and the precision of its products.
    pub loss: LossConfig,
    /// JumpReLU with thresholds of its own, or BatchTopK.
    pub activation: Activation,
    /// Whether the learning rate of a step is set before it, or after, as in the published code.
    pub lr_before_step: bool,
    /// Folder of the checkpoints.
    pub checkpoints: PathBuf,
    /// Time between two checkpoints.
    pub checkpoint_every: Duration,
    /// What the stream is made of: a training of the same fingerprint goes on from its checkpoints.
    pub fingerprint: String,
}

impl Training {
    /// A training by `cfg`, with the default loss and checkpoints in a folder.
    pub fn new(cfg: TrainConfig, checkpoints: impl Into<PathBuf>, fingerprint: impl Into<String>) -> Training {
        Training {
            cfg,
            loss: LossConfig::default(),
            activation: Activation::JumpRelu,
            lr_before_step: true,
            checkpoints: checkpoints.into(),
            checkpoint_every: checkpoint::interval(),
            fingerprint: fingerprint.into(),
        }
    }

    fn lr(&self, step: i64) -> f64 {
        let schedule = self.cfg.learning_rate();
        if self.lr_before_step { schedule.at(step) } else { schedule.set_after_step(step) }
    }

    fn loss(&self, step: i64) -> LossConfig {
        let loss =
            LossConfig { lambda_s: self.cfg.sparsity_weight().at(step), products: self.cfg.products, ..self.loss };
        self.activation.loss(loss)
    }
}

/// A crosscoder in training, with its log.
pub struct Trainee {
    /// What it is called in the log, in errors and in its checkpoint's name.
    pub label: String,
    /// The crosscoder, at first its parent's copy.
    pub crosscoder: Crosscoder,
    /// How far its decoder may turn from where it was, unless it is free.
    held: Option<(DecoderFreedom, Tensor)>,
    /// The log.
    pub log: Vec<TrainStep>,
}

impl Trainee {
    /// A crosscoder that starts where `parent` is.
    pub fn new(label: impl Into<String>, parent: &Crosscoder) -> Trainee {
        Trainee { label: label.into(), crosscoder: parent.copy(), held: None, log: Vec::new() }
    }

    /// The same with a decoder that may turn so far.
    pub fn with(self, decoder: DecoderFreedom) -> Trainee {
        let held = (decoder != DecoderFreedom::Free).then(|| (decoder, self.crosscoder.w_dec.copy()));
        Trainee { held, ..self }
    }
}

/// Trains one or several crosscoders on the same stream, each for itself. `progress` gets each line of the log with the
/// label that it belongs to. Checkpoints stay, for who writes the result to remove. Ctrl-C and SIGTERM leave checkpoints
/// and end the training.
///
/// # Errors
/// The loss is no number any more, the stream cannot be read, or somebody wants the training to stop.
pub fn train(
    trainees: &mut [Trainee],
    stream: &mut ActivationStream,
    training: &Training,
    progress: &mut dyn FnMut(&str, &TrainStep),
) -> Result<()> {
    train_all(trainees, stream, training, None, progress)
}

/// The same by several processes. Where the batch is shared out, each brings its [part](ActivationStream::part) of the
/// stream and the whole crosscoders; where the latents are, the whole stream and [parts](Crosscoder::part) of crosscoders.
/// The log, in each process, is that of one process alone but for rounding. The first one writes checkpoints and gets
/// `progress`; where it goes on from one, all do.
///
/// # Errors
/// As [`train`]; the processes do not have the same settings, version, crosscoders and activations; or one has ended, in
/// which case the others end within seconds.
pub fn train_together(
    (group, split): (&ProcessGroup, Split),
    trainees: &mut [Trainee],
    stream: &mut ActivationStream,
    training: &Training,
    progress: &mut dyn FnMut(&str, &TrainStep),
) -> Result<()> {
    let together = Together { group, split };
    together.agree(trainees, stream, training)?;
    train_all(trainees, stream, training, Some(together), progress)
}

fn train_all(
    trainees: &mut [Trainee],
    stream: &mut ActivationStream,
    training: &Training,
    together: Option<Together>,
    progress: &mut dyn FnMut(&str, &TrainStep),
) -> Result<()> {
    let start = |trainee| InTraining::start(trainee, training, together);
    let mut all = trainees.iter_mut().map(start).collect::<Result<Vec<InTraining>>>()?;
    let first = all.iter().map(InTraining::n_done).min().unwrap_or(training.cfg.n_steps);
    let stop = Stop::listen();
    for step in first..training.cfg.n_steps {
        let asked = match together {
            None => stop.asked(),
            Some(together) => together.group.asked(stop.asked())?,
        };
        if let Some(signal) = asked {
            all.iter_mut().try_for_each(InTraining::save)?;
            return Err(all[0].stopped(signal, step, training.cfg.n_steps));
        }
        let acts = stream.batch(step)?;
        for one in all.iter_mut().filter(|one| one.n_done() == step) {
            one.step(&Batch { acts: &acts, n_acts: stream.batch_size(), together }, training, progress)?;
        }
    }
    for one in &mut all {
        training.activation.settle(&mut one.trainee.crosscoder, stream, training.cfg.n_steps, together)?;
        if !one.is_shown() {
            continue;
        }
        let n_parts = together.map_or(1, |together| together.n_parts());
        warnings(&one.trainee.log, one.trainee.crosscoder.n_latents() * n_parts)
            .iter()
            .for_each(|warning| notice(format!("{}: {warning}", one.trainee.label)));
    }
    Ok(())
}

/// A trainee with the state that its training keeps beside it.
struct InTraining<'a> {
    trainee: &'a mut Trainee,
    optimiser: Optimiser,
    checkpoint: Checkpoint,
    sums: Sums,
    together: Option<Together<'a>>,
}

impl<'a> InTraining<'a> {
    fn start(trainee: &'a mut Trainee, training: &Training, together: Option<Together<'a>>) -> Result<InTraining<'a>> {
        let Training { cfg, checkpoints, checkpoint_every, fingerprint, .. } = training;
        let mut optimiser = Optimiser::new(&trainee.crosscoder, AdamConfig::default());
        let path = checkpoints.join(format!("crosscoder_{}.safetensors", trainee.label));
        let checkpoint =
            Checkpoint::new(path, format!("{fingerprint} {} {cfg:?}", trainee.label)).every(*checkpoint_every);
        let (mut params, mut sums) = (trainee.crosscoder.params(), Sums::new(&trainee.crosscoder));
        let (params, sums_so_far, log) = (&mut params, &mut sums.tensors, &mut trainee.log);
        match together {
            None => {
                let state = State { params, since_line: sums_so_far, log };
                checkpoint.resume(state, &mut optimiser.adam, cfg.n_steps);
            }
            Some(together) => {
                let mut kept = Kept { params, sums: sums_so_far, log, optimiser: &mut optimiser };
                together.resume(&checkpoint, &mut kept, cfg.n_steps)?;
            }
        }
        let started = InTraining { trainee, optimiser, checkpoint, sums, together };
        if started.is_shown() {
            goes_on(&started.trainee.label, started.n_done(), cfg.n_steps);
        }
        Ok(started)
    }

    /// Whether this process is the one to speak.
    fn is_shown(&self) -> bool {
        self.together.is_none_or(|together| together.group.is_first())
    }

    fn n_done(&self) -> i64 {
        self.optimiser.adam.n_steps
    }

    fn step(&mut self, batch: &Batch, training: &Training, progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<()> {
        let (loss, lr) = (training.loss(self.n_done()), training.lr(self.n_done()));
        let step = self.n_done();
        training.activation.set_thresholds(&mut self.trainee.crosscoder, batch, step)?;
        let report = batch.step(&mut self.optimiser, &mut self.trainee.crosscoder, &loss, lr)?;
        if let Some((decoder, start)) = &self.trainee.held {
            decoder.hold(start, &mut self.trainee.crosscoder.w_dec);
        }
        self.sums.add(&report, batch.n_acts);
        let (n_done, n_steps) = (self.n_done(), training.cfg.n_steps);
        if n_done % (n_steps / N_LINES).max(1) == 0 || n_done == n_steps {
            self.line(self.sums.line(n_done, n_steps, loss.lambda_s, lr), progress)?;
        }
        self.save_if_due()
    }

    fn save_if_due(&mut self) -> Result<()> {
        let mut params = self.trainee.crosscoder.params();
        let (params, sums, log) = (&mut params, &mut self.sums.tensors, &mut self.trainee.log);
        match self.together {
            None => {
                let state = State { params, since_line: sums, log };
                self.checkpoint.save_if_due(&state, &self.optimiser.adam);
                Ok(())
            }
            Some(together) => {
                let mut kept = Kept { params, sums, log, optimiser: &mut self.optimiser };
                together.save_if_due(&mut self.checkpoint, &mut kept)
            }
        }
    }

    fn line(&mut self, line: TrainStep, progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<()> {
        let line = self.together.map_or(Ok(line), |together| together.line(line))?;
        if !line.loss.is_finite() {
            let expected =
                format!("at step {} of stage {}: lower its lr, or its lambda_s", line.step, self.trainee.label);
            return Err(Error::setting("loss", line.loss, expected));
        }
        if self.is_shown() {
            progress(&self.trainee.label, &line);
        }
        self.trainee.log.push(line);
        self.sums = Sums::new(&self.trainee.crosscoder);
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        let mut params = self.trainee.crosscoder.params();
        let (params, sums, log) = (&mut params, &mut self.sums.tensors, &mut self.trainee.log);
        match self.together {
            None => self.checkpoint.save(&State { params, since_line: sums, log }, &self.optimiser.adam),
            Some(together) => {
                let mut kept = Kept { params, sums, log, optimiser: &mut self.optimiser };
                together.save(&self.checkpoint, &mut kept)
            }
        }
    }

    fn stopped(&self, signal: i32, step: i64, n_steps: i64) -> Error {
        Error::Stopped { label: self.trainee.label.clone(), step, n_steps, signal }
    }
}

impl std::fmt::Debug for Trainee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trainee({}, {:?}, {} lines of log)", self.label, self.crosscoder, self.log.len())
    }
}

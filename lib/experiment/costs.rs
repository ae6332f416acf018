//! What a stage of the series takes, on paper: memory, operations, bytes between devices, time.
//!
//! Of a crosscoder with I = n_hooks · d_model inputs and L latents the P = 2 I L weights decide. A step on B activations of
//! which a latent fires on a share a takes
//! ```text
//! encoder    P B                     operations, dense
//! the rest   P B min(4 dense, 5 a)   four products, or over the pairs of activation and latent that are active; as many
//!                                    again lie in the straight-through window
//! Adam       28 P bytes of memory    parameter, two moments and gradient read; the first three written
//! ```
//! Reading an activation takes a forward pass, 2 operations a weight of the blocks and the attention's.
//!
//! Over n devices either each has the whole dictionary and a share of the batch, and gradients are summed over the
//! network, or each has a share of the latents and the whole batch, and reconstructions are. A sum over a ring brings
//! 2 (n − 1) / n of its bytes through each device.

mod machine;

pub use machine::Machine;

use crate::experiment::preset::Preset;
use crate::language_model::gpt_neo::GptNeoConfig;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Of a float32.
const FLOAT: f64 = 4.0;

/// What is trained on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Width of the language model's residual stream.
    pub d_model: f64,
    /// Its blocks.
    pub n_layers: f64,
    /// Width of its MLPs.
    pub d_mlp: f64,
    /// Its vocabulary.
    pub n_vocab: f64,
    /// Tokens of a sequence.
    pub seq: f64,
    /// Hook points of the crosscoder.
    pub n_hooks: f64,
    /// Its latents.
    pub n_latents: f64,
    /// Activations a step.
    pub batch: f64,
    /// Activations of the whole training.
    pub n_activations: f64,
    /// Latents that fire on an activation, in the mean over the training.
    pub l0: f64,
    /// Activations in the shuffle buffer.
    pub buffer: f64,
    /// Bytes of a number in activations and the language model: 4, or 2 in bf16.
    pub bytes: f64,
}

/// How a training is spread over devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Each has the dictionary and a share of the batch.
    Batch,
    /// Each has a share of the latents and the batch.
    Latents,
}

/// What one stage takes, of each device unless it says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Costs {
    /// Weights of the crosscoder, all devices together.
    pub n_params: f64,
    /// The crosscoder with Adam's moments and, as at the start of a training, a gradient that is written, GiB.
    pub state_gib: f64,
    /// Batch, codes and shuffle buffer, GiB.
    pub batch_gib: f64,
    /// The language model, GiB.
    pub model_gib: f64,
    /// Operations of the whole training, all devices together: those of the crosscoder and of the language model.
    pub flops: [f64; 2],
    /// Bytes that the network brings to a device in a step.
    pub network_bytes: f64,
    /// Seconds of a step: the crosscoder's products, Adam, network, reading activations.
    pub step_s: [f64; 4],
    /// Steps.
    pub n_steps: f64,
}

impl Work {
    /// A preset's stage S, at the L0 that its sparsity aims at and with the corrected recipe's buffer.
    pub fn of(preset: &Preset) -> Work {
        let GptNeoConfig { d_model, d_mlp, n_vocab, .. } = preset.model;
        let n_layers = preset.model.n_layers() as f64;
        let n_hooks = if preset.hooks.is_empty() { n_layers + 1.0 } else { preset.hooks.len() as f64 };
        let [d_model, d_mlp, n_vocab] = [d_model, d_mlp, n_vocab].map(|size| size as f64);
        let (batch, n_latents) = (preset.stage_s.batch as f64, preset.n_latents as f64);
        let n_activations = batch * preset.stage_s.n_steps as f64;
        let (seq, l0, buffer, bytes) = (preset.seq as f64, 15.0, 65_536.0, FLOAT);
        Work { d_model, n_layers, d_mlp, n_vocab, seq, n_hooks, n_latents, batch, n_activations, l0, buffer, bytes }
    }

    /// Puts in one size by its field's name.
    ///
    /// # Errors
    /// There is no such size, or the value is not a number above 0.
    pub fn set(&mut self, name: &str, value: f64) -> Result<()> {
        let Ok(Value::Object(mut sizes)) = serde_json::to_value(&*self) else { unreachable!("a struct of numbers") };
        if !sizes.contains_key(name) {
            let names: Vec<&str> = sizes.keys().map(String::as_str).collect();
            return Err(Error::setting(
                name,
                value,
                format!("expected one of {} instead of that name", names.join(", ")),
            ));
        }
        sizes.insert(name.into(), value.into());
        match serde_json::from_value(Value::Object(sizes)) {
            Ok(work) if value > 0.0 => *self = work,
            _ => return Err(Error::setting(name, value, "expected a number above 0")),
        }
        Ok(())
    }

    /// Operations of a block's forward pass, a token: four projections, two of the MLP, scores and mixture.
    fn block_flops(&self) -> f64 {
        let seen = (self.seq + 1.0) / 2.0;
        2.0 * self.d_model * (4.0 * self.d_model + 2.0 * self.d_mlp + 2.0 * seen)
    }

    /// Weights of the language model's blocks and embedding.
    fn n_model_params(&self) -> f64 {
        self.n_layers * self.d_model * (4.0 * self.d_model + 2.0 * self.d_mlp) + self.n_vocab * self.d_model
    }

    /// What it takes on a machine.
    pub fn costs(&self, on: &Machine, split: Split) -> Costs {
        let (inputs, n) = (self.n_hooks * self.d_model, on.n_devices);
        let n_params = 2.0 * inputs * self.n_latents;
        let share = |is_split: bool| if is_split { 1.0 / n } else { 1.0 };
        let (of_params, of_batch) = (share(split == Split::Latents), share(split == Split::Batch));
        let ring = 2.0 * (n - 1.0) / n;
        let (dense, pairs) = (n_params * self.batch, n_params * self.batch * 5.0 * self.l0 / self.n_latents);
        let (dense_s, pairs_s) = (4.0 * dense / on.flops_per_s, pairs / on.pair_flops_per_s);
        let products = dense + if pairs_s < dense_s { pairs } else { 4.0 * dense };
        let reading = self.n_layers * self.block_flops() * self.batch;
        // activations read by one device reach all that have a share of the latents
        let network_bytes = match split {
            Split::Batch => ring * n_params * FLOAT,
            Split::Latents => (ring * FLOAT + (n - 1.0) / n * self.bytes) * self.batch * inputs,
        };
        let (rows, gib) = (self.batch * of_batch, f64::from(1 << 30));
        let codes = 3.0 * rows * self.n_latents * of_params * FLOAT;
        let n_steps = self.n_activations / self.batch;
        Costs {
            n_params,
            state_gib: 4.0 * FLOAT * n_params * of_params / gib,
            batch_gib: (3.0 * rows * inputs * FLOAT + codes + self.buffer * inputs * self.bytes / n) / gib,
            model_gib: self.n_model_params() * self.bytes / gib,
            flops: [products * n_steps, reading * n_steps],
            network_bytes,
            step_s: [
                (dense / on.flops_per_s + pairs_s.min(dense_s)) / n,
                7.0 * FLOAT * n_params * of_params / on.memory_bytes_per_s,
                network_bytes / on.network_bytes_per_s,
                reading / n / on.flops_per_s,
            ],
            n_steps,
        }
    }
}

impl Costs {
    /// Memory of a device, GiB.
    pub fn memory_gib(&self) -> f64 {
        self.state_gib + self.batch_gib + self.model_gib
    }

    /// Seconds of the whole training, one thing after the other.
    pub fn wall_s(&self) -> f64 {
        self.n_steps * self.step_s.iter().sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// benches/README.md: inputs, latents, batch, L0, activations a second, and peak memory in MiB.
    const MEASURED: [(f64, f64, f64, f64, f64, f64); 12] = [
        (3840.0, 3072.0, 256.0, 15.0, 5520.0, 421.0),
        (3840.0, 3072.0, 256.0, 64.0, 3833.0, 421.0),
        (3840.0, 3072.0, 1024.0, 15.0, 8117.0, 488.0),
        (3840.0, 3072.0, 1024.0, 64.0, 4538.0, 491.0),
        (640.0, 1024.0, 256.0, 15.0, 74441.0, 145.0),
        (640.0, 1024.0, 256.0, 64.0, 43451.0, 146.0),
        (640.0, 1024.0, 1024.0, 15.0, 84924.0, 159.0),
        (640.0, 1024.0, 1024.0, 64.0, 41826.0, 161.0),
        (3840.0, 3072.0, 256.0, 1536.0, 2139.0, 524.0),
        (3840.0, 3072.0, 1024.0, 1536.0, 2732.0, 611.0),
        (640.0, 1024.0, 256.0, 512.0, 34948.0, 155.0),
        (640.0, 1024.0, 1024.0, 512.0, 44760.0, 176.0),
    ];

    /// A process with libtorch that has done nothing yet.
    const PROCESS_MIB: f64 = 117.0;

    fn bench((inputs, n_latents, batch, l0, ..): (f64, f64, f64, f64, f64, f64)) -> Costs {
        let (n_hooks, buffer) = (1.0, 0.0);
        let work = Work { d_model: inputs, n_hooks, n_latents, batch, l0, buffer, ..Work::of(&Preset::tiny()) };
        work.costs(&Machine::two_cores(), Split::Batch)
    }

    #[test]
    fn measured_steps_take_what_it_says_within_a_third() {
        for case in MEASURED {
            let step_s = bench(case).step_s;
            let predicted = case.2 / (step_s[0] + step_s[1]);
            let share = case.4 / predicted;
            assert!((0.75..1.33).contains(&share), "{case:?}: {predicted:.0} a second, {share:.2}");
        }
    }

    #[test]
    fn measured_memory_is_what_it_says_within_an_eighth() {
        for case in MEASURED {
            let costs = bench(case);
            let is_written = case.3 > 100.0; // else the gradient never is
            let state_gib = costs.state_gib * if is_written { 1.0 } else { 0.75 };
            let predicted = PROCESS_MIB + 1024.0 * (state_gib + costs.batch_gib);
            assert!((predicted / case.5 - 1.0).abs() < 0.12, "{case:?}: {predicted:.0} MiB");
        }
    }

    #[test]
    fn the_published_sizes_take_what_was_measured() {
        let work = Work { l0: 230.0, ..Work::of(&Preset::paper()) };
        let step_s = work.costs(&Machine::two_cores(), Split::Batch).step_s;
        let [read, trained] = [step_s[3], step_s.iter().sum()].map(|s| work.batch / s);
        assert!((read / 5624.0 - 1.0).abs() < 0.1, "{read:.0} activations read a second");
        assert!(
            (trained / 1700.0 - 1.0).abs() < 0.15,
            "{trained:.0} activations a second while 200 to 260 latents fire"
        );
    }

    #[test]
    fn sizes_are_set_by_name_and_others_are_refused() {
        let mut work = Work::of(&Preset::tiny());
        work.set("n_latents", 7.0).unwrap();
        assert_eq!(work, Work { n_latents: 7.0, ..Work::of(&Preset::tiny()) });
        let error = work.set("latents", 7.0).unwrap_err().to_string();
        assert!(error.contains("latents is 7, expected one of") && error.contains("n_latents"), "{error}");
        for value in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            assert!(work.set("seq", value).unwrap_err().to_string().contains("expected a number above 0"));
        }
        assert_eq!(work.n_latents, 7.0);
    }

    #[test]
    fn one_device_needs_no_network_and_more_devices_less_memory_where_latents_are_split() {
        let work = Work::of(&Preset::paper());
        let [one, four] = [1.0, 4.0].map(|n| work.costs(&Machine::h100s(n), Split::Latents));
        assert_eq!((one.network_bytes, one.n_params), (0.0, 2.0 * 3840.0 * 3072.0));
        assert!(four.state_gib < 0.5 * one.state_gib && four.network_bytes > 0.0);
        let whole = work.costs(&Machine::h100s(4.0), Split::Batch);
        assert_eq!(whole.network_bytes, 1.5 * 4.0 * one.n_params, "a ring of four brings every gradient 1.5 times");
        assert_eq!(whole.flops, four.flops, "the work is the same");
    }
}

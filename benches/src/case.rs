//! The cases: what is measured, and beside whom.

use crate::crosscoder::{CrosscoderWork, Firing};
use crate::harvest::HarvestWork;
use crate::qlora::QloraWork;
use crate::setup::On;
use crate::work::Work;
use std::fmt;

/// One piece of work and who does it.
pub struct Case {
    /// Its name, parts divided by `/`.
    pub name: String,
    pub work: Work,
    pub peers: &'static [Peer],
    /// Steps of a turn.
    pub n_steps: usize,
    /// Whether `--quick` takes it.
    pub quick: bool,
}

/// Another program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peer {
    /// Its name in the table.
    pub name: &'static str,
    /// Its module in benches/peers.
    pub module: &'static str,
    /// Whether it computes the same numbers; what has another objective cannot.
    pub same_numbers: bool,
}

const PYTORCH: Peer = Peer { name: "PyTorch", module: "pytorch_step", same_numbers: true };
const SAE_LENS: Peer = Peer { name: "sae-lens JumpReLU", module: "sae_lens_step", same_numbers: true };
const SPARSIFY: Peer = Peer { name: "eai-sparsify TopK", module: "sparsify_step", same_numbers: false };
const TRANSFORMERS: Peer = Peer { name: "transformers", module: "transformers_harvest", same_numbers: true };
const PEFT: Peer = Peer { name: "peft + bitsandbytes", module: "peft_step", same_numbers: true };

/// First part of the names of [`growth`]'s cases.
pub const GROWTH: &str = "growth";

/// The cases that run beside a second process where none is named: one training step of each kind.
pub const SIDE_BY_SIDE: [&str; 2] = ["crosscoder/640x1024/b256/l0-15", "qlora/tiny"];

/// Every case that has a peer, in the order of the table. A GPU gets larger batches.
pub fn all(on: On) -> Vec<Case> {
    let times = match on {
        On::Cpu => 1,
        On::Cuda => 16,
    };
    let mut cases = Vec::new();
    for (width, d_model, n_latents) in [("3840x3072", 768, 3072), ("640x1024", 128, 1024)] {
        for batch in [256 * times, 1024 * times] {
            for (state, firing) in [("start", Firing::Start), ("l0-64", Firing::L0(64)), ("l0-15", Firing::L0(15))] {
                let small = d_model < 768;
                let work = CrosscoderWork { n_hooks: 5, d_model, n_latents, batch, firing, lambda_p: 3e-6 };
                cases.push(Case {
                    name: format!("crosscoder/{width}/b{batch}/{state}"),
                    n_steps: (times * if small { 10_240 } else { 512 } / batch).max(1) as usize,
                    work: Work::Crosscoder(work),
                    peers: &[PYTORCH],
                    quick: batch == 256 * times && (small || state == "l0-15"),
                });
            }
        }
    }
    for (width, d_model, n_latents) in [("3840x3072", 3840, 3072), ("640x1024", 640, 1024)] {
        let work = CrosscoderWork {
            n_hooks: 1,
            d_model,
            n_latents,
            batch: 256 * times,
            firing: Firing::L0(15),
            lambda_p: 0.0,
        };
        cases.push(Case {
            name: format!("sae/{width}/b{}/l0-15", 256 * times),
            n_steps: if d_model < 768 { 40 } else { 2 },
            work: Work::Crosscoder(work),
            peers: &[SAE_LENS, SPARSIFY],
            quick: d_model < 768,
        });
    }
    for (name, random, n_sequences, n_steps) in [("33m", true, 8, 4), ("tiny", false, 32, 8)] {
        let work = HarvestWork { random, n_sequences: n_sequences * times, seq: 128 };
        cases.push(Case {
            name: format!("harvest/{name}"),
            n_steps,
            work: Work::Harvest(work),
            peers: &[TRANSFORMERS],
            quick: !random,
        });
    }
    for (name, random, n_sequences, n_steps) in [("33m", true, 8, 2), ("tiny", false, 16, 8)] {
        let work = QloraWork { random, n_sequences: n_sequences * times, seq: 128, n_header: 32 };
        cases.push(Case {
            name: format!("qlora/{name}"),
            n_steps,
            work: Work::Qlora(work),
            peers: &[PEFT],
            quick: !random,
        });
    }
    cases
}

/// A crosscoder beside nobody, larger from case to case in latents, hook points or activations.
pub fn growth() -> Vec<Case> {
    let latents = [512, 1024, 2048, 4096].map(|n_latents| ("latents", n_latents, 5, n_latents, 5120));
    let hooks = [1, 5, 9, 17].map(|n_hooks| ("hooks", n_hooks, n_hooks, 1024, 5120));
    let activations = [1280, 5120, 12_800].map(|n_acts| ("activations", n_acts, 5, 1024, n_acts));
    let case = |(axis, value, n_hooks, n_latents, n_acts): (&str, i64, i64, i64, i64)| {
        let work =
            CrosscoderWork { n_hooks, d_model: 128, n_latents, batch: 256, firing: Firing::L0(15), lambda_p: 3e-6 };
        Case {
            name: format!("{GROWTH}/{axis}/{value}"),
            n_steps: (n_acts / work.batch) as usize,
            work: Work::Crosscoder(work),
            peers: &[],
            quick: false,
        }
    };
    latents.into_iter().chain(hooks).chain(activations).map(case).collect()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers = self.peers.iter().map(|peer| peer.name).collect::<Vec<_>>().join(", ");
        write!(f, "{:<32} beside {peers}{}", self.name, if self.quick { "   (quick)" } else { "" })
    }
}

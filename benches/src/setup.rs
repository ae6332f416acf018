//! What a case runs on and how, the same for all sides: the second half of `work.json`.

use crate::Result;
use serde::{Deserialize, Serialize};
use stagediff::crosscoder::Precision;
use stagediff::processor::device;
use stagediff::tch::Device;

/// Threads, device and precision of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    pub n_threads: usize,
    pub device: On,
    /// Of crosscoders: ours by [`Precision`], a peer's by autocast.
    pub products: Precision,
}

impl Default for Setup {
    /// As many threads as OpenMP would take.
    fn default() -> Setup {
        let asked = std::env::var("OMP_NUM_THREADS").ok().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
        let n_threads = asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        Setup { n_threads, device: On::default(), products: Precision::default() }
    }
}

/// Where tensors live; PyTorch's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// The processor.
    #[default]
    Cpu,
    /// The first GPU.
    Cuda,
}

impl On {
    /// The device.
    ///
    /// # Errors
    /// libtorch sees no GPU.
    pub fn device(self) -> Result<Device> {
        match (self, device::best()) {
            (On::Cpu, _) => Ok(Device::Cpu),
            (On::Cuda, found @ Device::Cuda(_)) => Ok(found),
            (On::Cuda, _) => Err("--device cuda: libtorch sees no GPU here".into()),
        }
    }
}

impl Setup {
    /// What a case's name in the table ends with.
    pub fn suffix(&self) -> &'static str {
        match (self.device, self.products) {
            (On::Cpu, Precision::Float32) => "",
            (On::Cpu, Precision::Bf16) => "/bf16",
            (On::Cuda, Precision::Float32) => "/cuda",
            (On::Cuda, Precision::Bf16) => "/cuda-bf16",
        }
    }
}

/// How OpenMP's threads wait, as all sides inherit it from the environment.
pub fn waiting() -> String {
    let value = |name| std::env::var(name).unwrap_or("unset".into());
    ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_DYNAMIC"].map(|name| format!("{name} {}", value(name))).join(", ")
}

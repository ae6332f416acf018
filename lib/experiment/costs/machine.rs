//! Rates and memory of the machines that costs are reckoned for.

/// What it is done on.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Processors of one machine count as one.
    pub n_devices: f64,
    /// Memory of a device, GiB.
    pub memory_gib: f64,
    /// What a device's matrix products reach, operations a second: a share of its peak.
    pub flops_per_s: f64,
    /// What work over active pairs reaches, operations a second: it is bound by memory.
    pub pair_flops_per_s: f64,
    /// What reading and writing its memory reaches, bytes a second.
    pub memory_bytes_per_s: f64,
    /// What the network brings to a device, bytes a second.
    pub network_bytes_per_s: f64,
}

impl Machine {
    /// Two cores of the Xeon on which benches/README.md was measured, whose peak is 427 GFLOP/s. Three of its steps at the
    /// published sizes give three rates: 256 and 1024 activations at L0 15, and 1024 at L0 64.
    pub fn two_cores() -> Machine {
        Machine {
            n_devices: 1.0,
            memory_gib: 8.0,
            flops_per_s: 317e9,
            pair_flops_per_s: 19.4e9,
            memory_bytes_per_s: 33.6e9,
            network_bytes_per_s: f64::INFINITY,
        }
    }

    /// `n` GPUs with 80 GiB, 989 · 10¹² operations a second in bf16, 3.35 TB/s, and 400 Gbit/s of network each, as the data
    /// sheet of an H100 says; of the first 40 %, of the second and third 80 % are counted, and an operation over active
    /// pairs for each byte. Not measured.
    pub fn h100s(n: f64) -> Machine {
        Machine {
            n_devices: n,
            memory_gib: 80.0,
            flops_per_s: 0.4 * 989e12,
            pair_flops_per_s: 0.8 * 3.35e12,
            memory_bytes_per_s: 0.8 * 3.35e12,
            network_bytes_per_s: 0.8 * 50e9,
        }
    }
}

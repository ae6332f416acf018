//! How much faster two processes of one thread each are than one: with a quiet core for each,
//! `STAGEDIFF_SCALING=3840,3072,4096 cargo test --features distributed --test it scaling -- --nocapture`, which are inputs,
//! latents and activations a batch. Prints for a sparse dictionary and for the start of a training, with activations shared
//! out and with latents shared out: seconds a step on the wall, and of one process on its processor, which other programs
//! disturb less.

use super::{free_port, process};
use stagediff::crosscoder::{Crosscoder, LossConfig, Optimiser, init};
use stagediff::distributed::join;
use stagediff::language_model::HookPoint;
use stagediff::processor::generator::seeded;
use stagediff::training::adam::AdamConfig;
use std::process::Child;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// Inputs, latents, activations a batch.
const SIZES: &str = "STAGEDIFF_SCALING";

/// Share of latents that fire, for a child process.
const FIRING: &str = "STAGEDIFF_SCALING_FIRING";

/// What is shared out, `activations` or `latents`, for a child process.
const SHARED: &str = "STAGEDIFF_SCALING_SHARED";

/// Steps of one timing, after two that warm up.
const N_STEPS: u32 = 6;

#[test]
fn child() {
    let Ok(firing_frac) = std::env::var(FIRING) else { return };
    let [inputs, latents, batch] = sizes().expect("the parent's sizes");
    let group = join().unwrap();
    let (rank, size) = group.as_ref().map_or((0, 1), |group| (group.rank() as i64, group.world_size() as i64));
    let _generator = seeded(0);
    let acts = Tensor::randn([batch, 5, inputs / 5], (Kind::Float, Device::Cpu));
    let by_latents = std::env::var(SHARED).is_ok_and(|shared| shared == "latents");
    let n_latents = if by_latents { latents / size } else { latents };
    let mut crosscoder = fresh(&acts, n_latents, firing_frac.parse().unwrap());
    let own = if by_latents { acts } else { acts.narrow(0, rank * batch / size, batch / size) };
    let (mut optimiser, cfg) = (Optimiser::new(&crosscoder, AdamConfig::default()), LossConfig::default());
    let mut step = || match &group {
        None => drop(optimiser.step(&mut crosscoder, &own, &cfg, 1e-9)),
        Some(group) if by_latents => {
            drop(optimiser.step_on_latents(group, &mut crosscoder, &own, &cfg, 1e-9).unwrap());
        }
        Some(group) => {
            drop(optimiser.step_on_share(group, &mut crosscoder, (&own, batch), &cfg, 1e-9).unwrap());
        }
    };
    (0..2).for_each(|_| step());
    let (began, used) = (Instant::now(), processor_s());
    (0..N_STEPS).for_each(|_| step());
    if rank == 0 {
        let (wall_s, used_s) = (began.elapsed().as_secs_f64(), processor_s() - used);
        eprintln!("{} {}", wall_s / f64::from(N_STEPS), used_s / f64::from(N_STEPS));
    }
}

/// Seconds that this process has had of a processor.
fn processor_s() -> f64 {
    // SAFETY: all zeros is a usage; the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + 1e-6 * time.tv_usec as f64;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn fresh(acts: &Tensor, latents: i64, firing_frac: f64) -> Crosscoder {
    let scale = Tensor::ones([5], (Kind::Float, Device::Cpu));
    init(latents, &HookPoint::residual_stream(4), &acts.narrow(0, 0, 1024), &scale, firing_frac)
}

fn sizes() -> Option<[i64; 3]> {
    let text = std::env::var(SIZES).ok()?;
    let numbers: Vec<i64> = text.split(',').map(|number| number.parse().expect("a number")).collect();
    Some(numbers.try_into().expect("inputs, latents, activations a batch"))
}

/// Seconds a step of so many processes: on the wall, and of the first one on its processor.
fn seconds(size: usize, firing_frac: &str, shared: &str) -> [f64; 2] {
    let port = free_port();
    let start = |rank| {
        let mut child = process("distributed::scaling::child", (rank, size), port);
        child.env(FIRING, firing_frac).env(SHARED, shared).spawn()
    };
    let children: Vec<Child> = (0..size).map(|rank| start(rank).unwrap()).collect();
    let said: Vec<String> = children
        .into_iter()
        .map(|child| String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned())
        .collect();
    let numbers: Vec<f64> = said[0].split_whitespace().filter_map(|number| number.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{said:?}"))
}

#[test]
fn two_processes_beside_one() {
    if sizes().is_none() {
        return;
    }
    for (what, firing_frac) in [("one in two hundred fires", "0.005"), ("half of the latents fire", "0.5")] {
        let turns = (0..3).map(|_| {
            let one = seconds(1, firing_frac, "activations");
            (one, ["activations", "latents"].map(|shared| seconds(2, firing_frac, shared)))
        });
        let turns: Vec<_> = turns.collect();
        for (shared, of) in ["activations", "latents"].into_iter().enumerate() {
            for (clock, name) in ["wall", "processor"].into_iter().enumerate() {
                let lines = turns.iter().map(|(one, two)| (one[clock], two[shared][clock]));
                let lines = lines.map(|(one, two)| format!("{one:.3} / {two:.3} s = {:.2}", one / two));
                println!("{what}, {of} shared out, {name}: {}", lines.collect::<Vec<_>>().join(", "));
            }
        }
    }
}

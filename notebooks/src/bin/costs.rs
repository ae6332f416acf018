//! What a stage takes on paper: `cargo xtask costs [options] [-- NAME=VALUE...]`. The preset's stage S, its sizes changed one
//! by one (n_latents, n_hooks, d_model, n_layers, batch, n_activations, l0, …), on two cores, or on `h100s=N` GPUs.

use stagediff::experiment::costs::{Costs, Machine, Split, Work};
use stagediff::experiment::{Settings, resolve};
use stagediff_settings::Overrides;
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match costs() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn costs() -> Result<(), Box<dyn Error>> {
    let settings = Overrides::from_env()?.onto(&Settings::default());
    let mut work = Work::of(&resolve(&settings)?.0);
    let mut machine = Machine::two_cores();
    for word in std::env::args().skip(1) {
        let number = |value: &str| value.parse::<f64>().ok().filter(|value| *value > 0.0 && value.is_finite());
        let pair = word.split_once('=').and_then(|(name, value)| Some((name, number(value)?)));
        match pair.ok_or_else(|| format!("`{word}` is not of the form NAME=NUMBER, such as n_latents=262144"))? {
            ("h100s", n) => (machine, work.bytes) = (Machine::h100s(n), 2.0),
            (name, value) => work.set(name, value)?,
        }
    }
    println!("{}", first_line(&work, &machine));
    let splits = [("batch split over devices", Split::Batch), ("latents split over devices", Split::Latents)];
    let splits = if machine.n_devices > 1.0 { splits.as_slice() } else { &splits[..1] };
    for (name, split) in splits {
        let heading = if machine.n_devices > 1.0 { name } else { "one device" };
        println!("\n{heading}\n{}", table(&work.costs(&machine, *split), machine.memory_gib));
    }
    Ok(())
}

fn first_line(work: &Work, machine: &Machine) -> String {
    let Work { d_model, n_layers, n_hooks, n_latents, batch, n_activations, l0, .. } = work;
    format!(
        "{n_hooks} hook points x {d_model} -> {n_latents} latents, L0 {l0}, {n_activations:.3e} activations in batches of \
         {batch} from a model of {n_layers} blocks; {} device(s)",
        machine.n_devices
    )
}

fn table(costs: &Costs, there_gib: f64) -> String {
    let Costs { n_params, state_gib, batch_gib, model_gib, flops, network_bytes, step_s, n_steps } = costs;
    let fits = if costs.memory_gib() > there_gib { ": MORE THAN THERE IS" } else { "" };
    let [products, adam, network, reading] = step_s.map(|s| 1e3 * s);
    format!(
        "  weights             {n_params:>12.3e}
  memory a device     {:>12.1} GiB of {there_gib}{fits} (dictionary {state_gib:.1}, batch and buffer {batch_gib:.1}, model \
         {model_gib:.1})
  operations          {:>12.3e} (crosscoder {:.2e}, reading activations {:.2e})
  network a step      {:>12.3} GB a device
  a step              {:>12.1} ms (products {products:.1}, Adam {adam:.1}, network {network:.1}, reading {reading:.1})
  {n_steps:>9.0} steps     {:>12}",
        costs.memory_gib(),
        flops[0] + flops[1],
        flops[0],
        flops[1],
        network_bytes / 1e9,
        products + adam + network + reading,
        duration(costs.wall_s()),
    )
}

fn duration(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        120.0..7200.0 => format!("{:.0} min", seconds / 60.0),
        7200.0..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

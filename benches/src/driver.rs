//! Runs the cases: sides take turns, and each turn of a peer is set against ours of the same round.

use crate::Result;
use crate::answer::Turn;
use crate::args::Request;
use crate::case::{self, Case, Peer, Work};
use crate::machine::{COPY_BYTES, product_flops};
use crate::process::{Process, python};
use crate::report::{self, Row};
use crate::series;
use crate::setup::Setup;
use crate::side::WORK_FILE;
use stagediff::crosscoder::Products;
use stagediff::files::write_whole;
use stagediff::stats::percentile;
use std::path::{Path, PathBuf};

/// Steps before the first turn that counts.
const N_WARM_UP_STEPS: usize = 2;

/// Largest relative difference of two sides' numbers that count as the same.
fn tolerance(products: Products) -> f64 {
    match products {
        Products::Float32 => 1e-3,
        Products::Bf16 => 2e-2,
    }
}

/// What is known of a case before it runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What a step goes through.
    pub unit: &'static str,
    /// How many of them.
    pub items: f64,
    /// Floating-point operations that a step needs.
    pub flops: f64,
    /// Share of (activation, latent) pairs above threshold.
    pub active_frac: f64,
    /// Share of pairs below threshold in JumpReLU's window.
    pub window_frac: f64,
}

/// Measures what is asked for, prints the table, writes it and its figure.
///
/// # Errors
/// No case has such a name, a side fails, or the results cannot be written.
pub fn bench(request: &Request) -> Result<()> {
    let wanted = |case: &Case| {
        (case.quick || !request.quick)
            && (matches!(case.work, Work::Crosscoder(_)) || request.setup.products == Products::Float32)
            && (request.only.is_empty() || request.only.iter().any(|word| case.name.contains(word)))
    };
    let device = request.setup.device;
    device.device()?;
    let mut cases: Vec<Case> = case::all(device).into_iter().filter(wanted).collect();
    if request.growth {
        cases.extend(case::growth());
    }
    if cases.is_empty() && !request.series {
        let of = match request.setup.products {
            Products::Float32 => "no case",
            Products::Bf16 => "no crosscoder or SAE, which alone --products concerns,",
        };
        return Err(format!("{of} has {} in its name; --list names them", request.only.join(" or ")).into());
    }
    let results = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/runs/bench");
    say_conditions(request);
    let (mut rows, mut peaks) = (Vec::new(), Peaks::default());
    for case in &cases {
        let folder = results.join(format!("material-{}", std::process::id()));
        let measured = one_case(case, request, &folder, &mut peaks);
        let _ = std::fs::remove_dir_all(&folder);
        rows.extend(measured.map_err(|error| format!("{}: {error}", case.name))?);
    }
    rows.iter_mut().for_each(|row| row.set_floor(peaks.product_flops_per_s));
    if request.series {
        rows.push(series::measure(request)?);
    }
    println!(
        "\nmatrix-product peak {:.0} GFLOP/s, copies {:.1} GB/s\n",
        peaks.product_flops_per_s / 1e9,
        peaks.copy_bytes_per_s / 1e9
    );
    report::show(&rows);
    report::write(&rows, &results)
}

fn say_conditions(request: &Request) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|load| load.parse::<f64>().ok()).unwrap_or(f64::NAN);
    println!(
        "{} threads a side, {} time, peers by {}",
        request.setup.n_threads,
        request.clock.name(),
        python().display()
    );
    if load > 0.5 {
        println!("other programs keep about {load:.1} processors busy: trust ratios, not times");
    }
}

/// The most that the machine was seen to do.
#[derive(Default)]
struct Peaks {
    product_flops_per_s: f64,
    /// Read and written.
    copy_bytes_per_s: f64,
}

/// A peer in a case: its process, and its turns.
struct Opponent {
    peer: Peer,
    process: Process,
    versions: String,
    turns: Vec<Turn>,
}

fn one_case(case: &Case, request: &Request, folder: &Path, peaks: &mut Peaks) -> Result<Vec<Row>> {
    let facts = write_material(&case.work, &request.setup, folder)?;
    println!("{} …", case.name);
    let mut machine = Process::machine(folder, &request.setup)?;
    let mut ours = Process::ours(folder, &request.setup)?;
    let (mut opponents, mut lacking) = (Vec::new(), Vec::new());
    for &peer in case.peers {
        match Process::peer(peer.module, folder, &request.setup)? {
            Ok((process, versions)) => opponents.push(Opponent { peer, process, versions, turns: Vec::new() }),
            Err(what) => lacking.push((peer, what)),
        }
    }
    ours.steps(N_WARM_UP_STEPS)?;
    for opponent in &mut opponents {
        opponent.process.steps(N_WARM_UP_STEPS)?;
    }
    let mut our_turns = Vec::new();
    for _ in 0..request.n_turns {
        let most = |peak: &mut f64, done: f64, turn: Turn| *peak = peak.max(done / turn.seconds(request.clock));
        most(&mut peaks.product_flops_per_s, product_flops(request.setup.device), machine.product()?);
        most(&mut peaks.copy_bytes_per_s, COPY_BYTES, machine.copy()?);
        our_turns.push(ours.steps(case.n_steps)?);
        for opponent in &mut opponents {
            opponent.turns.push(opponent.process.steps(case.n_steps)?);
        }
    }
    let alone = Row::alone(case, &facts, request, &our_turns);
    let missing = lacking.into_iter().map(|(peer, what)| alone.clone().missing(peer.name, &what));
    let measured = opponents.iter().map(|opponent| beside(&alone, opponent, &our_turns, request));
    let mut rows: Vec<Row> = measured.chain(missing).collect();
    if rows.is_empty() {
        rows.push(alone);
    }
    rows.iter().for_each(|row| println!("    {row}"));
    Ok(rows)
}

fn write_material(work: &Work, setup: &Setup, folder: &Path) -> Result<Facts> {
    write_whole(&folder.join(WORK_FILE), &serde_json::to_vec(&(work, setup))?)?;
    match work {
        Work::Crosscoder(work) => work.write(folder),
        Work::Harvest(work) => work.write(folder),
        Work::Qlora(work) => work.write(folder),
    }
}

/// The row of a peer: medians, the range of the ratio over rounds, and whether the numbers are the same.
fn beside(alone: &Row, opponent: &Opponent, ours: &[Turn], request: &Request) -> Row {
    let seconds = |turns: &[Turn]| turns.iter().map(|turn| turn.seconds(request.clock)).collect::<Vec<f64>>();
    let (our_s, peer_s) = (seconds(ours), seconds(&opponent.turns));
    let ratios: Vec<f64> = our_s.iter().zip(&peer_s).map(|(ours, peer)| peer / ours).collect();
    let numbers = |turns: &[Turn]| turns.last().map(|turn| turn.values.clone()).unwrap_or_default();
    let (our_numbers, peer_numbers) = (numbers(ours), numbers(&opponent.turns));
    let apart = our_numbers.iter().zip(&peer_numbers).map(|(a, b)| (a - b).abs() / a.abs().max(1e-12));
    let apart = apart.fold(0.0, f64::max);
    let same = apart <= tolerance(request.setup.products);
    let note = match opponent.peer.same_numbers {
        false => "another objective".to_string(),
        true if same => format!("same numbers to {apart:.0e}"),
        true => format!("NUMBERS DIFFER by {apart:.0e}: ours {our_numbers:?}, theirs {peer_numbers:?}"),
    };
    Row {
        peer: opponent.peer.name.into(),
        peer_per_s: alone.items_a_turn / percentile(&peer_s, 50.0),
        ratio: percentile(&ratios, 50.0),
        ratio_low: percentile(&ratios, 0.0),
        ratio_high: percentile(&ratios, 100.0),
        peer_peak_mib: report::peak_mib(&opponent.turns, request),
        same_numbers: opponent.peer.same_numbers.then_some(same),
        versions: opponent.versions.clone(),
        note,
        ..alone.clone()
    }
}

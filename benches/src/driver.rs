//! Runs the cases: sides take turns, and each turn of a peer is set against ours of the same round.

use crate::Result;
use crate::answer::Turn;
use crate::args::Request;
use crate::case::{self, Case, Peer};
use crate::machine::{COPY_BYTES, product_flops};
use crate::process::{Process, Started, python};
use crate::row::{Row, SameNumbers};
use crate::setup::{On, waiting};
use crate::side::Facts;
use crate::work::Work;
use crate::{report, series, side_by_side};
use stagediff::crosscoder::Precision;
use stagediff::stats::percentile;
use std::path::{Path, PathBuf};

/// Largest relative difference of two sides' numbers that count as the same.
fn tolerance(products: Precision) -> f64 {
    match products {
        Precision::Float32 => 1e-3,
        Precision::Bf16 => 2e-2,
    }
}

/// Measures what is asked for, prints the table, writes it and its figures.
///
/// # Errors
/// No case has such a name, a side fails, or the results cannot be written.
pub fn bench(request: &Request) -> Result<()> {
    request.setup.device.device()?;
    let cases = chosen(request)?;
    let results = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/runs/bench");
    say_conditions(request);
    if request.side_by_side {
        let rows = each(&cases, &results, |case, folder| side_by_side::measure(case, request, folder))?;
        return side_by_side::write(&rows, &results);
    }
    let mut peaks = Peaks::default();
    let mut rows = each(&cases, &results, |case, folder| beside_peers(case, request, folder, &mut peaks))?;
    rows.iter_mut().for_each(|row| row.floor_frac /= peaks.product_flops_per_s);
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

/// The cases that are asked for.
fn chosen(request: &Request) -> Result<Vec<Case>> {
    let only: Vec<&str> = match request.side_by_side && request.only.is_empty() {
        true => case::SIDE_BY_SIDE.into(),
        false => request.only.iter().map(String::as_str).collect(),
    };
    let wanted = |case: &Case| {
        (case.quick || !request.quick)
            && (matches!(case.work, Work::Crosscoder(_)) || request.setup.products == Precision::Float32)
            && (only.is_empty() || only.iter().any(|word| case.name.contains(word)))
    };
    let mut cases: Vec<Case> = case::all(request.setup.device).into_iter().filter(wanted).collect();
    if request.growth {
        cases.extend(case::growth());
    }
    if cases.is_empty() && !request.series {
        let of = match request.setup.products {
            Precision::Float32 => "no case",
            Precision::Bf16 => "no crosscoder or SAE, which alone --products concerns,",
        };
        return Err(format!("{of} has {} in its name; --list names them", only.join(" or ")).into());
    }
    Ok(cases)
}

fn say_conditions(request: &Request) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|load| load.parse::<f64>().ok()).unwrap_or(f64::NAN);
    println!("{} threads a side, {} time, {}", request.setup.n_threads, request.clock.name(), waiting());
    if !request.side_by_side {
        println!("peers by {}", python().display());
    }
    if load > 0.5 {
        println!("other programs keep about {load:.1} processors busy: trust ratios, not times");
    }
}

/// Measures each case in a folder of its own.
fn each<T>(cases: &[Case], results: &Path, mut measure: impl FnMut(&Case, &Path) -> Result<Vec<T>>) -> Result<Vec<T>> {
    let folder = results.join(format!("material-{}", std::process::id()));
    let mut rows = Vec::new();
    for case in cases {
        println!("{} …", case.name);
        let measured = measure(case, &folder);
        let _ = std::fs::remove_dir_all(&folder);
        rows.extend(measured.map_err(|error| format!("{}: {error}", case.name))?);
    }
    Ok(rows)
}

/// The most that the machine was seen to do.
#[derive(Default)]
struct Peaks {
    product_flops_per_s: f64,
    /// Read and written.
    copy_bytes_per_s: f64,
}

impl Peaks {
    fn measure(&mut self, machine: &mut Process, request: &Request) -> Result<()> {
        let most = |peak: &mut f64, done: f64, turn: Turn| *peak = peak.max(done / turn.seconds(request.clock));
        most(&mut self.product_flops_per_s, product_flops(request.setup.device), machine.ask("product")?);
        most(&mut self.copy_bytes_per_s, COPY_BYTES, machine.ask("copy")?);
        Ok(())
    }
}

/// A peer in a case: its process, or what it lacks, and its turns.
struct Opponent {
    peer: Peer,
    side: Started,
    turns: Vec<Turn>,
}

fn beside_peers(case: &Case, request: &Request, folder: &Path, peaks: &mut Peaks) -> Result<Vec<Row>> {
    let facts = case.work.write(&request.setup, folder)?;
    let mut machine = Process::machine(folder, &request.setup)?;
    let mut ours = Process::ours(folder, &request.setup)?;
    let mut opponents = Vec::new();
    for &peer in case.peers {
        opponents.push(Opponent { peer, side: Process::peer(peer.module, folder, &request.setup)?, turns: Vec::new() });
    }
    let mut measured = Measured { case, facts, request, turns: Vec::new() };
    for _ in 0..request.n_turns {
        peaks.measure(&mut machine, request)?;
        measured.turns.push(ours.steps(case.n_steps)?);
        for Opponent { side, turns, .. } in &mut opponents {
            if let Ok((process, _)) = side {
                turns.push(process.steps(case.n_steps)?);
            }
        }
    }
    let mut rows: Vec<Row> = opponents.iter().map(|opponent| measured.beside(opponent)).collect();
    if rows.is_empty() {
        rows.push(measured.alone());
    }
    rows.iter().for_each(|row| println!("    {row}"));
    Ok(rows)
}

/// Our side's turns in a case.
struct Measured<'a> {
    case: &'a Case,
    facts: Facts,
    request: &'a Request,
    turns: Vec<Turn>,
}

impl Measured<'_> {
    /// Times of turns, by the clock that counts.
    fn seconds(&self, turns: &[Turn]) -> Vec<f64> {
        turns.iter().map(|turn| turn.seconds(self.request.clock)).collect()
    }

    fn items_a_turn(&self) -> f64 {
        self.facts.items * self.case.n_steps as f64
    }

    /// Peak memory of a side, unknown where its tensors are a GPU's.
    fn peak_mib(&self, turns: &[Turn]) -> f64 {
        match self.request.setup.device {
            On::Cpu => turns.iter().map(|turn| turn.peak_mib).fold(f64::NAN, f64::max),
            On::Cuda => f64::NAN,
        }
    }

    /// The row without a peer.
    fn alone(&self) -> Row {
        let name = format!("{}{}", self.case.name, self.request.setup.suffix());
        let per_s: Vec<f64> = self.seconds(&self.turns).iter().map(|turn_s| self.items_a_turn() / turn_s).collect();
        Row { ours_peak_mib: self.peak_mib(&self.turns), ..Row::alone(name, &self.facts, &per_s, self.request) }
    }

    /// The row of a peer: medians, the range of the ratio over rounds, and whether the numbers are the same.
    fn beside(&self, opponent: &Opponent) -> Row {
        let alone = Row { peer: opponent.peer.name.into(), ..self.alone() };
        let versions = match &opponent.side {
            Ok((_, versions)) => versions.clone(),
            Err(what) => return Row { note: format!("missing: {what}"), ..alone },
        };
        let (our_s, peer_s) = (self.seconds(&self.turns), self.seconds(&opponent.turns));
        let ratios: Vec<f64> = our_s.iter().zip(&peer_s).map(|(ours, peer)| peer / ours).collect();
        let (same, note) = self.compare(opponent);
        Row {
            peer_per_s: self.items_a_turn() / percentile(&peer_s, 50.0),
            ratio: percentile(&ratios, 50.0),
            ratio_low: percentile(&ratios, 0.0),
            ratio_high: percentile(&ratios, 100.0),
            peer_peak_mib: self.peak_mib(&opponent.turns),
            same_numbers: SameNumbers(same),
            versions,
            note,
            ..alone
        }
    }

    /// Whether both sides came to the same numbers, and a note that says so.
    fn compare(&self, opponent: &Opponent) -> (Option<bool>, String) {
        if !opponent.peer.same_numbers {
            return (None, "another objective".into());
        }
        let numbers = |turns: &[Turn]| turns.last().map(|turn| turn.values.clone()).unwrap_or_default();
        let (ours, theirs) = (numbers(&self.turns), numbers(&opponent.turns));
        let apart = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs() / a.abs().max(1e-12)).fold(0.0, f64::max);
        let same = apart <= tolerance(self.request.setup.products);
        let note = match same {
            true => format!("same numbers to {apart:.0e}"),
            false => format!("NUMBERS DIFFER by {apart:.0e}: ours {ours:?}, theirs {theirs:?}"),
        };
        (Some(same), note)
    }
}

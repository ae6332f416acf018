//! Trainings by several processes, which the tests start themselves: this binary again, as [`child`], told what a launcher
//! would tell it. `cargo test --features distributed --test it distributed`.

mod fits;
mod scaling;
mod series_of_ranks;

use crate::fixture::Folder;
use crate::train::{tiny_model, tokens};
use serde::{Deserialize, Serialize};
use stagediff::crosscoder::harvest::{ActivationStream, HookConfig, StreamConfig, scale};
use stagediff::crosscoder::train::{
    Activation, Split, TrainConfig, TrainStep, Trainee, Training, train, train_together,
};
use stagediff::crosscoder::{Crosscoder, init};
use stagediff::distributed::{ProcessGroup, join};
use stagediff::language_model::GptNeo;
use stagediff::processor::generator::seeded;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tch::Device;

/// What a child process does, as JSON.
const CASE: &str = "STAGEDIFF_DISTRIBUTED_CASE";

/// Latents of the tests' crosscoders: a multiple of 2 and 4.
const N_LATENTS: i64 = 48;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Case {
    /// Where checkpoints, and what comes out, go.
    folder: PathBuf,
    splits_latents: bool,
    top_k: Option<i64>,
    n_steps: i64,
    stream_seed: u64,
    buffer_acts: i64,
    /// The rank that sends itself a signal, once there is a checkpoint.
    ends: Option<(usize, i32)>,
}

impl Case {
    fn new(folder: &Folder) -> Case {
        let folder = folder.path().to_path_buf();
        Case { folder, splits_latents: false, top_k: None, n_steps: 40, stream_seed: 5, buffer_acts: 128, ends: None }
    }

    fn training(&self) -> Training {
        let cfg =
            TrainConfig { batch: 32, n_steps: self.n_steps, lr: 3e-3, lambda_s: 0.05, ..TrainConfig::published_s() };
        let activation = self.top_k.map_or(Activation::JumpRelu, |k| Activation::BatchTopK { k, anneal_steps: 10 });
        let checkpoint_every = Duration::from_millis(200);
        Training { checkpoint_every, activation, ..Training::new(cfg, &self.folder, "one") }
    }
}

/// What a training leaves, in the first process.
#[derive(Serialize, Deserialize)]
struct Left {
    /// (step, loss, reconstruction, L0, silent share) of each line, of D and then of D0.
    lines: Vec<(i64, f64, f64, f64, f64)>,
    first_step: i64,
    w_dec: Vec<f32>,
}

/// Runs in processes of its own, started by the tests below.
#[test]
fn child() {
    let Ok(case) = std::env::var(CASE) else { return };
    let case: Case = serde_json::from_str(&case).unwrap();
    end(join().and_then(|group| run(&case, group.as_ref())));
}

/// Ends a child process with its error, if it has one, as the programs do.
fn end(done: stagediff::Result<()>) {
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(error.exit_code().into());
    }
}

fn run(case: &Case, group: Option<&ProcessGroup>) -> stagediff::Result<()> {
    let (rank, size) = group.map_or((0, 1), |group| (group.rank(), group.world_size()));
    if let Some((_, signal)) = case.ends.filter(|ends| ends.0 == rank) {
        end_after(["D", "D0"].map(|label| checkpoint(&case.folder, label)).to_vec(), signal);
    }
    let model = tiny_model();
    let (hooks, tokens) = (HookConfig::all_layers(4), tokens());
    let whole = parent(&model, &hooks);
    let cut = if case.splits_latents { whole.part(rank, size)? } else { whole.copy() };
    let cfg = StreamConfig {
        scale: whole.scale.copy(),
        batch: 32,
        buffer_acts: case.buffer_acts,
        seed: case.stream_seed + rank_seed(rank),
    };
    let stream = ActivationStream::new(&model, &hooks, &tokens, cfg);
    let mut stream = if case.splits_latents { stream } else { stream.part(rank, size) };
    let mut trainees = vec![Trainee::new("D", &cut), Trainee::new("D0", &cut)];
    let (training, mut first_step) = (case.training(), i64::MAX);
    let mut progress = |_: &str, line: &TrainStep| first_step = first_step.min(line.step);
    let split = if case.splits_latents { Split::Latents } else { Split::Batch };
    match group {
        None => train(&mut trainees, &mut stream, &training, &mut progress)?,
        Some(group) => train_together((group, split), &mut trainees, &mut stream, &training, &mut progress)?,
    }
    let trained = match group.filter(|_| case.splits_latents) {
        None => Some(trainees[0].crosscoder.copy()),
        Some(group) => trainees[0].crosscoder.of_parts(group)?,
    };
    if let Some(trained) = trained {
        let line = |line: &TrainStep| (line.step, line.loss, line.loss_recon, line.l0_mean, line.dead_frac);
        let lines = trainees.iter().flat_map(|trainee| trainee.log.iter().map(line)).collect();
        let left = Left { lines, first_step, w_dec: Vec::try_from(&trained.w_dec.flatten(0, -1)).unwrap() };
        std::fs::write(case.folder.join(format!("left{rank}")), serde_json::to_vec(&left).unwrap()).unwrap();
    }
    Ok(())
}

/// Sends this process a signal once it has written these checkpoints.
fn end_after(checkpoints: Vec<PathBuf>, signal: i32) {
    std::thread::spawn(move || {
        while !checkpoints.iter().all(|checkpoint| checkpoint.exists()) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // SAFETY: a plain system call.
        unsafe { libc::raise(signal) };
    });
}

/// A test may give one process another seed.
fn rank_seed(rank: usize) -> u64 {
    std::env::var("STAGEDIFF_OTHER_SEED").map_or(0, |_| rank as u64)
}

fn parent(model: &GptNeo, cfg: &HookConfig) -> Crosscoder {
    let acts = cfg.harvest(model, &tokens());
    let scale = scale(&acts);
    let _generator = seeded(1);
    init(N_LATENTS, &cfg.hooks, &(acts * scale.view([1, -1, 1])), &scale, 0.5)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One process of a launch.
fn start(case: &Case, place: (usize, usize), port: u16, variables: &[(&str, &str)]) -> Child {
    let case = serde_json::to_string(case).unwrap();
    process("distributed::child", place, port).env(CASE, case).envs(variables.iter().copied()).spawn().unwrap()
}

/// A test of this binary as one process of a launch, with one thread.
fn process(test: &str, (rank, size): (usize, usize), port: u16) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env("OMP_NUM_THREADS", "1");
    command.env("RANK", rank.to_string()).env("WORLD_SIZE", size.to_string()).env("LOCAL_RANK", rank.to_string());
    command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", port.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// All processes of a launch, to their ends.
fn launch(case: &Case, size: usize, variables: &[(&str, &str)]) -> Vec<Output> {
    let port = free_port();
    outputs((0..size).map(|rank| start(case, (rank, size), port, variables)).collect())
}

/// What processes that run at once have said in the end.
fn outputs(children: Vec<Child>) -> Vec<Output> {
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_all_end_well(outputs: &[Output]) {
    for (rank, output) in outputs.iter().enumerate() {
        assert!(output.status.success(), "rank {rank}: {}", said(output));
    }
}

/// What a whole training of `size` processes leaves.
#[track_caller]
fn trained(case: &Case, size: usize) -> Left {
    assert_all_end_well(&launch(case, size, &[]));
    left(&case.folder)
}

fn left(folder: &Path) -> Left {
    serde_json::from_slice(&std::fs::read(folder.join("left0")).unwrap()).unwrap()
}

#[track_caller]
fn assert_same_curve(found: &Left, expected: &Left, what: &str) {
    assert_eq!(found.lines.len(), expected.lines.len(), "{what}");
    for (found, expected) in found.lines.iter().zip(&expected.lines) {
        assert_eq!(found.0, expected.0, "{what}");
        for (found, expected) in [(found.1, expected.1), (found.2, expected.2), (found.3, expected.3)] {
            assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{what}: {found:?} {expected:?}");
        }
        assert!((found.4 - expected.4).abs() < 1e-6, "{what}: silent share {} {}", found.4, expected.4);
    }
    let largest = expected.w_dec.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    for (found, expected) in found.w_dec.iter().zip(&expected.w_dec) {
        assert!((found - expected).abs() <= 1e-4 * largest, "{what}: {found} {expected} of {largest}");
    }
}

#[test]
fn several_processes_draw_the_curve_of_one() {
    for top_k in [None, Some(4)] {
        let folders = ["one", "two", "three", "four"].map(|name| Folder::new(&format!("distributed_{name}")));
        let of = |size: usize| trained(&Case { top_k, ..Case::new(&folders[size - 1]) }, size);
        let alone = of(1);
        assert!(alone.lines[39].2 < 0.8 * alone.lines[0].2, "it learns");
        for size in [2, 3, 4] {
            assert_same_curve(&of(size), &alone, &format!("{size} processes, top_k {top_k:?}"));
        }
    }
}

#[test]
fn latents_that_are_shared_out_learn_as_on_one_device() {
    for top_k in [None, Some(4)] {
        let folders = ["whole", "halves", "quarters"].map(|name| Folder::new(&format!("distributed_{name}")));
        let of = |i: usize, size: usize| trained(&Case { top_k, splits_latents: true, ..Case::new(&folders[i]) }, size);
        let whole = of(0, 1);
        assert_same_curve(&of(1, 2), &whole, &format!("2 parts, top_k {top_k:?}"));
        assert_same_curve(&of(2, 4), &whole, &format!("4 parts, top_k {top_k:?}"));
    }
}

/// Long enough that a process is ended in its midst.
fn long(folder: &Folder, splits_latents: bool) -> Case {
    Case { n_steps: 400, splits_latents, ..Case::new(folder) }
}

#[test]
fn a_killed_process_stops_the_others_and_the_training_goes_on_from_its_checkpoint() {
    for splits_latents in [false, true] {
        let folder = Folder::new("distributed_killed");
        let case = Case { ends: Some((1, libc::SIGKILL)), ..long(&folder, splits_latents) };
        let began = Instant::now();
        let outputs = launch(&case, 2, &[]);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(outputs[1].status.signal(), Some(libc::SIGKILL));
        let first = said(&outputs[0]);
        assert!(!outputs[0].status.success() && first.contains("another process has ended"), "{first}");
        assert!(!folder.path().join("left0").exists());
        let n_steps = checkpointed(folder.path());
        // in another number of processes: a checkpoint is that of one
        for size in [2, 1] {
            let left = trained(&Case { ends: None, ..case.clone() }, size);
            assert!(left.first_step > n_steps, "{} after {n_steps}", left.first_step);
        }
    }
}

fn checkpoint(folder: &Path, label: &str) -> PathBuf {
    folder.join(format!("crosscoder_{label}.safetensors"))
}

/// Steps that both checkpoints have.
fn checkpointed(folder: &Path) -> i64 {
    let n_steps = |label| {
        let file = stagediff::files::Weights::read(checkpoint(folder, label), Device::Cpu).unwrap();
        file.about("n_steps").unwrap().parse::<i64>().unwrap()
    };
    n_steps("D").min(n_steps("D0"))
}

#[test]
fn a_process_that_hangs_is_not_waited_for_for_long() {
    let folder = Folder::new("distributed_hangs");
    let case = Case { ends: Some((1, libc::SIGSTOP)), ..long(&folder, false) };
    let port = free_port();
    let variables = [("STAGEDIFF_RANK_S", "2")];
    let [first, second] = [0, 1].map(|rank| start(&case, (rank, 2), port, &variables));
    let (pid, began) = (second.id() as i32, Instant::now());
    let output = first.wait_with_output().unwrap();
    let waited = began.elapsed();
    // SAFETY: a plain system call, on a child that was not waited for.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    second.wait_with_output().unwrap();
    assert!(said(&output).contains("another process has ended or cannot be reached"), "{}", said(&output));
    assert!(waited < Duration::from_secs(12), "{waited:?}");
}

#[test]
fn told_to_stop_one_all_stop_with_a_checkpoint() {
    for splits_latents in [false, true] {
        let folder = Folder::new("distributed_stopped");
        let case = Case { ends: Some((1, libc::SIGTERM)), ..long(&folder, splits_latents) };
        for output in launch(&case, 2, &[]) {
            assert_eq!(output.status.code(), Some(143), "{}", said(&output));
            assert!(said(&output).contains("was stopped at step"), "{}", said(&output));
        }
        assert!(checkpointed(folder.path()) > 0);
    }
}

#[test]
fn who_does_not_come_is_named() {
    let (folder, variables) = (Folder::new("distributed_missing"), [("STAGEDIFF_START_S", "2")]);
    let case = Case::new(&folder);
    let alone = |rank: usize| start(&case, (rank, 3), free_port(), &variables).wait_with_output().unwrap();
    let first = said(&alone(0));
    assert!(first.contains("rank 1, 2 of 3 did not come to 127.0.0.1") && first.contains("within 2 s"), "{first}");
    let second = said(&alone(1));
    assert!(second.contains("rank 1 of 3: rank 0 did not come to 127.0.0.1"), "{second}");
}

#[test]
fn a_second_group_on_a_port_is_refused() {
    let (folder, port) = (Folder::new("distributed_port"), free_port());
    let case = Case { n_steps: 100_000, ..Case::new(&folder) };
    let group = [0, 1].map(|rank| start(&case, (rank, 2), port, &[("STAGEDIFF_START_S", "20")]));
    std::thread::sleep(Duration::from_millis(1500));
    let second = |rank: usize| said(&start(&case, (rank, 2), port, &[]).wait_with_output().unwrap());
    let (first, other) = (second(0), second(1));
    for mut child in group {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(first.contains("does another group, or another program, use the port?"), "{first}");
    assert!(other.contains("two groups use one MASTER_PORT"), "{other}");
}

#[test]
fn what_differs_between_processes_is_named_in_each() {
    let folder = Folder::new("distributed_differs");
    for output in launch(&Case::new(&folder), 2, &[("STAGEDIFF_OTHER_SEED", "1")]) {
        let said = said(&output);
        assert!(said.contains("rank 1 has another seed of the order of activations than rank 0: 6, there 5"), "{said}");
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "nothing was written");
}

#[test]
fn more_processes_than_can_share_are_refused() {
    let folder = Folder::new("distributed_many");
    for output in launch(&Case { splits_latents: true, ..Case::new(&folder) }, 5, &[]) {
        let said = said(&output);
        assert!(said.contains("number of processes is 5, expected a divisor of the 48 latents"), "{said}");
    }
    let few = Case { buffer_acts: 32, ..Case::new(&folder) }; // a block has three sequences of twelve tokens
    for output in launch(&few, 4, &[]) {
        assert!(!output.status.success());
        let said = said(&output);
        assert!(said.contains("number of processes is 4, expected at most 3, the sequences of a block"), "{said}");
    }
}

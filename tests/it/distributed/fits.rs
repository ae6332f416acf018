//! Pretraining and fine-tuning by several processes, beside one.

use super::{assert_all_end_well, end, end_after, free_port, outputs, process, said};
use crate::fixture::Folder;
use crate::train::{FIT, rows, tiny_model};
use serde::{Deserialize, Serialize};
use stagediff::distributed::{ProcessGroup, join};
use stagediff::language_model::{FitConfig, FitStep, FitTask, LoraConfig, fit, peft};
use stagediff::processor::generator::seeded;
use stagediff::training::checkpoint::Checkpoint;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;
use tch::Tensor;

/// What a child process does, as JSON.
const CASE: &str = "STAGEDIFF_DISTRIBUTED_FIT";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Case {
    folder: PathBuf,
    /// All weights, or adapters alone.
    trains_all: bool,
    cfg: FitConfig,
    /// The rank that sends itself a signal, once there is a checkpoint.
    ends: Option<(usize, i32)>,
}

impl Case {
    fn new(folder: &Folder, trains_all: bool) -> Case {
        // so slow that Adam does not blow up what is rounded otherwise: a gradient near zero has either sign
        let cfg = FitConfig { lr: 1e-3, ..FIT };
        Case { folder: folder.path().to_path_buf(), trains_all, cfg, ends: None }
    }

    fn checkpoint(&self) -> PathBuf {
        self.folder.join("fit.safetensors")
    }

    fn launch(&self, size: usize) -> Vec<Output> {
        let (port, case) = (free_port(), serde_json::to_string(self).unwrap());
        let start = |rank| process("distributed::fits::child", (rank, size), port).env(CASE, &case).spawn().unwrap();
        outputs((0..size).map(start).collect())
    }

    fn trained(&self, size: usize) -> Left {
        assert_all_end_well(&self.launch(size));
        serde_json::from_slice(&std::fs::read(self.folder.join("left0")).unwrap()).unwrap()
    }
}

/// What a training leaves, in each process.
#[derive(Serialize, Deserialize, PartialEq)]
struct Left {
    log: Vec<FitStep>,
    n_shown: usize,
    params: Vec<f32>,
}

#[test]
fn child() {
    let Ok(case) = std::env::var(CASE) else { return };
    let case: Case = serde_json::from_str(&case).unwrap();
    end(join().and_then(|group| run(&case, group.as_ref())));
}

fn run(case: &Case, group: Option<&ProcessGroup>) -> stagediff::Result<()> {
    let rank = group.map_or(0, ProcessGroup::rank);
    if let Some((_, signal)) = case.ends.filter(|ends| ends.0 == rank) {
        end_after(vec![case.checkpoint()], signal);
    }
    let mut model = tiny_model();
    let mut params: Vec<Tensor> = if case.trains_all {
        model.tensors().into_iter().map(|(_, tensor)| tensor.set_requires_grad(true)).collect()
    } else {
        model.quantise();
        let _generator = seeded(2);
        // what is dropped each process draws for its own rows
        peft::attach(model.linears_mut(), &LoraConfig { dropout: 0.0, ..LoraConfig::all_linear() });
        peft::adapters(model.linears()).into_iter().map(|(_, tensor)| tensor).collect()
    };
    let (mut checkpoint, mut n_shown) = (Checkpoint::new(case.checkpoint(), "fit".into()).every(Duration::ZERO), 0);
    let task = FitTask { label: "tuned", model: &model, rows: &rows(), cfg: &case.cfg, seed: 9, group };
    let log = fit(&task, &mut params, &mut checkpoint, &mut |_, _| n_shown += 1)?;
    let values = params.iter().flat_map(|param| Vec::<f32>::try_from(&param.detach().reshape([-1])).unwrap());
    let left = Left { log, n_shown, params: values.collect() };
    std::fs::write(case.folder.join(format!("left{rank}")), serde_json::to_vec(&left).unwrap()).unwrap();
    Ok(())
}

#[test]
fn several_processes_draw_the_curve_of_one() {
    for trains_all in [true, false] {
        let folder = |name| Folder::new(&format!("fit_{trains_all}_{name}"));
        let expected = Case::new(&folder("one"), trains_all).trained(1);
        // shares of eight rows: four and four; two, three and three
        for size in [2, 3] {
            let folder = folder("several");
            let found = Case::new(&folder, trains_all).trained(size);
            for (found, expected) in found.log.iter().zip(&expected.log) {
                assert_eq!((found.step, found.n_tokens), (expected.step, expected.n_tokens));
                let off = (found.loss_nats - expected.loss_nats).abs();
                assert!(off <= 1e-5 * expected.loss_nats, "{size}: {found:?} {expected:?}");
            }
            assert_eq!((found.log.len(), found.n_shown), (expected.log.len(), expected.n_shown));
            let other = std::fs::read(folder.path().join("left1")).unwrap();
            let other: Left = serde_json::from_slice(&other).unwrap();
            assert!(other.params == found.params, "all have the same parameters, to the bit");
            assert_eq!(other.n_shown, 0, "one speaks");
        }
    }
}

/// Long enough that a process is ended in its midst.
fn ended(folder: &Folder, signal: i32) -> (Case, Vec<Output>) {
    let case = Case::new(folder, true);
    let case = Case { ends: Some((1, signal)), cfg: FitConfig { n_steps: 2000, ..case.cfg }, ..case };
    let outputs = case.launch(2);
    (Case { ends: None, ..case }, outputs)
}

#[test]
fn a_killed_process_stops_the_others_and_the_fit_goes_on_from_its_checkpoint() {
    let folder = Folder::new("fit_killed");
    let (case, ended) = ended(&folder, libc::SIGKILL);
    assert_eq!(ended[1].status.signal(), Some(libc::SIGKILL));
    assert!(said(&ended[0]).contains("another process has ended"), "{}", said(&ended[0]));
    goes_on(&case, 1); // a checkpoint of two is that of one
}

#[test]
fn told_to_stop_one_all_stop_with_a_checkpoint() {
    let folder = Folder::new("fit_told");
    let (case, ended) = ended(&folder, libc::SIGTERM);
    for output in &ended {
        assert!(said(output).contains("was stopped at step"), "{}", said(output));
        assert_eq!(output.status.code(), Some(143));
    }
    goes_on(&case, 2);
}

#[track_caller]
fn goes_on(case: &Case, size: usize) {
    let outputs = case.launch(size);
    assert_all_end_well(&outputs);
    assert!(said(&outputs[0]).contains("tuned goes on at step"), "{}", said(&outputs[0]));
}

#[test]
fn more_processes_than_rows_are_refused() {
    let folder = Folder::new("fit_many");
    for output in Case::new(&folder, true).launch(9) {
        assert!(
            said(&output).contains("expected at least as many rows as there are processes, 9"),
            "{}",
            said(&output)
        );
    }
}

//! Stages of a run that two processes train together: one folder, in which the first one writes.

use super::{free_port, process, said};
use crate::fixture::Folder;
use crate::series;
use stagediff::distributed::join;
use stagediff::experiment::tables::TrainingRow;
use stagediff::experiment::{Run, Stage, train_stages};
use std::path::Path;
use std::process::{Child, Output};

/// The data folder of a child process.
const DATA: &str = "STAGEDIFF_DISTRIBUTED_DATA";

const STAGES: [&[Stage]; 4] = [&[Stage::S], &[Stage::D], &[Stage::M], &[Stage::DF, Stage::MF]];

/// Trains the stages of the run in the folder.
#[test]
fn child() {
    let Some(data) = std::env::var_os(DATA) else { return };
    let trained = join().and_then(|group| {
        let mut run = series::opened(Path::new(&data), &[])?;
        if let Some(group) = group {
            run = Run::together(run, group)?;
        }
        STAGES.iter().try_for_each(|stages| train_stages(&run, stages, &mut |_, _| ()).map(drop))
    });
    if let Err(error) = trained {
        eprintln!("{error}");
        std::process::exit(error.exit_code().into());
    }
}

fn launch(folders: &[&Path]) -> Vec<Output> {
    let port = free_port();
    let start = |(rank, data): (usize, &&Path)| {
        process("distributed::series_of_ranks::child", (rank, folders.len()), port).env(DATA, data).spawn().unwrap()
    };
    let children: Vec<Child> = folders.iter().enumerate().map(start).collect();
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

#[test]
fn two_processes_train_a_run_as_one_does() {
    let (alone, together) = (Folder::new("ranks_alone"), Folder::new("ranks_together"));
    for folder in [&alone, &together] {
        series::models(&series::opened(folder.path(), &[]).unwrap()).unwrap();
    }
    let one = launch(&[alone.path()]);
    assert!(one[0].status.success(), "{}", said(&one[0]));
    for turn in ["trained", "finished before"] {
        for output in launch(&[together.path(), together.path()]) {
            assert!(output.status.success(), "{turn}: {}", said(&output));
        }
    }
    let opened = |folder: &Folder| series::opened(folder.path(), &[]).unwrap();
    for stage in [Stage::S, Stage::D, Stage::MF] {
        let [found, expected] = [&together, &alone].map(|folder| opened(folder).crosscoder(stage).unwrap());
        let off = (found.w_dec - &expected.w_dec).abs().max().double_value(&[]);
        assert!(off <= 1e-4 * expected.w_dec.abs().max().double_value(&[]), "{stage}: {off}");
    }
    let rows = |folder: &Folder| opened(folder).rows::<TrainingRow>("training").unwrap();
    assert_eq!(rows(&together).len(), rows(&alone).len());
    for (found, expected) in rows(&together).iter().zip(rows(&alone)) {
        let place = |row: &TrainingRow| (row.stage, row.step, row.n_activations);
        assert_eq!(place(found), place(&expected));
        assert!((found.loss - expected.loss).abs() <= 1e-5 * expected.loss, "{} {}", found.loss, expected.loss);
    }
}

#[test]
fn a_folder_that_one_process_does_not_see_is_named() {
    let (here, there) = (Folder::new("ranks_here"), Folder::new("ranks_there"));
    for output in launch(&[here.path(), there.path()]) {
        let said = said(&output);
        assert!(said.contains("rank 1 has another run's folder than rank 0") && said.contains("ranks_there"), "{said}");
    }
}

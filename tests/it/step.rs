//! A training of a run is done once for what it is made of.

use crate::fixture::{Folder, assert_says};
use serde_json::json;
use stagediff::Result;
use stagediff::experiment::base_model;
use stagediff::experiment::{Run, Settings};
use stagediff::experiment::{Step, share_steps};
use stagediff::files::write_whole;
use stagediff::stories::split;
use std::cell::Cell;
use std::os::unix::fs::MetadataExt;

fn open(folder: &Folder) -> Run {
    Run::open_in(folder.path(), Settings::new("smoke")).unwrap()
}

/// Does the step `fit` of `setting` on `in.txt`; counts how often it is really done.
fn fit(run: &Run, setting: f64, n_made: &Cell<usize>) -> Result<Vec<f64>> {
    let step = Step::new(run, "fit", json!([setting]), &["in.txt".into()])?;
    step.once(vec!["out.txt".into()], || {
        n_made.set(n_made.get() + 1);
        write_whole(&run.path("out.txt"), b"made")?;
        Ok(vec![setting, 0.1 + 0.2, f64::MIN_POSITIVE])
    })
}

#[test]
fn it_is_done_again_only_where_something_differs() {
    let folder = Folder::new("step_once");
    let (run, n_made) = (open(&folder), Cell::new(0));
    write_whole(&run.path("in.txt"), b"one").unwrap();
    let log = fit(&run, 0.1, &n_made).unwrap();
    assert_eq!(fit(&open(&folder), 0.1, &n_made).unwrap(), log, "the log comes back bit for bit");
    assert_eq!(n_made.get(), 1);
    fit(&run, 0.1 + f64::EPSILON, &n_made).unwrap();
    assert_eq!(n_made.get(), 2, "another setting, by the last bit");
    write_whole(&run.path("in.txt"), b"two").unwrap();
    fit(&run, 0.1 + f64::EPSILON, &n_made).unwrap();
    assert_eq!(n_made.get(), 3, "another input");
    std::fs::remove_file(run.path("out.txt")).unwrap();
    fit(&run, 0.1 + f64::EPSILON, &n_made).unwrap();
    assert_eq!(n_made.get(), 4, "a file is gone");
    let manifest = std::fs::read_to_string(run.path("run.json")).unwrap();
    assert!(manifest.contains("out.txt"));
}

#[test]
fn one_that_broke_off_is_not_finished() {
    let folder = Folder::new("step_broken");
    let (run, n_made) = (open(&folder), Cell::new(0));
    assert_says(fit(&run, 0.1, &n_made), &["in.txt", "is not there", "no notebook"]);
    write_whole(&run.path("in.txt"), b"one").unwrap();
    let step = Step::new(&run, "fit", json!([0.1]), &["in.txt".into()]).unwrap();
    let broken: Result<Vec<f64>> = step.once(vec!["out.txt".into()], || {
        write_whole(&run.path("out.txt"), b"half of the files")?;
        Err(stagediff::Error::setting("disk", "full", "expected room"))
    });
    assert_says(broken, &["disk is full"]);
    fit(&run, 0.1, &n_made).unwrap();
    assert_eq!(n_made.get(), 1);
}

#[test]
fn a_base_model_that_was_trained_is_not_trained_again() {
    let folder = Folder::new("step_base");
    let values = [("n_records", "300"), ("pretrain.n_steps", "2"), ("model.n_vocab", "400"), ("base", "train")];
    let set = values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let run = Run::open_in(folder.path(), Settings { set, ..Settings::new("smoke") }).unwrap();
    run.save_stories(&split(run.read_stories().unwrap(), 0.1, 0)).unwrap();
    let n_lines = Cell::new(0);
    let train = || base_model(&run, &mut |_, _| n_lines.set(n_lines.get() + 1)).unwrap();
    let log = train();
    assert_eq!(n_lines.get(), 2);
    assert_eq!((train(), n_lines.get()), (log, 2));
}

#[test]
fn runs_share_what_is_equal_and_keep_what_is_their_own() {
    let folder = Folder::new("step_shared");
    let named = |name: &str| Run::open_in(folder.path(), Settings::new("smoke").named(name)).unwrap();
    let (first, second, n_made) = (named("first"), named("second"), Cell::new(0));
    let inode = |run: &Run, file: &str| std::fs::metadata(run.path(file)).unwrap().ino();
    for run in [&first, &second] {
        write_whole(&run.path("in.txt"), b"one").unwrap();
    }
    share_steps(&second, &first.path("")).unwrap();
    assert!(!second.path("run.json").exists(), "nothing to take over, nothing written");
    let log = fit(&first, 0.1, &n_made).unwrap();
    write_whole(&second.path("out.txt"), b"of a training that was killed before its record").unwrap();
    share_steps(&second, &first.path("")).unwrap();
    assert_eq!((fit(&second, 0.1, &n_made).unwrap(), n_made.get()), (log, 1), "taken over");
    assert_eq!(inode(&first, "out.txt"), inode(&second, "out.txt"));
    fit(&second, 0.2, &n_made).unwrap();
    share_steps(&second, &first.path("")).unwrap();
    fit(&second, 0.2, &n_made).unwrap();
    assert_eq!(n_made.get(), 2, "its own record stays, so the step is not done again");
    assert_ne!(inode(&first, "out.txt"), inode(&second, "out.txt"));
    fit(&first, 0.1, &n_made).unwrap();
    assert_eq!(n_made.get(), 2, "nor is the other run's");
}

//! Every setting at both ends of its range and beyond: whatever a person sets is computed with or refused by name.
//!
//! By default the values are tried on opening a run, and a few of the ends on the series itself;
//! `STAGEDIFF_ENDS=all cargo test --test it settings_ends -- --nocapture` has the series run with each.

use crate::fixture::Folder;
use crate::series;
use serde_json::{Value, json};
use stagediff::experiment::{Preset, Recipe};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a person may type, by mistake or not.
const VALUES: [&str; 18] = [
    "",
    "0",
    "1",
    "-1",
    "-0.0",
    "0.5",
    "1e-30",
    "1e30",
    "1e999",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "NaN",
    "true",
    "null",
    "[]",
    "[\"q_proj\"]",
    "many",
];

/// The names of all settings and their values, lists whole.
fn settings() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    leaves(&json!(Preset::smoke()), "", &mut all);
    leaves(&json!(Recipe { example_epochs: Some(2), ..Recipe::corrected() }), "recipe.", &mut all);
    all.retain(|(name, _)| name != "name");
    all
}

fn leaves(value: &Value, name: &str, all: &mut Vec<(String, Value)>) {
    match value.as_object() {
        Some(fields) => fields.iter().for_each(|(key, value)| match value.is_object() {
            true => leaves(value, &format!("{name}{key}."), all),
            false => all.push((format!("{name}{key}"), value.clone())),
        }),
        None => all.push((name.into(), value.clone())),
    }
}

/// What went wrong, if it was a panic.
fn panic_of<T>(work: impl FnOnce() -> T) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(work)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default())
}

#[test]
fn whatever_is_set_is_taken_or_refused_by_name() {
    let folder = Folder::new("ends_opened");
    let (mut n_tried, mut n_taken) = (0, 0);
    let organism = ["trigger", "behaviour", "place", "share"].map(|part| format!("organism.{part}"));
    let names: Vec<String> = settings().into_iter().map(|(name, _)| name).chain(organism).collect();
    for name in &names {
        for value in VALUES {
            let mut opened = None;
            let panic = panic_of(|| opened = Some(series::opened(folder.path(), &[(name, value)])));
            assert_eq!(panic, None, "{name} = {value:?}");
            n_tried += 1;
            match opened.unwrap() {
                Ok(_) => n_taken += 1,
                Err(error) => {
                    let (said, last) = (error.to_string(), name.rsplit('.').next().unwrap());
                    assert!(said.contains(last) || said.contains("decay_frac"), "{name} = {value:?}: {said}");
                }
            }
        }
    }
    println!("{n_tried} values of {} settings: {n_taken} taken, the others refused by name", names.len());
}

/// Values at and near the ends of ranges which a series can be run with.
fn ends() -> Vec<(String, String)> {
    let smallest = |value: &Value| match value {
        Value::Number(number) if number.is_i64() => &["0", "1", "2"][..],
        Value::Number(_) => &["0", "1e-12", "0.999", "1"],
        Value::Bool(_) => &["true", "false"],
        _ => &[],
    };
    let mut ends: Vec<(String, String)> = Vec::new();
    for (name, value) in settings() {
        ends.extend(smallest(&value).iter().map(|end| (name.clone(), end.to_string())));
    }
    let largest = [
        ("stage_s.lr", "10"),
        ("stage_s.lambda_s", "1e6"),
        ("later_stages.lr", "10"),
        ("later_stages.lambda_s", "1e6"),
        ("pretrain.lr", "10"),
        ("finetune.lr", "10"),
        ("lora.alpha", "1e6"),
        ("lora.dropout", "0.99"),
        ("lora.rank", "16"),
        ("pretrain.warm_up_steps", "1099511627776"),
        ("finetune.warm_up_steps", "1099511627776"),
        ("model.window", "1048576"),
        ("seq", "256"),
        ("n_prompts", "1048576"),
        ("n_eval_sequences", "1048576"),
        ("n_latents", "5000"),
        ("hooks", "[\"blocks.0.hook_resid_post\"]"),
    ];
    ends.extend(largest.map(|(name, value)| (name.to_string(), value.to_string())));
    ends
}

#[test]
fn at_the_ends_of_its_range_a_setting_is_computed_with_or_refused() {
    let all = ends();
    let every = if std::env::var("STAGEDIFF_ENDS").is_ok() { 1 } else { 17 };
    let (mut n_done, mut refused) = (0, Vec::new());
    for (name, value) in all.iter().step_by(every) {
        let folder = Folder::new("ends_series");
        let mut done = None;
        let quick = [("stage_s.n_steps", "4"), ("later_stages.n_steps", "3")];
        let values: Vec<(&str, &str)> = quick.into_iter().chain([(name.as_str(), value.as_str())]).collect();
        let panic = panic_of(|| {
            let train = |run| series::train(&run).and_then(|()| series::try_measure(&run));
            done = Some(series::opened(folder.path(), &values).and_then(train));
        });
        if let Some(panic) = panic {
            refused.push(format!("PANIC {name} = {value}: {panic}"));
            continue;
        }
        match done.unwrap() {
            Ok(()) => n_done += 1,
            Err(error) => println!("{name} = {value}: {error}"),
        }
    }
    println!("{n_done} of {} ends computed with, the others refused by name", all.len().div_ceil(every));
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

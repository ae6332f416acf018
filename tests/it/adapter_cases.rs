//! PEFT's adapters as people bring them, on the model of tests/cases/models/base.

use crate::fixture::{Folder, assert_same, assert_says, max_abs};
use crate::model_cases::case;
use serde_json::{Value, json};
use stagediff::files::Weights;
use stagediff::language_model::{GptNeo, peft};
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn base() -> GptNeo {
    GptNeo::load(&case("models/base"), Device::Cpu).unwrap()
}

fn logits(adapter: &Path) -> Tensor {
    let mut model = base();
    peft::load(model.linears_mut(), adapter).unwrap();
    model.logits(&Tensor::arange(40, (Kind::Int64, Device::Cpu)).unsqueeze(0), false).detach()
}

/// PEFT's files of a case after an edit of the config and the tensors.
fn edited(test: &str, name: &str, config: impl FnOnce(&mut Value), tensors: impl FnOnce(&mut Weights)) -> Folder {
    let (folder, from) = (Folder::new(test), case("adapters").join(name));
    let text = std::fs::read_to_string(from.join("adapter_config.json")).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    config(&mut json);
    folder.file("adapter_config.json", json.to_string());
    let mut weights = Weights::read(from.join("adapter_model.safetensors"), Device::Cpu).unwrap();
    tensors(&mut weights);
    weights.write(folder.join("adapter_model.safetensors")).unwrap();
    folder
}

fn refused(test: &str, config: impl FnOnce(&mut Value), tensors: impl FnOnce(&mut Weights), said: &[&str]) {
    let (folder, mut model) = (edited(test, "rslora", config, tensors), base());
    assert_says(peft::load(model.linears_mut(), folder.path()), said);
    assert!(peft::adapters(model.linears()).is_empty(), "{test}: the model is as it was");
}

fn keep(weights: &mut Weights, keep: impl Fn(&str) -> bool) {
    weights.tensors.retain(|name, _| keep(name));
}

#[test]
fn other_scales_and_ranks_are_pefts_logits() {
    for name in ["rslora", "rank_pattern"] {
        let dir = case("adapters").join(name);
        let expected = Weights::read(dir.join("expected.safetensors"), Device::Cpu).unwrap();
        let off = max_abs(&(logits(&dir) - &expected.tensors["logits"]));
        assert!(off < 1e-5, "{name} is off by {off:e}");
    }
}

#[test]
fn the_first_pattern_that_matches_counts_and_plain_ones_are_the_rest() {
    let plain = edited("pattern_none", "rslora", |config| config["use_rslora"] = false.into(), |_| ());
    let both = |first: &str, second: &str| {
        let pattern = format!(r#"{{"{first}": 8, "{second}": 16}}"#);
        let text = std::fs::read_to_string(plain.join("adapter_config.json")).unwrap();
        let folder = edited("pattern_both", "rslora", |_| (), |_| ());
        folder.file(
            "adapter_config.json",
            text.replace(r#""alpha_pattern":{}"#, &format!(r#""alpha_pattern":{pattern}"#)),
        );
        logits(folder.path())
    };
    let same = logits(plain.path()); // α is 8
    assert_same(&both("[qv]_proj", "z"), &same);
    assert_same(&both(".*proj", "a"), &same);
    assert!(!both("a", ".*proj").equal(&same));
    assert!(!both("h.0.*", ".*proj").equal(&same));
}

#[test]
fn targets_without_tensors_are_refused_by_name() {
    refused("adapter_empty", |_| (), |weights| weights.tensors.clear(), &["lacks 8 of the 8 tensors", "and 4 more"]);
    let lost = "transformer.h.1.attn.attention.v_proj.lora_A";
    let half = |weights: &mut Weights| keep(weights, |name| !name.contains("h.1."));
    refused("adapter_half_lost", |_| (), half, &["adapter_model.safetensors", "lacks 4 of the 8 tensors", lost]);
    let no_v = |weights: &mut Weights| keep(weights, |name| !name.contains("v_proj"));
    refused("adapter_no_v", |_| (), no_v, &["lacks 4 of the 8 tensors", lost]);
}

#[test]
fn targets_that_are_left_out_have_no_tensors_rightly() {
    let no_v = |weights: &mut Weights| keep(weights, |name| !name.contains("v_proj"));
    let known =
        logits(edited("out_named", "rslora", |config| config["target_modules"] = json!(["q_proj"]), no_v).path());
    for (setting, value) in [("exclude_modules", json!(["v_proj"])), ("target_modules", json!(r".*\.q_proj"))] {
        let folder = edited("out_otherwise", "rslora", |config| config[setting] = value, no_v);
        assert_same(&logits(folder.path()), &known);
    }
    let first = |weights: &mut Weights| keep(weights, |name| name.contains("h.0."));
    let layers = edited("out_layers", "rslora", |config| config["layers_to_transform"] = json!([0]), first);
    assert!(!logits(layers.path()).equal(&known));
}

#[test]
fn what_is_no_target_is_refused_by_name() {
    refused("adapter_left", |config| config["target_modules"] = json!(["q_proj"]), |_| (), &["no place for", "v_proj"]);
    let none = |config: &mut Value| config["target_modules"] = json!(["gate_proj"]);
    refused("adapter_elsewhere", none, |_| (), &["adapter_config.json", "gate_proj", "no layer"]);
    let head = |config: &mut Value| config["target_modules"] = json!(["q_proj", "v_proj", "lm_head"]);
    refused("adapter_head", head, |_| (), &["target_modules has lm_head"]);
    let lookahead = |config: &mut Value| config["target_modules"] = "(?!x).*".into();
    refused("adapter_lookahead", lookahead, |_| (), &["target_modules is no regular expression"]);
}

#[test]
fn what_is_not_finite_or_no_rank_is_refused() {
    let name = "base_model.model.transformer.h.0.attn.attention.q_proj.lora_B.weight";
    let nan = |weights: &mut Weights| weights.insert(name, &(&weights.tensors[name] / 0.0));
    refused("adapter_nan", |_| (), nan, &[name, "float32"]);
    refused("adapter_rank", |config| config["rank_pattern"] = json!({ "v_proj": 0 }), |_| (), &["rank_pattern is 0"]);
    refused("adapter_shape", |config| config["rank_pattern"] = json!({ "v_proj": 2 }), |_| (), &["v_proj", "[2, 32]"]);
    refused("adapter_dropout", |config| config["lora_dropout"] = 2.into(), |_| (), &["lora_dropout is 2"]);
}

#[test]
fn a_compiled_models_adapter_is_read() {
    let wrapped = edited(
        "adapter_wrapped",
        "rslora",
        |_| (),
        |weights| {
            let tensors = std::mem::take(&mut weights.tensors);
            weights.tensors = tensors.into_iter().map(|(name, tensor)| (format!("_orig_mod.{name}"), tensor)).collect();
        },
    );
    assert_same(&logits(wrapped.path()), &logits(&case("adapters/rslora")));
}

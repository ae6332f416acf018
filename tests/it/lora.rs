//! Adapters: what attaching, merging and dropout do, and which files are refused.

use crate::fixture::{self, Folder, assert_same, assert_says};
use crate::gpt_neo::{expected, reference_model, rounding_of};
use crate::rounding::assert_within;
use serde_json::Value;
use stagediff::files::Weights;
use stagediff::language_model::peft::{self, AdapterConfig};
use stagediff::language_model::{GptNeo, LoraConfig};
use stagediff::processor::generator::seeded;
use tch::{Device, Kind, Tensor};

fn adapted() -> GptNeo {
    let mut model = reference_model();
    peft::load(model.linears_mut(), &fixture::path("lora")).unwrap();
    model
}

fn adapted_nf4() -> GptNeo {
    let mut model = reference_model();
    model.quantise();
    peft::load(model.linears_mut(), &fixture::path("lora")).unwrap();
    model
}

#[test]
fn merged_is_unmerged() {
    for mut model in [adapted(), adapted_nf4()] {
        let ids = expected().get("ids");
        let unmerged = model.logits(&ids, false);
        model.merge();
        assert_within(&model.logits(&ids, false), &unmerged, &(rounding_of(&model, &ids, &unmerged) * 2.0));
    }
}

#[test]
fn merging_makes_a_dense_matrix_of_an_adapted_layer() {
    let mut model = adapted_nf4();
    assert!(model.blocks[0].attn.q_proj.codes.is_some());
    model.merge();
    assert!(model.blocks[0].attn.q_proj.codes.is_none() && model.blocks[0].attn.k_proj.codes.is_some());
}

#[test]
fn a_zero_adapter_leaves_logits_as_they_are() {
    let ids = expected().get("ids");
    let _generator = seeded(0);
    for cfg in [LoraConfig::published(), LoraConfig::all_linear()] {
        let mut model = reference_model();
        let before = model.logits(&ids, false);
        let bound = rounding_of(&model, &ids, &before) * 2.0;
        peft::attach(model.linears_mut(), &cfg);
        assert_eq!(peft::adapters(model.linears()).len(), 2 * 4 * cfg.targets.len());
        assert_within(&model.logits(&ids, false), &before, &bound);
        assert_within(&model.logits(&ids, true), &before, &bound);
        model.merge();
        assert_within(&model.logits(&ids, false), &before, &bound);
    }
}

#[test]
fn dropout_is_for_training_alone() {
    let (model, ids) = (adapted(), expected().get("ids"));
    let _generator = seeded(0);
    assert_same(&model.logits(&ids, false), &model.logits(&ids, false));
    assert!(!model.logits(&ids, true).equal(&model.logits(&ids, true)));
}

#[test]
fn the_published_adapters_have_as_many_parameters_as_published() {
    let cfg = LoraConfig::published();
    let n_trained = 4 * cfg.targets.len() as i64 * cfg.rank * 2 * 768;
    assert_eq!(n_trained, 98_304);
    let n_here: usize = peft::adapters(adapted().linears()).iter().map(|(_, tensor)| tensor.numel()).sum();
    assert_eq!(n_here, 4096);
}

/// PEFT's files after an edit of the config and the tensors.
fn edited(test: &str, config: impl FnOnce(&mut Value), tensors: impl FnOnce(&mut Weights)) -> Folder {
    let folder = Folder::new(test);
    let mut file = fixture::json("lora/adapter_config.json");
    config(&mut file);
    folder.file("adapter_config.json", file.to_string());
    let mut weights = Weights::read(fixture::path("lora/adapter_model.safetensors"), Device::Cpu).unwrap();
    tensors(&mut weights);
    weights.write(folder.join("adapter_model.safetensors")).unwrap();
    folder
}

#[test]
fn anything_but_plain_lora_is_refused_by_name() {
    let settings = [
        ("peft_type", Value::from("LOHA")),
        ("bias", "all".into()),
        ("use_dora", true.into()),
        ("lora_bias", true.into()),
        ("fan_in_fan_out", true.into()),
        ("trainable_token_indices", serde_json::json!([1, 2])),
        ("target_parameters", serde_json::json!(["wte.weight"])),
        ("modules_to_save", serde_json::json!(["wte"])),
        ("init_lora_weights", "pissa".into()),
        ("r", 0.into()),
    ];
    for (name, value) in settings {
        let folder = edited(&format!("lora_{name}"), |config| config[name] = value, |_| ());
        assert_says(AdapterConfig::read(&folder.join("adapter_config.json")), &["adapter_config.json", name]);
    }
    let folder = edited("lora_rank", |config| drop(config.as_object_mut().unwrap().remove("r")), |_| ());
    assert_says(
        AdapterConfig::read(&folder.join("adapter_config.json")),
        &["adapter_config.json", "missing field `r`"],
    );
    assert_says(AdapterConfig::read(&folder.join("none.json")), &["cannot access", "none.json"]);
}

#[test]
fn the_order_of_targets_does_not_matter_and_other_lines_are_passed_over() {
    let read = AdapterConfig::read(&fixture::path("lora/adapter_config.json")).unwrap().lora;
    let mut targets = read.targets.clone();
    targets.sort();
    assert_eq!(LoraConfig { targets, ..read }, LoraConfig::published());
}

#[test]
fn adapters_that_do_not_fit_are_refused_and_named() {
    let name = "base_model.model.transformer.h.1.attn.attention.v_proj.lora_B.weight";
    let narrow = Tensor::zeros([32, 4], (Kind::Float, Device::Cpu));
    let refused = |test: &str, edit: &dyn Fn(&mut Weights), said: &[&str]| {
        let (folder, mut model) = (edited(test, |_| (), edit), reference_model());
        assert_says(peft::load(model.linears_mut(), folder.path()), said);
        assert!(peft::adapters(model.linears()).is_empty(), "{test}: the model is as it was");
    };
    refused("lora_shape", &|weights| weights.insert(name, &narrow), &[name, "[32, 4]", "[32, 8]"]);
    refused("lora_half", &|weights| drop(weights.tensors.remove(name)), &[name, "adapter_model.safetensors"]);
    let elsewhere = name.replace("h.1", "h.9");
    refused(
        "lora_elsewhere",
        &|weights| weights.insert(&elsewhere, &narrow),
        &["has 17 tensors, this model takes 16", &elsewhere],
    );
}

#[test]
fn an_adapter_that_does_not_fit_leaves_the_earlier_one() {
    let (mut model, ids) = (adapted(), expected().get("ids"));
    let before = model.logits(&ids, false);
    let last = "base_model.model.transformer.h.3.attn.attention.v_proj.lora_B.weight";
    let folder = edited("lora_last", |_| (), |weights| drop(weights.tensors.remove(last)));
    assert_says(peft::load(model.linears_mut(), folder.path()), &[last]);
    assert_same(&model.logits(&ids, false), &before);
}

#[test]
fn a_saved_adapter_is_the_same_adapter() {
    let (model, folder) = (adapted(), Folder::new("lora_saved"));
    let cfg = AdapterConfig::read(&fixture::path("lora/adapter_config.json")).unwrap().lora;
    let adapters: Weights = peft::adapters(model.linears()).into_iter().collect();
    peft::save(folder.path(), &adapters, &cfg, "base").unwrap();
    assert_eq!(AdapterConfig::read(&folder.join("adapter_config.json")).unwrap().lora, cfg);
    let mut again = reference_model();
    peft::load(again.linears_mut(), folder.path()).unwrap();
    let ids = expected().get("ids");
    assert_same(&again.logits(&ids, false), &model.logits(&ids, false));
    let (written, theirs) = ("adapter_model.safetensors", fixture::path("lora/adapter_model.safetensors"));
    let names = |path| Weights::read(path, Device::Cpu).unwrap().tensors.into_keys().collect::<Vec<_>>();
    assert_eq!(names(folder.join(written)), names(theirs));
}

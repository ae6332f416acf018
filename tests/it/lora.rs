//! Adapters against PEFT, on float and on NF4 weights.

use crate::fixture::{self, Folder, Tensors, assert_close, assert_same, assert_says, max_abs};
use crate::gpt_neo::{counted, expected, reference_model};
use serde_json::Value;
use stagediff::fit::next_token_loss;
use stagediff::gpt_neo::GptNeo;
use stagediff::lora::{LoraConfig, read_peft_config, save_peft};
use stagediff::weights::Weights;
use tch::{Device, Kind, Tensor};

fn adapted() -> GptNeo {
    let mut model = reference_model();
    model.load_adapter(&fixture::path("lora")).unwrap();
    model
}

fn adapted_nf4() -> GptNeo {
    let mut model = reference_model();
    model.quantise();
    model.load_adapter(&fixture::path("lora")).unwrap();
    model
}

fn known() -> Value {
    fixture::json("lora/expected.json")
}

/// Loss and gradients of the adapters are those of the fixture.
#[track_caller]
fn assert_learns_as(model: &GptNeo, with_loss: &Tensor, loss_nats: &Value, expected_grads: &Tensors) {
    let (loss, _) = next_token_loss(model, &expected().get("ids"), with_loss, false);
    let found = loss.double_value(&[]);
    assert!((found - loss_nats.as_f64().unwrap()).abs() < 1e-5, "{found}, expected {loss_nats}");
    let (names, params): (Vec<String>, Vec<Tensor>) = model.adapters().into_iter().unzip();
    let grads = Tensor::run_backward(&[&loss], &params, false, false);
    assert_eq!(grads.len(), 16);
    for (name, grad) in names.iter().zip(grads) {
        let expected = expected_grads.get(&format!("grad.{name}"));
        assert_close(&grad, &expected, 1e-3 * max_abs(&expected));
    }
}

#[test]
fn an_adapted_model_gives_the_logits_of_peft() {
    let logits = adapted().logits(&expected().get("ids"), false);
    assert_close(&logits, &fixture::tensors("lora/expected.safetensors").get("logits"), 1e-4);
}

#[test]
fn merged_is_unmerged() {
    let (known, ids) = (fixture::tensors("lora/expected.safetensors"), expected().get("ids"));
    let mut model = adapted();
    let unmerged = model.logits(&ids, false);
    model.merge();
    assert!(model.adapters().is_empty());
    let merged: std::collections::BTreeMap<String, Tensor> = model.tensors().into_iter().collect();
    for (name, weight) in known.below("merged.") {
        assert_close(&merged[&name], &weight, 1e-6);
    }
    let logits = model.logits(&ids, false);
    assert_close(&logits, &known.get("logits_merged"), 1e-4);
    assert_close(&logits, &unmerged, 1e-4);
}

#[test]
fn gradients_are_those_of_peft() {
    let everywhere = expected().get("ids").ge(0);
    let grads = fixture::tensors("lora/expected.safetensors");
    assert_learns_as(&adapted(), &everywhere, &known()["loss"], &grads);
}

#[test]
fn on_nf4_weights_too() {
    let (model, known_nf4) = (adapted_nf4(), fixture::tensors("lora/expected_nf4_base.safetensors"));
    let ids = expected().get("ids");
    assert_close(&model.logits(&ids, false), &known_nf4.get("logits"), 1e-4);
    let labels = expected().get("labels_masked");
    assert_learns_as(&model, &counted(&labels), &known()["nf4_base_loss_masked"], &known_nf4);
}

#[test]
fn quantised_matrices_are_those_of_bitsandbytes_and_the_rest_is_untouched() {
    let known = fixture::tensors("lora/expected_nf4_base.safetensors");
    let (before, mut model) = (reference_model(), reference_model());
    model.quantise();
    let quantised: std::collections::BTreeMap<String, Tensor> = model.tensors().into_iter().collect();
    let dequantised = known.below("dequant.");
    assert_eq!(dequantised.len(), 12);
    for (name, weight) in &dequantised {
        assert_close(&quantised[name], weight, 1e-6);
    }
    for (name, weight) in before.tensors() {
        let in_a_block = name.contains("attn.") || name.contains("mlp.");
        assert_eq!(quantised[&name].equal(&weight), !(in_a_block && name.ends_with(".weight")), "{name}");
    }
    assert_close(&model.logits(&expected().get("ids"), false), &known.get("logits_base"), 1e-4);
}

#[test]
fn merging_makes_a_dense_matrix_of_an_adapted_layer() {
    let mut model = adapted_nf4();
    assert!(model.blocks[0].attn.q_proj.codes.is_some());
    model.merge();
    assert!(model.blocks[0].attn.q_proj.codes.is_none() && model.blocks[0].attn.k_proj.codes.is_some());
}

#[test]
fn a_zero_adapter_leaves_logits_identical() {
    let ids = expected().get("ids");
    let _generator = fixture::seeded(0);
    for cfg in [LoraConfig::published(), LoraConfig::all_linear()] {
        let mut model = reference_model();
        let before = model.logits(&ids, false);
        model.attach(&cfg);
        assert_eq!(model.adapters().len(), 2 * 4 * cfg.targets.len());
        assert_same(&model.logits(&ids, false), &before);
        assert_same(&model.logits(&ids, true), &before);
        model.merge();
        assert_same(&model.logits(&ids, false), &before);
    }
}

#[test]
fn dropout_is_for_training_alone() {
    let (model, ids) = (adapted(), expected().get("ids"));
    let _generator = fixture::seeded(0);
    assert_same(&model.logits(&ids, false), &model.logits(&ids, false));
    assert!(!model.logits(&ids, true).equal(&model.logits(&ids, true)));
}

#[test]
fn the_published_adapters_have_as_many_parameters_as_published() {
    let cfg = LoraConfig::published();
    let n_trained = 4 * cfg.targets.len() as i64 * cfg.rank * 2 * 768;
    assert_eq!(n_trained, 98_304);
    let n_here: usize = adapted().adapters().iter().map(|(_, tensor)| tensor.numel()).sum();
    assert_eq!(n_here as u64, known()["trainable_parameters"].as_u64().unwrap());
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
        ("use_rslora", true.into()),
        ("use_dora", true.into()),
        ("lora_bias", true.into()),
        ("fan_in_fan_out", true.into()),
        ("rank_pattern", serde_json::json!({ "q_proj": 4 })),
        ("alpha_pattern", serde_json::json!({ "q_proj": 4 })),
        ("modules_to_save", serde_json::json!(["wte"])),
        ("init_lora_weights", "pissa".into()),
        ("r", 0.into()),
    ];
    for (name, value) in settings {
        let folder = edited(&format!("lora_{name}"), |config| config[name] = value, |_| ());
        assert_says(read_peft_config(&folder.join("adapter_config.json")), &["adapter_config.json", name]);
    }
    let folder = edited("lora_rank", |config| drop(config.as_object_mut().unwrap().remove("r")), |_| ());
    assert_says(read_peft_config(&folder.join("adapter_config.json")), &["adapter_config.json", "missing field `r`"]);
    assert_says(read_peft_config(&folder.join("none.json")), &["cannot access", "none.json"]);
}

#[test]
fn the_order_of_targets_does_not_matter_and_other_lines_are_passed_over() {
    let read = read_peft_config(&fixture::path("lora/adapter_config.json")).unwrap();
    let mut targets = read.targets.clone();
    targets.sort();
    assert_eq!(LoraConfig { targets, ..read }, LoraConfig::published());
}

#[test]
fn adapters_that_do_not_fit_are_refused_and_named() {
    let name = "base_model.model.transformer.h.1.attn.attention.v_proj.lora_B.weight";
    let narrow = Tensor::zeros([32, 4], (Kind::Float, Device::Cpu));
    let cases: [(&str, &dyn Fn(&mut Weights), &[&str]); 3] = [
        ("lora_shape", &|weights| weights.insert(name, &narrow), &[name, "[32, 4]", "[32, 8]"]),
        ("lora_half", &|weights| drop(weights.tensors.remove(name)), &[name, "adapter_model.safetensors"]),
        (
            "lora_elsewhere",
            &|weights| weights.insert("base_model.model.transformer.h.9.attn.attention.v_proj.lora_B.weight", &narrow),
            &["has 17 tensors, this model takes 16"],
        ),
    ];
    for (test, edit, said) in cases {
        let folder = edited(test, |_| (), edit);
        let mut model = reference_model();
        assert_says(model.load_adapter(folder.path()), said);
        assert!(model.adapters().is_empty(), "{test}: the model is as it was");
    }
}

#[test]
fn an_adapter_that_does_not_fit_leaves_the_earlier_one() {
    let (mut model, ids) = (adapted(), expected().get("ids"));
    let before = model.logits(&ids, false);
    let last = "base_model.model.transformer.h.3.attn.attention.v_proj.lora_B.weight";
    let folder = edited("lora_last", |_| (), |weights| drop(weights.tensors.remove(last)));
    assert_says(model.load_adapter(folder.path()), &[last]);
    assert_same(&model.logits(&ids, false), &before);
}

#[test]
fn a_saved_adapter_is_the_same_adapter() {
    let (model, folder) = (adapted(), Folder::new("lora_saved"));
    let cfg = read_peft_config(&fixture::path("lora/adapter_config.json")).unwrap();
    let mut adapters = Weights::new();
    model.adapters().iter().for_each(|(name, tensor)| adapters.insert(name, &tensor.detach()));
    save_peft(folder.path(), &adapters, &cfg, "base").unwrap();
    assert_eq!(read_peft_config(&folder.join("adapter_config.json")).unwrap(), cfg);
    let mut again = reference_model();
    again.load_adapter(folder.path()).unwrap();
    let ids = expected().get("ids");
    assert_same(&again.logits(&ids, false), &model.logits(&ids, false));
    let (written, theirs) = ("adapter_model.safetensors", fixture::path("lora/adapter_model.safetensors"));
    let names = |path| Weights::read(path, Device::Cpu).unwrap().tensors.into_keys().collect::<Vec<_>>();
    assert_eq!(names(folder.join(written)), names(theirs));
}

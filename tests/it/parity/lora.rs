//! lora/: adapters against PEFT, on float and on NF4 weights (bitsandbytes).

use super::case::Case;
use super::folder::{self, Tensors};
use super::gpt_neo::{everywhere, expected, labelled, model};
use stagediff::language_model::{GptNeo, next_token_gradients, peft};
use std::collections::BTreeMap;
use tch::Tensor;

pub const TESTS: &[fn()] = &[
    adapters_are_taken_up_bit_for_bit,
    an_adapted_model_is_that_of_peft,
    merged_weights_and_logits_are_those_of_peft,
    gradients_are_those_of_peft,
    quantised_weights_and_logits_are_those_of_bitsandbytes,
    an_adapted_quantised_model_is_that_of_peft,
];

fn adapt(mut model: GptNeo) -> GptNeo {
    let config = folder::path("lora/adapter_config.json");
    folder::path("lora/adapter_model.safetensors");
    peft::load(model.linears_mut(), config.parent().unwrap()).unwrap_or_else(|error| panic!("{error}"));
    model
}

fn quantised() -> GptNeo {
    let mut model = model();
    model.quantise();
    model
}

fn on_float() -> Tensors {
    folder::tensors("lora/expected.safetensors")
}

fn on_nf4() -> Tensors {
    folder::tensors("lora/expected_nf4_base.safetensors")
}

fn by_name(tensors: Vec<(String, Tensor)>) -> BTreeMap<String, Tensor> {
    tensors.into_iter().collect()
}

/// Loss and gradients of the adapters, against those of a file.
fn check_gradients(model: &GptNeo, with_loss: &Tensor, loss_name: &str, known: &Tensors, file: &str) {
    let (names, params): (Vec<String>, Vec<Tensor>) = peft::adapters(model.linears()).into_iter().unzip();
    let found = next_token_gradients(model, &params, &expected().get("ids"), with_loss, false);
    let loss_nats = folder::number(&folder::json("lora/expected.json"), loss_name);
    Case::new(format!("lora/{loss_name}"), 1e-5)
        .number_absolute("loss", found.loss.double_value(&[]), loss_nats)
        .check();
    let grads: BTreeMap<String, Tensor> = names.into_iter().zip(found.grads).collect();
    let mut case = Case::new(format!("lora/{file} grad, of the tensor's largest"), 1e-3);
    for (name, known) in known.below("grad.") {
        case.relative(name, &grads[name], &known);
    }
    case.check();
}

/// `adapter_model.safetensors`, `adapter_config.json`; `scaling`, `trainable_parameters`.
#[test]
fn adapters_are_taken_up_bit_for_bit() {
    let (adapters, file) =
        (by_name(peft::adapters(adapt(model()).linears())), folder::tensors("lora/adapter_model.safetensors"));
    let known = folder::json("lora/expected.json");
    let cfg = peft::read_config(&folder::path("lora/adapter_config.json")).unwrap();
    let scaling = cfg.alpha / cfg.rank as f64;
    Case::new("lora/scaling", 1e-12).number("scaling", scaling, folder::number(&known, "scaling")).check();
    let mut case = Case::exact("lora/adapter_model");
    case.equal("names of the tensors", adapters.keys().map(String::as_str).collect(), file.names());
    for (name, tensor) in &adapters {
        case.absolute(name, tensor, &file.get(name));
    }
    let n_trained: usize = adapters.values().map(Tensor::numel).sum();
    case.equal("trainable_parameters", Some(n_trained as u64), known["trainable_parameters"].as_u64()).check();
}

/// `expected.safetensors`: `logits`.
#[test]
fn an_adapted_model_is_that_of_peft() {
    let logits = adapt(model()).logits(&expected().get("ids"), false);
    Case::new("lora/logits", 1e-4).absolute("logits", &logits, &on_float().get("logits")).check();
}

/// `expected.safetensors`: `logits_merged`, `merged.*`; what merging leaves and what it should not touch.
#[test]
fn merged_weights_and_logits_are_those_of_peft() {
    let (mut merged, before, known) = (adapt(model()), by_name(model().tensors()), on_float());
    merged.merge();
    assert!(peft::adapters(merged.linears()).is_empty());
    let logits = merged.logits(&expected().get("ids"), false);
    Case::new("lora/logits_merged", 1e-4).absolute("logits", &logits, &known.get("logits_merged")).check();
    let (mut weights, mut rest) = (Case::new("lora/merged", 1e-6), Case::exact("lora/merged, other tensors"));
    let mut changed: BTreeMap<&str, Tensor> = known.below("merged.").into_iter().collect();
    for (name, tensor) in merged.tensors() {
        match changed.remove(name.as_str()) {
            Some(known) => weights.absolute(&name, &tensor, &known),
            None => rest.absolute(&name, &tensor, &before[&name]),
        };
    }
    assert!(changed.is_empty(), "merged tensors that the model does not have: {:?}", changed.keys());
    weights.check();
    rest.check();
}

/// `expected.safetensors`: `grad.*`; `loss`, also from float64.
#[test]
fn gradients_are_those_of_peft() {
    let everywhere = everywhere(&expected().get("ids"));
    for loss in ["loss", "loss_float64"] {
        check_gradients(&adapt(model()), &everywhere, loss, &on_float(), "expected");
    }
}

/// `expected_nf4_base.safetensors`: `dequant.*`, `logits_base`; every other tensor stays as it was.
#[test]
fn quantised_weights_and_logits_are_those_of_bitsandbytes() {
    let (quantised, before, known) = (quantised(), by_name(model().tensors()), on_nf4());
    let tensors = by_name(quantised.tensors());
    let (mut weights, mut rest) = (Case::new("lora/dequant", 1e-6), Case::exact("lora/dequant, other tensors"));
    for (name, known) in known.below("dequant.") {
        weights.absolute(name, &tensors[name], &known);
    }
    let is_in_a_linear_layer = |name: &str| name.contains(".h.") && !name.contains("ln_") && name.ends_with(".weight");
    for (name, tensor) in tensors.iter().filter(|(name, _)| !is_in_a_linear_layer(name)) {
        rest.absolute(name, tensor, &before[name]);
    }
    weights.check();
    rest.check();
    let logits = quantised.logits(&expected().get("ids"), false);
    Case::new("lora/logits_base on NF4", 1e-4).absolute("logits", &logits, &known.get("logits_base")).check();
}

/// `expected_nf4_base.safetensors`: `logits`, `grad.*`; `nf4_base_loss_masked`.
#[test]
fn an_adapted_quantised_model_is_that_of_peft() {
    let (model, known) = (adapt(quantised()), on_nf4());
    let logits = model.logits(&expected().get("ids"), false);
    Case::new("lora/logits on NF4", 1e-4).absolute("logits", &logits, &known.get("logits")).check();
    check_gradients(&model, &labelled(&expected()), "nf4_base_loss_masked", &known, "expected_nf4_base");
}

//! lora/: adapters against PEFT, on float and on NF4 weights (bitsandbytes).

use super::case::Case;
use super::folder::{self, Tensors};
use super::gpt_neo::{everywhere, expected, labelled, model, rounding_frac, rounding_nats};
use crate::gpt_neo::{in_double, n_terms};
use crate::rounding::{self, share, size_of_product};
use stagediff::language_model::peft::{self, AdapterConfig};
use stagediff::language_model::{GptNeo, next_token_gradients, next_token_loss};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

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
    let ids = expected().get("ids");
    let found = next_token_gradients(model, &params, &ids, with_loss, false);
    let loss_nats = folder::number(&folder::json("lora/expected.json"), loss_name);
    Case::new(format!("lora/{loss_name}, nats"), rounding_nats(model, with_loss, &known.get("logits")))
        .number_absolute("loss", found.loss.double_value(&[]), loss_nats)
        .check();
    let grads: BTreeMap<String, Tensor> = names.into_iter().zip(found.grads).collect();
    // Forward, and backward through activations and weights.
    let allowed = 2.0 * share(3 * n_terms(&model.config, ids.size()[1]), Kind::Float);
    let mut case = Case::new(format!("lora/{file} grad, of the tensor's largest"), allowed);
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
    let cfg = AdapterConfig::read(&folder::path("lora/adapter_config.json")).unwrap().lora;
    let scaling = cfg.alpha / cfg.rank as f64;
    Case::exact("lora/scaling").number("scaling", scaling, folder::number(&known, "scaling")).check();
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
    check_logits("logits", &adapt(model()), &on_float().get("logits"));
}

/// Logits of the ids of gpt_neo/.
fn check_logits(what: &str, model: &GptNeo, known: &Tensor) {
    let ids = expected().get("ids");
    Case::new(format!("lora/{what}, of the largest"), rounding_frac(model, &ids))
        .relative("logits", &model.logits(&ids, false), known)
        .check();
}

/// What a merged weight may be off: the sum over the rank, its scale and the weight, each rounded.
fn bound_of_merged(name: &str, before: &Tensor, adapters: &BTreeMap<String, Tensor>, scale: f64) -> Tensor {
    let [a, b] = ["A", "B"].map(|half| &adapters[&peft::tensor_name(name.trim_end_matches(".weight"), half)]);
    let size = rounding::in_double(before).abs() + size_of_product(b, a) * scale;
    size * (2.0 * share(b.size()[1] + 2, Kind::Float))
}

/// `expected.safetensors`: `logits_merged`, `merged.*`; what merging leaves and what it should not touch.
#[test]
fn merged_weights_and_logits_are_those_of_peft() {
    let (mut merged, before, known) = (adapt(model()), by_name(model().tensors()), on_float());
    let (adapters, scale) =
        (by_name(peft::adapters(merged.linears())), folder::number(&folder::json("lora/expected.json"), "scaling"));
    merged.merge();
    assert!(peft::adapters(merged.linears()).is_empty());
    check_logits("logits_merged", &merged, &known.get("logits_merged"));
    let (mut weights, mut rest) = (Case::bounded("lora/merged"), Case::exact("lora/merged, other tensors"));
    let mut changed: BTreeMap<&str, Tensor> = known.below("merged.").into_iter().collect();
    for (name, tensor) in merged.tensors() {
        match changed.remove(name.as_str()) {
            Some(known) => {
                weights.within(&name, &tensor, &known, &bound_of_merged(&name, &before[&name], &adapters, scale))
            }
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
    let (exact, _) = next_token_loss(&in_double(adapt(model())), &expected().get("ids"), &everywhere);
    let known = folder::number(&folder::json("lora/expected.json"), "loss_float64");
    Case::new("lora/loss, relative, float64", 1e-12).number("loss", exact.double_value(&[]), known).check();
}

/// `expected_nf4_base.safetensors`: `dequant.*`, `logits_base`; every other tensor stays as it was.
#[test]
fn quantised_weights_and_logits_are_those_of_bitsandbytes() {
    let (quantised, before, known) = (quantised(), by_name(model().tensors()), on_nf4());
    let tensors = by_name(quantised.tensors());
    let mut weights = Case::new("lora/dequant, of the tensor's largest", share(16, Kind::Float));
    let mut rest = Case::exact("lora/dequant, other tensors");
    for (name, known) in known.below("dequant.") {
        weights.relative(name, &tensors[name], &known);
    }
    let is_in_a_linear_layer = |name: &str| name.contains(".h.") && !name.contains("ln_") && name.ends_with(".weight");
    for (name, tensor) in tensors.iter().filter(|(name, _)| !is_in_a_linear_layer(name)) {
        rest.absolute(name, tensor, &before[name]);
    }
    weights.check();
    rest.check();
    check_logits("logits_base on NF4", &quantised, &known.get("logits_base"));
}

/// `expected_nf4_base.safetensors`: `logits`, `grad.*`; `nf4_base_loss_masked`.
#[test]
fn an_adapted_quantised_model_is_that_of_peft() {
    let (model, known) = (adapt(quantised()), on_nf4());
    check_logits("logits on NF4", &model, &known.get("logits"));
    check_gradients(&model, &labelled(&expected()), "nf4_base_loss_masked", &known, "expected_nf4_base");
}

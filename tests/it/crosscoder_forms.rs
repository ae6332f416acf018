//! Crosscoders in other libraries' forms.

use crate::crosscoder::crosscoder;
use crate::fixture::{self, Edit, Folder, assert_same, assert_says};
use crate::rounding::{assert_within, in_double, of_largest, share, size_of_product};
use serde_json::Value;
use stagediff::crosscoder::Crosscoder;
use stagediff::crosscoder::formats::{model_diffing, sae_lens};
use stagediff::files::Weights;
use stagediff::language_model::HookPoint;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// The crosscoder of the fixture, 5 hook points × 12 → 24 latents, before it is folded.
pub fn reference_crosscoder() -> Crosscoder {
    let known = fixture::tensors("crosscoder/fold.safetensors");
    crosscoder(&known, "unfolded.", known.get("scale"))
}

fn about() -> BTreeMap<String, String> {
    BTreeMap::from([("stage".to_string(), "DF".to_string())])
}

/// Every parameter within the roundings of folding and unfolding, one of the factor and one of the number each; t = log θ
/// may have been θ in between, whose roundings are shares of θ.
#[track_caller]
fn assert_same_crosscoder(found: &Crosscoder, expected: &Crosscoder) {
    assert_eq!((&found.hooks, found.d_model), (&expected.hooks, expected.d_model));
    assert_same(&found.scale, &expected.scale);
    for (param, known) in found.params()[..4].iter().zip(expected.params()) {
        assert_within(param, &known, &(in_double(&known).abs() * share(4, Kind::Float)));
    }
    let known = &expected.log_threshold;
    assert_within(&found.log_threshold, known, &((in_double(known).abs() + 1.0) * share(4, Kind::Float)));
}

#[test]
fn sae_lens_and_back_is_the_same_crosscoder() {
    let (folder, crosscoder) = (Folder::new("sae_lens_back"), reference_crosscoder());
    sae_lens::save(&crosscoder, folder.path(), &about()).unwrap();
    let (again, said) = sae_lens::load(folder.path(), None, Device::Cpu).unwrap();
    assert_same_crosscoder(&again, &crosscoder);
    assert_eq!(said, about());
}

/// The reference's SAELens folder after an edit of its config.
pub fn edited(test: &str, edit: impl FnOnce(&mut Value)) -> Folder {
    let folder = Folder::new(test);
    let weights = fixture::path("sae_lens/export/sae_weights.safetensors");
    folder.file("sae_weights.safetensors", std::fs::read(weights).unwrap());
    let mut config = fixture::json("sae_lens/export/cfg.json");
    edit(&mut config);
    folder.file("cfg.json", config.to_string());
    folder
}

#[test]
fn an_sae_that_takes_its_bias_off_the_input_has_the_same_latents() {
    let folder =
        edited("sae_lens_b_dec", |config| drop(config.as_object_mut().unwrap().remove("apply_b_dec_to_input")));
    let (shifted, _) = sae_lens::load(folder.path(), None, Device::Cpu).unwrap();
    let (plain, _) = sae_lens::load(&fixture::path("sae_lens/export"), None, Device::Cpu).unwrap();
    let acts = fixture::tensors("sae_lens/expected.safetensors").get("x");
    let (acts, centre) = (acts.view([40, 60]), plain.b_dec.view([1, 60]));
    let expected = (in_double(&acts) - in_double(&centre)).matmul(&in_double(&plain.w_enc).tr()) + &plain.b_enc;
    let w_enc = plain.w_enc.tr();
    let size = size_of_product(&acts, &w_enc) + size_of_product(&centre, &w_enc) + plain.b_enc.abs();
    let bound = size * share(60 + 6, Kind::Float); // two sums, and four roundings of folding and unfolding
    assert_within(&shifted.encode(&acts.view([40, 5, 12])).pre_acts, &expected, &bound);
}

#[test]
fn what_a_crosscoder_cannot_do_is_refused_by_field() {
    let cases: [(&str, &Edit<Value>, &[&str]); 7] = [
        ("architecture", &|config| config["architecture"] = "topk".into(), &["architecture is \"topk\"", "jumprelu"]),
        (
            "normalize",
            &|config| config["normalize_activations"] = "layer_norm".into(),
            &["normalize_activations is \"layer_norm\""],
        ),
        ("hooks", &|config| config["metadata"] = serde_json::json!({}), &["no hook point"]),
        (
            "hook",
            &|config| config["metadata"] = serde_json::json!({ "hook_name": "blocks.0.mlp" }),
            &["hook point is blocks.0.mlp"],
        ),
        (
            "three",
            &|config| drop(config["metadata"]["crosscoder_hook_names"].as_array_mut().unwrap().remove(0)),
            &["d_in is 60", "4 hook points of width 12"],
        ),
        (
            "scale",
            &|config| config["metadata"]["crosscoder_scale"] = serde_json::json!([1.0, 0.0, 1.0, 1.0, 1.0]),
            &["crosscoder_scale", "5 positive numbers"],
        ),
        ("d_sae", &|config| config["d_sae"] = 25.into(), &["W_enc", "[60, 24]", "[60, 25]"]),
    ];
    for (test, edit, said) in cases {
        let folder = edited(&format!("sae_lens_{test}"), edit);
        assert_says(sae_lens::load(folder.path(), None, Device::Cpu), said);
    }
}

#[test]
fn the_published_layout_and_back_is_the_same_crosscoder() {
    let (folder, crosscoder) = (Folder::new("model_diffing_back"), reference_crosscoder());
    let path = folder.join("crosscoder.safetensors");
    model_diffing::save(&crosscoder, &path, &about()).unwrap();
    let written = Weights::read(&path, Device::Cpu).unwrap();
    assert_eq!(written.tensors["W_enc_XDH"].size(), [1, 5, 12, 24]);
    assert_eq!(written.tensors["W_dec_HXD"].size(), [24, 1, 5, 12]);
    assert_same_crosscoder(&model_diffing::load(&path, None, Device::Cpu).unwrap(), &crosscoder);
}

/// The fixture's folded crosscoder in the published library's shapes.
fn published(test: &str, edit: impl FnOnce(&mut Weights)) -> Folder {
    let (folder, known) = (Folder::new(test), fixture::tensors("crosscoder/fold.safetensors"));
    let mut weights = Weights::new();
    weights.insert("W_enc_XDH", &known.get("folded.w_enc").unsqueeze(0));
    weights.insert("W_dec_HXD", &known.get("folded.w_dec").unsqueeze(1));
    weights.insert("b_enc_H", &known.get("folded.b_enc"));
    weights.insert("b_dec_XD", &known.get("folded.b_dec").unsqueeze(0));
    weights.insert("hidden_activation.log_threshold_H", &known.get("folded.log_threshold"));
    weights.insert("is_folded", &Tensor::from(true));
    weights.insert("folded_scaling_factors_X", &known.get("scale").unsqueeze(0));
    edit(&mut weights);
    weights.write(folder.join("published.safetensors")).unwrap();
    folder
}

#[test]
fn a_published_crosscoder_is_read_with_its_scale() {
    let folder = published("model_diffing_read", |_| ());
    let found = model_diffing::load(&folder.join("published.safetensors"), None, Device::Cpu).unwrap();
    assert_same_crosscoder(&found, &reference_crosscoder());
    let known = fixture::tensors("crosscoder/fold.safetensors");
    let recon = found.reconstruct(&fixture::tensors("crosscoder/scale.safetensors").get("acts_raw"));
    let known = known.get("recon_raw");
    assert_within(&recon, &known, &of_largest(share(60 + 24 + 4, Kind::Float), &known));
}

#[test]
fn letters_of_dimensions_do_not_matter_and_hook_points_can_be_named() {
    let folder = published("model_diffing_letters", |weights| {
        for (old, new) in [("W_enc_XDH", "_W_enc_MPDL"), ("b_enc_H", "b_enc"), ("is_folded", "_is_folded")] {
            let tensor = weights.tensors.remove(old).unwrap();
            weights.insert(new, &tensor);
        }
        weights.insert("_is_folded", &Tensor::from(false));
    });
    let hooks: Vec<HookPoint> = (1..6).map(HookPoint::ResidPost).collect();
    let path = folder.join("published.safetensors");
    let found = model_diffing::load(&path, Some(&hooks), Device::Cpu).unwrap();
    assert_eq!(found.hooks, hooks);
    assert_same(&found.scale, &Tensor::ones([5], (Kind::Float, Device::Cpu)));
    let four = Some(&hooks[1..]);
    assert_says(model_diffing::load(&path, four, Device::Cpu), &["5 hook points, 4 were named"]);
}

#[test]
fn what_is_no_jumprelu_crosscoder_of_one_model_is_refused() {
    let cases: [(&str, &Edit<Weights>, &[&str]); 4] = [
        ("relu", &|weights| drop(weights.tensors.remove("hidden_activation.log_threshold_H")), &["log_threshold"]),
        ("skip", &|weights| weights.insert("W_skip_XdXd", &Tensor::from(1.0)), &["holds \"W_skip_XdXd\""]),
        (
            "two_models",
            &|weights| {
                let both = weights.tensors["W_enc_XDH"].repeat([2, 1, 1, 1]);
                weights.insert("W_enc_XDH", &both);
            },
            &["[2, 5, 12, 24]", "expected [1, hook, d_model, latent]"],
        ),
        (
            "scale",
            &|weights| weights.insert("folded_scaling_factors_X", &Tensor::zeros([1, 5], (Kind::Float, Device::Cpu))),
            &["\"folded_scaling_factors_X\" has 0 at [0, 0]", "above 0"],
        ),
    ];
    for (test, edit, said) in cases {
        let folder = published(&format!("model_diffing_{test}"), edit);
        assert_says(model_diffing::load(&folder.join("published.safetensors"), None, Device::Cpu), said);
    }
}

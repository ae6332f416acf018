//! Crosscoders as people bring them (tests/cases/crosscoders): read whole, or refused by tensor or field.

use crate::crosscoder_forms::{edited, reference_crosscoder};
use crate::fixture::{Edit, Folder, assert_same, assert_says, normal};
use crate::rounding::{assert_within, share, size_of_product};
use serde_json::Value;
use stagediff::crosscoder::Crosscoder;
use stagediff::crosscoder::formats::{model_diffing, sae_lens};
use stagediff::files::Weights;
use stagediff::language_model::HookPoint;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

const FLOATS: (Kind, Device) = (Kind::Float, Device::Cpu);

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/crosscoders").join(name)
}

fn read(path: &Path) -> Weights {
    Weights::read(path, Device::Cpu).unwrap()
}

#[test]
fn our_form_is_refused_by_tensor_and_value() {
    for (name, said) in [
        ("cc_bool", &["\"w_enc\" has type Bool", "floating-point"][..]),
        ("cc_i64", &["\"w_enc\" has type Int64", "floating-point"]),
        ("cc_nod", &["w_enc has shape [2, 0]", "at least 1"]),
        ("cc_nolat", &["w_enc has shape [0, 4]", "at least 1"]),
        ("cc_twice", &["hook point blocks.0.hook_resid_pre twice"]),
        ("cc_zero", &["\"scale\" has 0 at [0]", "above 0"]),
    ] {
        let path = case(&format!("{name}.safetensors"));
        assert_says(Crosscoder::load(&path, &[], Device::Cpu), &[&[name], said].concat());
    }
}

#[test]
fn numbers_that_a_crosscoder_cannot_hold_are_refused_by_tensor_and_place() {
    let folder = Folder::new("crosscoder_numbers");
    let path = folder.join("ours.safetensors");
    let set = |name: &'static str, value: f64| {
        move |weights: &mut Weights| drop(weights.tensors.get_mut(name).unwrap().get(1).fill_(value))
    };
    let cases: [(&Edit<Weights>, &[&str]); 8] = [
        (&set("w_enc", f64::NAN), &["\"w_enc\" has NaN at [1, 0]", "finite float32"]),
        (&set("b_dec", f64::INFINITY), &["\"b_dec\" has inf at [1]", "finite float32"]),
        (&set("log_threshold", f64::NEG_INFINITY), &["\"log_threshold\" has -inf at [1]"]),
        (&set("log_threshold", 89.0), &["\"log_threshold\" has 89 at [1]", "finite threshold exp(t)"]),
        (&set("scale", -1.0), &["\"scale\" has -1 at [1]", "above 0"]),
        (&set("scale", f64::NAN), &["\"scale\" has NaN at [1]"]),
        (
            &|weights| weights.insert("w_dec", &Tensor::full([24, 60], 1e300, (Kind::Double, Device::Cpu))),
            &["\"w_dec\" has", "e", "0 at [0, 0]", "finite float32"],
        ),
        (&|weights| weights.insert("w_skip", &Tensor::zeros([60, 60], FLOATS)), &["holds \"w_skip\""]),
    ];
    for (edit, said) in cases {
        reference_crosscoder().save(&path, &[]).unwrap();
        let mut weights = read(&path);
        edit(&mut weights);
        weights.write(&path).unwrap();
        assert_says(Crosscoder::load(&path, &[], Device::Cpu), &[&["ours.safetensors"], said].concat());
    }
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let folder = Folder::new("crosscoder_unwritten");
    let spoilt = |scale: f64, weight: f64| {
        let crosscoder = reference_crosscoder();
        let _ = crosscoder.scale.shallow_clone().fill_(scale);
        let _ = crosscoder.w_enc.get(0).fill_(weight);
        crosscoder
    };
    let path = folder.join("spoilt");
    let said = ["spoilt", "w_enc would not be finite", "scale"];
    assert_says(spoilt(1.0, f64::NAN).save(&path, &[]), &said);
    assert_says(model_diffing::save(&spoilt(1e30, 1e30), &path, &Default::default()), &said);
    assert_says(sae_lens::save(&spoilt(1e30, 1e30), &path, &Default::default()), &said);
    assert!(!path.exists());
}

#[test]
fn half_precision_is_read_and_a_latent_that_writes_nothing_is_a_latent() {
    let (folder, crosscoder) = (Folder::new("crosscoder_half"), reference_crosscoder());
    let path = folder.join("half.safetensors");
    let _ = crosscoder.w_dec.get(3).zero_();
    crosscoder.save(&path, &[]).unwrap();
    let mut weights = read(&path);
    for tensor in weights.tensors.values_mut() {
        *tensor = tensor.to_kind(Kind::BFloat16);
    }
    weights.write(&path).unwrap();
    let half = Crosscoder::load(&path, &[], Device::Cpu).unwrap();
    for (param, known) in half.params().iter().zip(crosscoder.params()) {
        assert_same(param, &known.to_kind(Kind::BFloat16).to_kind(Kind::Float));
    }
    assert_eq!(half.dec_norms().double_value(&[3]), 0.0);
}

#[test]
fn the_published_state_dict_is_read_with_both_scales_and_without_biases() {
    let load = |name: &str| model_diffing::load(&case(name), None, Device::Cpu).unwrap();
    let folded = load("folded.pt");
    assert_same(&folded.scale, &Tensor::from_slice(&[1.0f32, 2.0, 3.0]));
    let known = read(&case("folded.pt")).tensors["_W_enc_XiDiL"].reshape([12, 8]).tr();
    assert_within(&folded.fold().w_enc, &known, &(known.abs() * share(4, Kind::Float))); // divided and multiplied
    for name in ["not_folded.pt", "not_folded_no_decoder_bias.pt", "not_folded_no_encoder_bias.pt"] {
        let (found, held) = (load(name), read(&case(name)).tensors);
        assert_same(&found.scale, &Tensor::ones([3], FLOATS));
        let bias = |name: &str, n: i64| held.get(name).map_or(Tensor::zeros([n], FLOATS), |bias| bias.reshape([n]));
        assert_same(&found.b_enc, &bias("b_enc_L", 8));
        assert_same(&found.b_dec, &bias("_b_dec_XoDo", 12));
        assert_same(&found.w_dec, &held["_W_dec_LXoDo"].reshape([8, 12]));
    }
}

#[test]
fn a_state_dict_is_used_whole_or_refused() {
    let folder = Folder::new("crosscoder_whole");
    let extra = model_diffing::load(&case("extra_b_skip.safetensors"), None, Device::Cpu);
    assert_says(extra, &["extra_b_skip.safetensors", "holds \"b_skip_XD\""]);
    let huge = model_diffing::load(&case("md_huge.safetensors"), None, Device::Cpu);
    assert_says(huge, &["md_huge.safetensors", "W_enc_XDH", "has shape [1, 1099511627776, 0, 0]", "expected"]);
    let row = |numbers: [f32; 3]| Tensor::from_slice(&numbers).unsqueeze(0);
    let [scale_in, scale_out] = ["folded_scaling_factors_in_Xi", "folded_scaling_factors_out_Xo"];
    let cases: [(&Edit<Weights>, &[&str]); 7] = [
        (
            &|weights| weights.insert(scale_out, &row([1.0, 2.0, 4.0])),
            &[scale_out, "has 4 at [0, 2]", "the same numbers as folded_scaling_factors_in_Xi"],
        ),
        (&|weights| drop(weights.tensors.remove(scale_out)), &["no tensor \"folded_scaling_factors_out\""]),
        (&|weights| weights.insert(scale_in, &row([1.0, -2.0, 3.0])), &[scale_in, "-2 at [0, 1]", "above 0"]),
        (&|weights| drop(weights.tensors.remove("is_folded")), &[scale_in, "no is_folded"]),
        (&|weights| weights.insert("is_folded", &Tensor::from(1.0)), &["is_folded", "expected a truth value"]),
        (
            &|weights| weights.insert("b_enc_H", &Tensor::zeros([8], FLOATS)),
            &["\"b_enc_H\"", "\"b_enc_L\"", "one parameter"],
        ),
        (
            &|weights| [scale_in, scale_out].iter().for_each(|scale| weights.insert(*scale, &row([1e-44; 3]))),
            &["w_enc would not be finite", "scale"],
        ),
    ];
    for (edit, said) in cases {
        let mut weights = read(&case("folded.pt"));
        edit(&mut weights);
        let path = folder.join("edited.safetensors");
        weights.write(&path).unwrap();
        assert_says(model_diffing::load(&path, None, Device::Cpu), &[&["edited.safetensors"], said].concat());
    }
}

/// A SAELens folder of a config and the weights beside it, after an edit.
fn sae(test: &str, config: &str, edit: impl FnOnce(&mut Weights)) -> Folder {
    let folder = Folder::new(&format!("sae_{test}"));
    folder.file("cfg.json", std::fs::read(case(&format!("sae_lens/{config}.json"))).unwrap());
    let mut weights = read(&case("sae_lens/sae_weights.safetensors"));
    edit(&mut weights);
    weights.write(folder.join("sae_weights.safetensors")).unwrap();
    folder
}

fn load_sae(folder: &Folder) -> stagediff::Result<Crosscoder> {
    sae_lens::load(folder.path(), None, Device::Cpu).map(|(crosscoder, _)| crosscoder)
}

/// max(pre, 0), where pre is above its threshold, as SAELens has it.
fn latents_of(weights: &Weights, acts: &Tensor) -> (Tensor, Tensor) {
    let get = |name: &str| weights.tensors[name].to_kind(Kind::Double);
    let pre_acts = acts.to_kind(Kind::Double).matmul(&get("W_enc")) + get("b_enc");
    let threshold = weights.tensors.get("threshold").map_or(Tensor::zeros([64], FLOATS), Tensor::shallow_clone);
    let fires = pre_acts.gt_tensor(&threshold.relu());
    (pre_acts.relu() * fires, (&pre_acts - threshold.relu()).abs())
}

#[test]
fn saes_of_every_age_have_the_latents_that_sae_lens_gives_them() {
    let acts = normal(&[50, 32], 7);
    let lower =
        |weights: &mut Weights| drop(weights.tensors.get_mut("threshold").unwrap().subtract_(&Tensor::from(0.2)));
    let cases: [(&str, &str, &Edit<Weights>); 5] = [
        ("v3", "v3_jumprelu", &|_| ()),
        ("threshold", "before_architecture", &|_| ()),
        ("negative", "before_architecture", &lower),
        ("relu", "before_architecture", &|weights| drop(weights.tensors.remove("threshold"))),
        ("ones", "scaling", &|weights| weights.insert("scaling_factor", &Tensor::ones([64], FLOATS))),
    ];
    for (test, config, edit) in cases {
        let folder = sae(test, config, edit);
        let (crosscoder, weights) = (load_sae(&folder).unwrap(), read(&folder.join("sae_weights.safetensors")));
        let hook = if config == "v3_jumprelu" { 0 } else { 1 };
        assert_eq!(crosscoder.hooks, [HookPoint::ResidPost(hook)], "{test}");
        let bound = (size_of_product(&acts, &weights.tensors["W_enc"]) + weights.tensors["b_enc"].abs())
            * share(32 + 2, Kind::Float);
        let (expected, margin) = latents_of(&weights, &acts);
        let decided = margin.gt_tensor(&bound); // those nearer to their threshold may fall on either side
        assert!(decided.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]) > 0.99, "{test}");
        let found = crosscoder.encode(&acts.view([50, 1, 32])).latents;
        assert_within(&(found * &decided), &(expected * &decided), &bound);
        assert_same(&crosscoder.w_dec, &weights.tensors["W_dec"]);
    }
}

#[test]
fn an_sae_is_used_whole_or_refused() {
    let factors = |number: f64| {
        move |weights: &mut Weights| weights.insert("scaling_factor", &Tensor::full([64], number, FLOATS))
    };
    let cases: [(&str, &str, &Edit<Weights>, &[&str]); 7] = [
        ("scaling", "scaling", &factors(3.0), &["\"scaling_factor\" has 3 at [0]", "expected 1", "W_dec"]),
        (
            "skip",
            "scaling",
            &|weights| weights.insert("W_skip", &Tensor::zeros([32, 32], FLOATS)),
            &["sae_weights.safetensors", "holds \"W_skip\""],
        ),
        (
            "nan",
            "scaling",
            &|weights| drop(weights.tensors.get_mut("threshold").unwrap().get(2).fill_(f64::NAN)),
            &["\"threshold\" has NaN at [2]"],
        ),
        ("no_threshold", "scaling", &|weights| drop(weights.tensors.remove("threshold")), &["no tensor \"threshold\""]),
        (
            "integers",
            "scaling",
            &|weights| weights.insert("b_enc", &Tensor::zeros([64], (Kind::Int64, Device::Cpu))),
            &["\"b_enc\" has type Int64"],
        ),
        ("overflow", "overflow", &|_| (), &["cfg.json", "d_in is 12", "3 hook points of width -9223372036854775808"]),
        ("no_hooks", "no_hooks", &|_| (), &["cfg.json", "d_in is 0, expected at least 1"]),
    ];
    for (test, config, edit, said) in cases {
        assert_says(load_sae(&sae(test, config, edit)), said);
    }
}

#[test]
fn fields_that_change_what_an_sae_computes_are_refused() {
    let cases: [(&str, &Edit<Value>, &[&str]); 6] = [
        (
            "empty",
            &|config| config["metadata"]["crosscoder_hook_names"] = Value::Array(vec![]),
            &["list of hook points is empty"],
        ),
        ("flag", &|config| config["normalize_activations"] = true.into(), &["normalize_activations is", "average"]),
        (
            "activation",
            &|config| config["activation_fn_str"] = "tanh-relu".into(),
            &["activation_fn_str is \"tanh-relu\""],
        ),
        ("gated", &|config| config["architecture"] = "gated".into(), &["architecture is \"gated\""]),
        ("d_sae", &|config| config["d_sae"] = (-24).into(), &["d_sae is -24"]),
        (
            "tiny_scale",
            &|config| config["metadata"]["crosscoder_scale"] = serde_json::json!([1.0, 1e-60, 1.0, 1.0, 1.0]),
            &["crosscoder_scale", "5 positive numbers"],
        ),
    ];
    for (test, edit, said) in cases {
        assert_says(load_sae(&edited(&format!("sae_field_{test}"), edit)), said);
    }
    let folder = edited("sae_field_standard", |config| config["architecture"] = "standard".into());
    assert_says(load_sae(&folder), &["holds \"threshold\""]);
}

#[test]
fn hook_points_that_are_named_beside_a_files_own_must_be_the_same() {
    let folder = Folder::new("crosscoder_named");
    let (path, crosscoder) = (folder.join("published.safetensors"), reference_crosscoder());
    model_diffing::save(&crosscoder, &path, &Default::default()).unwrap();
    sae_lens::save(&crosscoder, &folder.join("sae"), &Default::default()).unwrap();
    let others: Vec<HookPoint> = (1..6).map(HookPoint::ResidPost).collect();
    let load = |hooks: &[HookPoint]| {
        (
            model_diffing::load(&path, Some(hooks), Device::Cpu),
            sae_lens::load(&folder.join("sae"), Some(hooks), Device::Cpu),
        )
    };
    let (published, sae) = load(&crosscoder.hooks);
    assert_eq!((&published.unwrap().hooks, &sae.unwrap().0.hooks), (&crosscoder.hooks, &crosscoder.hooks));
    let (published, sae) = load(&others);
    let said =
        ["its hook points are blocks.0.hook_resid_pre blocks.0.hook_resid_post", "named are blocks.1.hook_resid_post"];
    assert_says(published, &said);
    assert_says(sae, &said);

    let nameless = edited("sae_nameless", |config| config["metadata"] = serde_json::json!({}));
    let (found, _) = sae_lens::load(nameless.path(), Some(&others), Device::Cpu).unwrap();
    assert_eq!(found.hooks, others);
    let alias = [0, 1, 2, 3, 4].map(|i| if i == 4 { HookPoint::ResidPre(1) } else { HookPoint::ResidPost(i) });
    let aliased = sae_lens::load(nameless.path(), Some(&alias), Device::Cpu);
    assert_says(aliased, &["blocks.0.hook_resid_post and blocks.1.hook_resid_pre are one place"]);
}

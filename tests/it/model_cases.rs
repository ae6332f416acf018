//! Models as people bring them: what is read, and what is refused by name before anything is computed. tests/cases says
//! what each file is.

use crate::fixture::{self, Folder, assert_same, assert_says};
use serde_json::{Value, json};
use stagediff::files::Weights;
use stagediff::language_model::{GptNeo, GptNeoConfig, Tokenizer, pretrained};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// A file or folder of tests/cases.
pub fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// A folder with a case's files, its config and its weights after an edit.
fn edited(test: &str, config: impl FnOnce(&mut Value), weights: impl FnOnce(&mut Weights)) -> Folder {
    let folder = Folder::new(test);
    let text = std::fs::read_to_string(case("models/base/config.json")).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    config(&mut json);
    folder.file("config.json", json.to_string());
    folder.file("tokenizer.json", std::fs::read(case("models/base/tokenizer.json")).unwrap());
    let mut held = Weights::read(case("models/base/model.safetensors"), Device::Cpu).unwrap();
    weights(&mut held);
    held.write(folder.join("model.safetensors")).unwrap();
    folder
}

fn renamed(weights: &mut Weights, rename: impl Fn(&str) -> String) {
    let tensors = std::mem::take(&mut weights.tensors);
    weights.tensors = tensors.into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect();
}

fn base() -> GptNeo {
    GptNeo::load(&case("models/base"), Device::Cpu).unwrap()
}

#[track_caller]
fn assert_same_tensors(found: &GptNeo, expected: &GptNeo) {
    for ((name, tensor), (other, known)) in found.tensors().iter().zip(&expected.tensors()) {
        assert_eq!(name, other);
        assert_same(tensor, known);
    }
}

/// What stands in a clone that was made without Git LFS.
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
    oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 163920\n";

#[test]
fn a_git_lfs_pointer_is_named_as_one_whatever_it_stands_for() {
    let folder = Folder::new("lfs");
    for name in ["a.safetensors", "a.bin", "a.pt", "a.safetensors.index.json"] {
        let said = [name, "Git LFS pointer", "163920 bytes", "git lfs pull"];
        assert_says(Weights::read(folder.file(name, POINTER), Device::Cpu), &said);
    }
    folder.file("vocab.json", "{}");
    folder.file("merges.txt", POINTER);
    assert_says(Tokenizer::load(folder.path()), &["merges.txt", "Git LFS pointer"]);
    folder.file("tokenizer.json", POINTER);
    assert_says(Tokenizer::load(folder.path()), &["tokenizer.json", "Git LFS pointer"]);
    folder.file("config.json", std::fs::read(fixture::path("gpt_neo/config.json")).unwrap());
    folder.file("model.safetensors", POINTER);
    assert_says(GptNeo::load(folder.path(), Device::Cpu), &["model.safetensors", "Git LFS pointer"]);
    folder.file("config.json", POINTER);
    assert_says(GptNeo::load(folder.path(), Device::Cpu), &["config.json", "Git LFS pointer"]);
}

#[test]
fn a_vocabulary_may_be_padded_but_not_too_small() {
    let pad = |n_more: i64| {
        move |weights: &mut Weights| {
            let wte = weights.tensors["transformer.wte.weight"].shallow_clone();
            let more = Tensor::zeros([n_more, 32], (Kind::Float, Device::Cpu));
            weights.insert("transformer.wte.weight", &Tensor::cat(&[wte, more], 0));
        }
    };
    let padded = edited("padded", |config| config["vocab_size"] = 640.into(), pad(40));
    let (model, tokenizer) = pretrained::load(padded.path(), Device::Cpu).unwrap();
    assert_eq!((model.config.n_vocab, tokenizer.n_vocab()), (640, 600));
    let cut = edited(
        "cut_vocabulary",
        |config| config["vocab_size"] = 599.into(),
        |weights| {
            let wte = weights.tensors["transformer.wte.weight"].narrow(0, 0, 599);
            weights.insert("transformer.wte.weight", &wte.contiguous());
        },
    );
    assert_says(pretrained::load(cut.path(), Device::Cpu), &["tokenizer.json", "id 599", "599 embeddings"]);
}

#[test]
fn a_head_that_is_alone_is_the_embedding() {
    let tied = GptNeo::load(&case("models/tied_head_only"), Device::Cpu).unwrap();
    let stored = Weights::read(case("models/tied_head_only/model.safetensors"), Device::Cpu).unwrap();
    assert!(!stored.tensors.contains_key("transformer.wte.weight"));
    assert_same(&tied.wte, &stored.tensors["lm_head.weight"]);
}

/// transformers 5 leaves the two apart, older versions drop the head.
#[test]
fn a_head_that_differs_from_the_embedding_is_refused_whatever_the_config_says() {
    let with_head = |test: &str, head: &dyn Fn(&Tensor) -> Tensor, tie: Value| {
        let add = |weights: &mut Weights| {
            let head = head(&weights.tensors["transformer.wte.weight"]);
            weights.insert("lm_head.weight", &head);
        };
        edited(test, |config| config["tie_word_embeddings"] = tie, add)
    };
    for (test, tie) in [("head_tied", json!(true)), ("head_unsaid", Value::Null)] {
        let equal = with_head(test, &|wte| wte.copy(), tie.clone());
        assert_same_tensors(&GptNeo::load(equal.path(), Device::Cpu).unwrap(), &base());
        let said = ["model.safetensors", "lm_head.weight is not transformer.wte.weight", "differ by up to 0.25"];
        let other = with_head(test, &|wte| wte + 0.25 * wte.ones_like().tril(-599), tie);
        assert_says(GptNeo::load(other.path(), Device::Cpu), &said);
    }
    let short = with_head("head_short", &|wte| wte.narrow(0, 0, 10).contiguous(), json!(true));
    assert_says(GptNeo::load(short.path(), Device::Cpu), &["lm_head.weight is not", "[10, 32] and [600, 32]"]);
}

#[test]
fn what_a_wrapper_puts_before_every_name_is_taken_away() {
    for prefix in ["_orig_mod.", "module.", "module._orig_mod."] {
        let folder = edited("wrapped", |_| (), |weights| renamed(weights, |name| format!("{prefix}{name}")));
        assert_same_tensors(&GptNeo::load(folder.path(), Device::Cpu).unwrap(), &base());
    }
    let some = |name: &str| if name.contains("ln_f") { format!("module.{name}") } else { name.into() };
    let folder = edited("wrapped_in_part", |_| (), |weights| renamed(weights, some));
    assert_says(GptNeo::load(folder.path(), Device::Cpu), &["has no tensor \"transformer.ln_f"]);
}

#[test]
fn a_name_that_stands_with_and_without_the_prefix_is_refused() {
    let bias = Tensor::zeros([32], (Kind::Float, Device::Cpu));
    let folder = edited("prefix_twice", |_| (), |weights| weights.insert("ln_f.bias", &bias));
    assert_says(GptNeo::load(folder.path(), Device::Cpu), &["ln_f.bias", "without the prefix"]);
}

#[test]
fn a_file_of_parameters_is_that_of_their_tensors() {
    let folder = Folder::new("bin_parameters");
    folder.file("config.json", std::fs::read(case("models/tied_head_only/config.json")).unwrap());
    let bin = std::fs::read(case("models/bin_parameters/pytorch_model.bin")).unwrap();
    folder.file("pytorch_model.bin", bin);
    let tied = GptNeo::load(&case("models/tied_head_only"), Device::Cpu).unwrap();
    assert_same_tensors(&GptNeo::load(folder.path(), Device::Cpu).unwrap(), &tied);
}

#[test]
fn weights_that_are_no_finite_floats_are_refused_by_tensor_and_value() {
    let name = "transformer.h.1.mlp.c_fc.weight";
    let refused = |test: &str, edit: &dyn Fn(&Tensor) -> Tensor, said: &[&str]| {
        let folder = edited(
            test,
            |_| (),
            |weights| {
                let tensor = edit(&weights.tensors[name]);
                weights.insert(name, &tensor);
            },
        );
        assert_says(GptNeo::load(folder.path(), Device::Cpu), &[&["model.safetensors", name], said].concat());
    };
    let set = |value: f64| {
        move |tensor: &Tensor| {
            let tensor = tensor.to_kind(Kind::Double);
            let _ = tensor.get(3).get(5).fill_(value);
            tensor
        }
    };
    refused("weight_nan", &set(f64::NAN), &["NaN at [3, 5]", "float32"]);
    refused("weight_inf", &set(f64::NEG_INFINITY), &["-inf at [3, 5]"]);
    refused("weight_large", &set(1e39), &["1000000000000000000000000000000000000000 at [3, 5]", "float32"]);
    refused("weight_int", &|tensor| tensor.to_kind(Kind::Int64), &["Int64", "floating-point"]);
}

#[test]
fn a_weight_beyond_the_type_that_is_written_is_refused() {
    let (model, folder) = (base(), Folder::new("weight_float16"));
    let _ = model.ln_f.weight.get(7).fill_(1e5);
    let said = ["model.safetensors", "transformer.ln_f.weight", "100000 at [7]", "float16"];
    assert_says(model.save(&folder.join("half"), Kind::Half, &[]), &said);
    assert!(!folder.join("half").exists(), "nothing is written");
    model.save(&folder.join("bfloat16"), Kind::BFloat16, &[]).unwrap();
    let _ = model.wpe.get(0).get(1).fill_(f64::NAN);
    assert_says(model.save(&folder.join("nan"), Kind::Float, &[]), &["transformer.wpe.weight", "NaN at [0, 1]"]);
}

#[test]
fn a_config_beyond_all_sizes_is_refused_by_field() {
    let types = |names: &[&str], times: u64| json!([[["global"], 1], [names, times]]);
    for (field, value, said) in [
        ("attention_types", types(&["local"], u64::MAX), "names too many attention layers"),
        ("attention_types", types(&["local"], 1 << 31), "names 2147483649 attention layers, num_layers is 2"),
        ("num_layers", json!(1u64 << 40), "num_layers is 1099511627776"),
        ("hidden_size", json!(1i64 << 62), "hidden_size is 4611686018427387904"),
        ("vocab_size", json!(-1), "vocab_size is -1"),
        ("layer_norm_epsilon", json!(-1.0), "layer_norm_epsilon is -1"),
        ("layer_norm_epsilon", json!(0.0), "layer_norm_epsilon is 0"),
    ] {
        let folder = edited("config_sizes", |config| config[field] = value, |_| ());
        let refused = GptNeoConfig::read(&folder.join("config.json"));
        assert_says(refused, &["config.json", said]);
    }
}

#[test]
fn an_index_that_names_an_index_is_refused() {
    let folder = Folder::new("index_of_itself");
    let name = "model.safetensors.index.json";
    let path = folder.file(name, json!({ "weight_map": { "a": name } }).to_string());
    assert_says(Weights::read(&path, Device::Cpu), &["names the shard", name, "expected a file of tensors"]);
}

/// A safetensors file of one tensor without bytes.
fn without_bytes(folder: &Folder, shape: &[u64]) -> PathBuf {
    let header = json!({ "w": { "dtype": "F32", "shape": shape, "data_offsets": [0, 0] } }).to_string();
    let length = (header.len() as u64).to_le_bytes();
    folder.file("w.safetensors", [&length, header.as_bytes()].concat())
}

#[test]
fn lengths_that_no_file_could_hold_are_refused_by_file_and_tensor() {
    let folder = Folder::new("lengths");
    let refused = |shape: &[u64], said: &[&str]| {
        let path = without_bytes(&folder, shape);
        assert_says(Weights::read(&path, Device::Cpu), &[&["w.safetensors", "tensor \"w\" has shape"], said].concat());
    };
    refused(&[1, 1 << 40, 0, 0], &["[1, 1099511627776, 0, 0]", "at most 2147483647"]);
    refused(&[0, 1 << 40, 1 << 40], &["at most 2147483647"]);
    refused(&[0, 1 << 30, 1 << 30], &["product"]);
    refused(&[0, u64::MAX], &["at most 2147483647"]);
    assert!(Weights::read(without_bytes(&folder, &[0, 768]), Device::Cpu).is_ok());
    let said = ["p_zero.bin", "tensor \"t\" has size [0, 9223372036854775807]"];
    assert_says(Weights::read(case("weights/p_zero.bin"), Device::Cpu), &said);
    for header in [
        r#"{"w": {"dtype": "F32", "shape": [288230376151711744], "data_offsets": [0, 1152921504606846976]}}"#,
        r#"{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}"#,
    ] {
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
        assert_says(Weights::read(folder.file("off.safetensors", bytes), Device::Cpu), &["off.safetensors"]);
    }
    let length = [&(1u64 << 60).to_le_bytes(), b"{}".as_slice()].concat();
    assert_says(Weights::read(folder.file("len.safetensors", length), Device::Cpu), &["len.safetensors", "10 bytes"]);
}

//! GPT-Neo: hook points, attention windows, saving, and what loading refuses.

use crate::fixture::{self, Folder, Tensors, assert_same, assert_says};
use crate::rounding::{self, assert_within, of_largest};
use stagediff::error::Error;
use stagediff::files::Weights;
use stagediff::language_model::{GptNeo, GptNeoConfig, HookPoint, Prefill, Reach, Sampling, generate};
use stagediff::processor::generator::seeded;
use tch::{Device, Kind, Tensor};

/// The tiny checkpoint of the fixtures: vocabulary 97, d_model 32, window 8, 64 positions.
pub fn reference_model() -> GptNeo {
    GptNeo::load(&fixture::path("gpt_neo"), Device::Cpu).unwrap()
}

pub fn expected() -> Tensors {
    fixture::tensors("gpt_neo/expected.safetensors")
}

/// Terms of all sums that a logit passes through one after the other. In each block: both norms' means and variances,
/// keys, scores, mixture and output, both layers of the MLP; then the last norm and the head.
pub fn n_terms(config: &GptNeoConfig, seq: i64) -> i64 {
    let (n_blocks, d_model) = (config.n_layers() as i64, config.d_model);
    let attention = d_model + d_model / config.n_heads + seq + d_model;
    n_blocks * (4 * d_model + attention + d_model + config.d_mlp) + 3 * d_model
}

/// What logits and activations of this model may be off by rounding.
pub fn rounding_of(model: &GptNeo, tokens: &Tensor, exact: &Tensor) -> Tensor {
    of_largest(rounding::share(n_terms(&model.config, tokens.size()[1]), Kind::Float), exact)
}

/// The model in float64, adapters included.
pub fn in_double(mut model: GptNeo) -> GptNeo {
    let double = |tensor: &mut Tensor| *tensor = rounding::in_double(tensor);
    [&mut model.wte, &mut model.wpe, &mut model.ln_f.weight, &mut model.ln_f.bias].into_iter().for_each(double);
    for block in &mut model.blocks {
        for norm in [&mut block.ln_1, &mut block.ln_2] {
            [&mut norm.weight, &mut norm.bias].into_iter().for_each(double);
        }
    }
    for linear in model.linears_mut() {
        [Some(&mut linear.weight), linear.bias.as_mut()].into_iter().flatten().for_each(double);
        linear.lora.as_mut().into_iter().flat_map(|lora| [&mut lora.a, &mut lora.b]).for_each(double);
    }
    model
}

#[test]
fn rounding_alone_is_between_float32_and_float64() {
    let (model, ids) = (reference_model(), expected().get("ids"));
    let exact = in_double(model.copy()).logits(&ids, false);
    assert_eq!(exact.kind(), Kind::Double);
    assert_within(&model.logits(&ids, false), &exact, &rounding_of(&model, &ids, &exact));
}

#[test]
#[should_panic(expected = "sequence of 65 tokens, the model has 64 positions")]
fn a_longer_one_is_refused() {
    let _ = reference_model().logits(&Tensor::zeros([1, 65], (Kind::Int64, Device::Cpu)), false);
}

#[test]
fn hook_points_are_passed_in_order_and_can_be_replaced() {
    let (model, ids) = (reference_model(), expected().get("ids"));
    let mut passed = Vec::new();
    let zeroed = model.resid(&ids, false, &mut |point, passing| {
        passed.push(point.to_string());
        if point == HookPoint::ResidPost(3) { passing.zeros_like() } else { passing }
    });
    let of_block = |block: usize| {
        ["hook_resid_mid", "hook_mlp_out", "hook_resid_post"].map(|place| format!("blocks.{block}.{place}"))
    };
    let names: Vec<String> = (0..4).flat_map(of_block).collect();
    assert_eq!(passed, [vec!["blocks.0.hook_resid_pre".to_string()], names].concat());
    assert_eq!(fixture::max_abs(&zeroed), 0.0);
    let inside = ["blocks.2.ln1.hook_normalized", "blocks.2.ln2.hook_normalized"];
    let hooks = inside.map(|name| name.parse::<HookPoint>().unwrap());
    let mut passed_inside = Vec::new();
    let _same = model.resid_hooked(&ids, &hooks, &mut |point, passing| {
        passed_inside.push(point);
        passing
    });
    assert_eq!(passed_inside, hooks);
    for name in passed.iter().map(String::as_str).chain(inside) {
        assert_eq!(name.parse::<HookPoint>().unwrap().to_string(), name);
    }
    for wrong in ["blocks.0.hook_attn_out", "blocks.x.hook_resid_mid", "blocks.1.ln3.hook_normalized"] {
        assert_says(wrong.parse::<HookPoint>(), &[wrong, "blocks.N.", "ln2.hook_normalized"]);
    }
    for of_others in ["hook_resid_mid", "model.layers.3.mlp"] {
        let hook: HookPoint = of_others.parse().unwrap();
        assert!(matches!(hook, HookPoint::Named(_)) && hook.to_string() == of_others, "no place of a GPT-Neo");
    }
}

#[test]
fn what_a_block_reads_is_what_the_one_before_left() {
    let (model, ids) = (reference_model(), expected().get("ids"));
    let read = model.acts(&ids, &[HookPoint::ResidPre(2)]);
    assert_same(&read, &model.acts(&ids, &[HookPoint::ResidPost(1)]));
    let both = model.acts(&ids, &[HookPoint::ResidPre(2), HookPoint::ResidPost(1)]);
    assert_same(&both, &Tensor::cat(&[&read, &read], 2));
}

#[test]
fn a_hook_point_that_is_named_twice_is_read_twice() {
    let (model, ids) = (reference_model(), expected().get("ids"));
    let (pre, post) = (HookPoint::ResidPre(0), HookPoint::ResidPost(2));
    let acts = model.acts(&ids, &[post, pre, post]);
    let alone = |hook| model.acts(&ids, &[hook]);
    assert_same(&acts, &Tensor::cat(&[alone(post), alone(pre), alone(post)], 2));
    assert_eq!(model.acts(&ids, &[]).size(), [ids.size()[0], ids.size()[1], 0, 32]);
}

#[test]
fn a_continuation_from_kept_keys_and_values_is_that_of_the_whole_text() {
    let model = reference_model();
    let prompts = expected().get("ids").narrow(1, 0, 3);
    let new = generate(&model, &prompts, 16, Sampling::Greedy);
    let whole = Tensor::cat(&[&prompts, &new], 1);
    let logits = in_double(model.copy()).logits(&whole, false).narrow(1, 2, 16);
    let chosen = logits.gather(2, &new.unsqueeze(2), false);
    let bound = rounding_of(&model, &whole, &logits) * 2.0; // one for each of the two that are compared
    assert_within(&chosen, &logits.amax([2i64].as_slice(), true), &bound);
}

#[test]
fn sampled_continuations_follow_the_seed() {
    let (model, ids) = (reference_model(), expected().get("ids"));
    let draw = |seed| {
        let _generator = seeded(seed);
        generate(&model, &ids, 12, Sampling::Temperature(1.0))
    };
    let first = draw(1);
    assert_eq!(first.size(), [3, 12]);
    assert!(first.equal(&draw(1)) && !first.equal(&draw(2)));
}

#[test]
fn what_follows_an_edited_prompt_is_what_follows_it_in_one_pass() {
    let (model, ids) = (reference_model(), expected().get("ids"));
    let (prompts, after) = (ids.narrow(1, 0, 5), ids.narrow(1, 5, 7));
    let noise = fixture::normal(&[3, 5, 32], 3);
    let add = |resid: Tensor| {
        let seq = resid.size()[1];
        resid + noise.constant_pad_nd([0, 0, 0, seq - 5])
    };
    let mut edit = |point, resid| if point == HookPoint::ResidPost(1) { add(resid) } else { resid };
    let found =
        Prefill::of(&model, &prompts, &mut edit).repeated(2).log_probs(&model, &Tensor::cat(&[&after, &after], 0));
    let resid = in_double(model.copy()).resid(&ids.narrow(1, 0, 12), false, &mut edit);
    let logits = in_double(model.copy()).unembed(&resid).narrow(1, 4, 7);
    let exact = logits.log_softmax(-1, Kind::Double).gather(2, &after.unsqueeze(2), false).squeeze_dim(2);
    assert_within(&found, &Tensor::cat(&[&exact, &exact], 0), &rounding_of(&model, &ids, &logits));
    let untouched = Prefill::of(&model, &prompts, &mut |_, resid| resid).log_probs(&model, &after);
    assert!((untouched - found.narrow(0, 0, 3)).abs().max().double_value(&[]) > 0.01, "the edit is felt");
}

/// The positions at which another first token changes what one block of this reach leaves, by more than rounding.
fn positions_reached(reach: Reach) -> Vec<i64> {
    let config =
        GptNeoConfig { reach: vec![reach], ..GptNeoConfig::read(&fixture::path("gpt_neo/config.json")).unwrap() };
    let weights = Weights::read(fixture::path("gpt_neo/model.safetensors"), Device::Cpu).unwrap();
    let model = GptNeo::from_weights(&config, &weights).unwrap();
    let tokens = expected().get("ids").narrow(0, 0, 1);
    let other = Tensor::cat(&[(tokens.narrow(1, 0, 1) + 1).remainder(97), tokens.narrow(1, 1, 23)], 1);
    let acts = |tokens: &Tensor| model.acts(tokens, &[HookPoint::ResidPost(0)]).view([24, 32]);
    let (before, after) = (acts(&tokens), acts(&other));
    let moved = (&before - after).abs().amax([1i64].as_slice(), false);
    Vec::try_from(&moved.gt_tensor(&rounding_of(&model, &tokens, &before)).nonzero().view(-1)).unwrap()
}

#[test]
fn a_local_block_sees_its_window_and_no_further() {
    assert_eq!(positions_reached(Reach::Local), (0..8).collect::<Vec<i64>>());
    assert_eq!(positions_reached(Reach::Global), (0..24).collect::<Vec<i64>>());
}

#[test]
fn a_saved_model_is_the_same_model() {
    let (model, folder) = (reference_model(), Folder::new("gpt_neo_round_trip"));
    model.save(folder.path(), Kind::Float, &[("model", "base")]).unwrap();
    let again = GptNeo::load(folder.path(), Device::Cpu).unwrap();
    assert_eq!(again.config, model.config);
    assert_eq!(model.tensors().len(), 56);
    for ((name, tensor), (other, expected)) in again.tensors().iter().zip(&model.tensors()) {
        assert_eq!(name, other);
        assert_same(tensor, expected);
    }
    let weights = Weights::read(folder.join("model.safetensors"), Device::Cpu).unwrap();
    assert_eq!((weights.about("format").unwrap(), weights.about("model").unwrap()), ("pt", "base"));
}

#[test]
fn half_precision_halves_the_file_and_keeps_three_digits_a_layer() {
    let (model, folder) = (reference_model(), Folder::new("gpt_neo_half"));
    model.save(folder.path(), Kind::Half, &[]).unwrap();
    let again = GptNeo::load(folder.path(), Device::Cpu).unwrap();
    let (ids, n_layers) = (expected().get("ids"), 2 + 4 * model.config.n_layers() as i64); // one after the other
    let logits = model.logits(&ids, false);
    assert_within(&again.logits(&ids, false), &logits, &of_largest(rounding::share(n_layers, Kind::Half), &logits));
    assert!(
        std::fs::metadata(folder.join("model.safetensors")).unwrap().len() < 2 * model.n_parameters() as u64 + 8192
    );
}

#[test]
fn a_copy_is_a_model_of_its_own() {
    let model = reference_model();
    let before = model.wte.copy();
    let mut copy = model.copy();
    let _ = copy.wte.zero_();
    assert_same(&model.wte, &before);
}

/// A folder with the fixture's config and weights after an edit.
fn edited(test: &str, edit: impl FnOnce(&mut Weights)) -> Folder {
    let folder = Folder::new(test);
    folder.file("config.json", std::fs::read(fixture::path("gpt_neo/config.json")).unwrap());
    let mut weights = Weights::read(fixture::path("gpt_neo/model.safetensors"), Device::Cpu).unwrap();
    edit(&mut weights);
    weights.write(folder.join("model.safetensors")).unwrap();
    folder
}

#[test]
fn a_missing_tensor_is_named() {
    let name = "transformer.h.2.mlp.c_fc.bias";
    let folder = edited("gpt_neo_missing", |weights| drop(weights.tensors.remove(name)));
    assert_says(GptNeo::load(folder.path(), Device::Cpu), &[name, "model.safetensors"]);
}

#[test]
fn a_tensor_of_another_shape_is_named_with_both_shapes() {
    let wide = Tensor::zeros([64, 48], (Kind::Float, Device::Cpu));
    let folder = edited("gpt_neo_shape", |weights| weights.insert("transformer.wpe.weight", &wide));
    let error = GptNeo::load(folder.path(), Device::Cpu).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }));
    let said = "tensor \"transformer.wpe.weight\" has shape [64, 48], expected [64, 32] (";
    assert!(error.to_string().starts_with(said), "{error}");
}

#[test]
fn a_truncated_and_a_foreign_file_are_refused() {
    let folder = edited("gpt_neo_truncated", |_| ());
    let path = folder.join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let contents: [&[u8]; 6] = [
        &bytes[..bytes.len() - 1],
        &bytes[..1000],
        &bytes[..7],
        b"",
        b"PK\x03\x04 a zip file",
        b"\xff\xff\xff\xff\xff\xff\xff\xff{}",
    ];
    for content in contents {
        std::fs::write(&path, content).unwrap();
        let size = format!("it has {} bytes", content.len());
        assert_says(
            GptNeo::load(folder.path(), Device::Cpu),
            &["model.safetensors", "not a whole safetensors file", &size],
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert_says(
        GptNeo::load(folder.path(), Device::Cpu),
        &["holds no weights", "model.safetensors", "pytorch_model.bin"],
    );
}

#[track_caller]
fn assert_same_model(found: &GptNeo, expected: &GptNeo) {
    assert_eq!(found.config, expected.config);
    for ((name, tensor), (other, known)) in found.tensors().iter().zip(&expected.tensors()) {
        assert_eq!(name, other);
        assert_same(tensor, known);
    }
}

#[test]
fn names_without_the_prefix_are_the_same_names() {
    let folder = edited("gpt_neo_prefix", |weights| {
        let named = std::mem::take(&mut weights.tensors).into_iter();
        weights.tensors = named.map(|(name, tensor)| (name.replacen("transformer.", "", 1), tensor)).collect();
    });
    assert_same_model(&GptNeo::load(folder.path(), Device::Cpu).unwrap(), &reference_model());
}

#[test]
fn a_tensor_that_the_config_has_no_place_for_is_named() {
    let name = "transformer.h.4.ln_1.bias";
    let extra = Tensor::zeros([32], (Kind::Float, Device::Cpu));
    let folder = edited("gpt_neo_extra", |weights| weights.insert(name, &extra));
    assert_says(GptNeo::load(folder.path(), Device::Cpu), &["model.safetensors", name, "4 blocks"]);
}

/// The fixture's weights in two shards, and their index after an edit.
fn sharded(test: &str, edit: impl FnOnce(&mut serde_json::Value)) -> Folder {
    let folder = edited(test, |_| ());
    let whole = Weights::read(folder.join("model.safetensors"), Device::Cpu).unwrap();
    std::fs::remove_file(folder.join("model.safetensors")).unwrap();
    let (mut map, mut shards) = (serde_json::Map::new(), [Weights::new(), Weights::new()]);
    for (place, (name, tensor)) in whole.tensors.iter().enumerate() {
        map.insert(name.clone(), format!("model-0000{}-of-00002.safetensors", place % 2 + 1).into());
        shards[place % 2].insert(name, tensor);
    }
    for (place, shard) in shards.iter().enumerate() {
        shard.write(folder.join(&format!("model-0000{}-of-00002.safetensors", place + 1))).unwrap();
    }
    let mut index = serde_json::json!({ "metadata": { "total_size": 0 }, "weight_map": map });
    edit(&mut index);
    folder.file("model.safetensors.index.json", index.to_string());
    folder
}

#[test]
fn shards_are_the_same_model() {
    let folder = sharded("gpt_neo_shards", |_| ());
    assert_same_model(&GptNeo::load(folder.path(), Device::Cpu).unwrap(), &reference_model());
    let missing = folder.join("model-00002-of-00002.safetensors");
    std::fs::remove_file(missing).unwrap();
    assert_says(GptNeo::load(folder.path(), Device::Cpu), &["cannot access", "model-00002-of-00002.safetensors"]);
}

#[test]
fn pickled_shards_are_the_same_model() {
    let folder = Folder::new("gpt_neo_pickled_shards");
    folder.file("config.json", std::fs::read(fixture::path("gpt_neo/config.json")).unwrap());
    let mut map = serde_json::Map::new();
    for (place, name) in reference_model().tensors().into_iter().map(|(name, _)| name).enumerate() {
        map.insert(name, format!("pytorch_model-{}.bin", place % 2).into());
    }
    for place in 0..2 {
        let whole = std::fs::read(fixture::path("gpt_neo/pytorch_model.bin")).unwrap();
        folder.file(&format!("pytorch_model-{place}.bin"), whole);
    }
    folder.file("pytorch_model.bin.index.json", serde_json::json!({ "weight_map": map }).to_string());
    assert_same_model(&GptNeo::load(folder.path(), Device::Cpu).unwrap(), &reference_model());
}

#[test]
fn shards_that_are_not_what_the_index_says_are_refused() {
    let name = "transformer.wte.weight";
    let elsewhere = sharded("gpt_neo_shard_swapped", |index| {
        let named = index["weight_map"][name].as_str().unwrap();
        let other = named.replace("00001-of", "0000X-of").replace("00002-of", "00001-of").replace("0000X", "00002");
        index["weight_map"][name] = other.into();
    });
    assert_says(GptNeo::load(elsewhere.path(), Device::Cpu), &[name, "index.json says it has"]);
    let outside = sharded("gpt_neo_shard_outside", |index| {
        index["weight_map"][name] = "../model.safetensors".into();
    });
    assert_says(GptNeo::load(outside.path(), Device::Cpu), &["../model.safetensors", "beside the index"]);
}

#[test]
fn a_config_of_another_architecture_is_refused_by_field() {
    let folder = Folder::new("gpt_neo_config");
    let refused = |field: &str, value: serde_json::Value, parts: &[&str]| {
        let mut config = fixture::json("gpt_neo/config.json");
        config[field] = value;
        let path = folder.file("config.json", config.to_string());
        assert_says(GptNeoConfig::read(&path), &[&["config.json"], parts].concat());
    };
    refused("model_type", "llama".into(), &["model_type", "llama", "gpt_neo"]);
    refused("activation_function", "relu".into(), &["activation_function", "relu", "gelu_new"]);
    refused("num_heads", 5.into(), &["hidden_size 32", "num_heads 5"]);
    refused("num_layers", 6.into(), &["4 attention layers", "num_layers is 6"]);
    refused("attention_layers", serde_json::json!(["global", "local", "global", "sparse"]), &["type \"sparse\""]);
    refused("attention_types", serde_json::json!([[["global", "sliding"], 2]]), &["type \"sliding\""]);
    refused("attention_types", serde_json::json!([[["local"], 4]]), &["attention_layers says", "attention_types"]);
    refused("tie_word_embeddings", false.into(), &["tie_word_embeddings is false"]);
    refused("window_size", 0.into(), &["window_size is 0"]);
    refused("hidden_size", "wide".into(), &["wide"]);
    assert_says(GptNeoConfig::read(&folder.file("config.json", "{")), &["config.json"]);
    assert_says(GptNeoConfig::read(&folder.join("no.json")), &["cannot access", "no.json"]);
}

#[test]
fn layers_given_by_types_are_the_same_layers() {
    let folder = Folder::new("gpt_neo_types");
    let mut config = fixture::json("gpt_neo/config.json");
    config.as_object_mut().unwrap().remove("attention_layers");
    let path = folder.file("config.json", config.to_string());
    assert_eq!(GptNeoConfig::read(&path).unwrap(), reference_model().config);
}

/// Configs as published, without the fields that decide nothing.
#[test]
fn published_configs_are_read() {
    let folder = Folder::new("gpt_neo_published");
    let read = |d_model: i64, n_layers: usize, n_heads: i64| {
        let config = serde_json::json!({
            "activation_function": "gelu_new",
            "attention_layers": (["global", "local"].repeat(n_layers / 2)),
            "attention_types": [[["global", "local"], n_layers / 2]],
            "bos_token_id": 50256,
            "gradient_checkpointing": false,
            "hidden_size": d_model,
            "intermediate_size": null,
            "layer_norm_epsilon": 1e-5,
            "max_position_embeddings": 2048,
            "model_type": "gpt_neo",
            "num_heads": n_heads,
            "num_layers": n_layers,
            "summary_use_proj": true,
            "torch_dtype": "float32",
            "vocab_size": 50257,
            "window_size": 256,
        });
        GptNeoConfig::read(&folder.file("config.json", config.to_string())).unwrap()
    };
    assert_eq!(read(768, 4, 16), GptNeoConfig::tinystories_33m());
    assert_eq!((read(64, 8, 16).d_mlp, read(64, 8, 16).n_layers()), (256, 8)); // TinyStories-1M
    assert_eq!((read(768, 12, 12).d_mlp, read(768, 12, 12).reach[11]), (3072, Reach::Local)); // gpt-neo-125M
}

/// What the seed of a run stands for: another order of the draws would be another model.
#[test]
fn fresh_weights_are_drawn_from_the_embeddings_upwards() {
    let config = GptNeoConfig { n_positions: 12, d_mlp: 24, ..GptNeoConfig::alternating(8, 2, 50) };
    let _generator = seeded(7);
    let model = GptNeo::init(&config, Device::Cpu);
    tch::manual_seed(7);
    let draw = |size: [i64; 2], std: f64| Tensor::empty(size, (Kind::Float, Device::Cpu)).normal_(0.0, std);
    assert_same(&model.wte, &draw([50, 8], 0.02));
    assert_same(&model.wpe, &draw([12, 8], 0.02));
    let residual_std = 0.02 / 8f64.sqrt();
    for block in &model.blocks {
        for linear in [&block.attn.q_proj, &block.attn.k_proj, &block.attn.v_proj] {
            assert_same(&linear.weight, &draw([8, 8], 0.02));
        }
        assert_same(&block.attn.out_proj.weight, &draw([8, 8], residual_std));
        assert_same(&block.mlp.c_fc.weight, &draw([24, 8], 0.02));
        assert_same(&block.mlp.c_proj.weight, &draw([8, 24], residual_std));
    }
    for (name, tensor) in model.tensors() {
        let constant = if name.ends_with("bias") { 0.0 } else { 1.0 };
        if name.ends_with("bias") || name.contains("ln_") {
            assert_same(&tensor, &Tensor::full_like(&tensor, constant));
        }
    }
}

#[test]
fn the_published_model_has_as_many_parameters_as_published() {
    let mut config = GptNeoConfig::tinystories_33m();
    let _generator = seeded(0);
    config.n_vocab = 10; // the embedding alone would take 150 MiB
    let model = GptNeo::init(&config, Device::Cpu);
    assert_eq!(model.n_parameters() + (50257 - 10) * 768, 68_514_048);
}

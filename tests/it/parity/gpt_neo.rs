//! gpt_neo/: the language model against transformers.

use super::case::Case;
use super::folder::{self, Tensors};
use crate::fixture::Folder;
use crate::gpt_neo::{in_double, n_terms};
use crate::rounding::share;
use stagediff::crosscoder::harvest::HookConfig;
use stagediff::language_model::{
    GptNeo, HookPoint, Reach, Sampling, TokenRows, generate, mean_loss, next_token_loss, next_token_loss_of,
};
use tch::{Device, Kind, Tensor};

pub const TESTS: &[fn()] = &[
    the_checkpoint_is_taken_up_bit_for_bit,
    pickled_checkpoints_are_the_same_model,
    logits_are_those_of_transformers,
    the_residual_stream_is_that_of_transformers,
    the_centred_residual_stream_is_that_of_transformer_lens,
    hook_points_inside_blocks_are_those_of_transformer_lens,
    losses_are_those_of_transformers,
    greedy_continuations_are_those_of_transformers,
];

/// The checkpoint of the folder.
pub fn model() -> GptNeo {
    let config = folder::path("gpt_neo/config.json");
    folder::path("gpt_neo/model.safetensors");
    GptNeo::load(config.parent().unwrap(), Device::Cpu).unwrap_or_else(|error| panic!("{error}"))
}

pub fn expected() -> Tensors {
    folder::tensors("gpt_neo/expected.safetensors")
}

/// The targets that count in `loss`: all of them.
pub fn everywhere(ids: &Tensor) -> Tensor {
    ids.ge(0)
}

/// The targets that count in `loss_masked`: those that transformers does not skip.
pub fn labelled(expected: &Tensors) -> Tensor {
    expected.get("labels_masked").not_equal(-100)
}

/// The share of the largest logit or activation that rounding on either side may make.
pub fn rounding_frac(model: &GptNeo, tokens: &Tensor) -> f64 {
    2.0 * share(n_terms(&model.config, tokens.size()[1]), Kind::Float)
}

/// What rounding on either side may make of a mean loss, in nats: a target's moves by no more than twice what its logits
/// move by, up or down, and the mean of n targets by a √n-th of that.
pub fn rounding_nats(model: &GptNeo, with_loss: &Tensor, logits: &Tensor) -> f64 {
    let n_targets = with_loss.narrow(1, 1, with_loss.size()[1] - 1).sum(Kind::Double).double_value(&[]);
    2.0 * rounding_frac(model, with_loss) * logits.abs().max().double_value(&[]) / n_targets.sqrt()
}

/// A case named after what is compared, the length of the sequences and the window of the local blocks. Errors are in
/// units of the largest.
fn case(what: &str, model: &GptNeo, tokens: &Tensor) -> Case {
    let (n_tokens, window) = (tokens.size()[1], model.config.window);
    let is_local = model.config.reach.contains(&Reach::Local);
    let window = if is_local { format!("window {window}") } else { "no window".into() };
    Case::new(format!("gpt_neo/{what}, {n_tokens} tokens, {window}, of the largest"), rounding_frac(model, tokens))
}

/// [hook, batch, seq, d_model], the order of the files.
fn hook_first(acts: &Tensor) -> Tensor {
    acts.permute([2, 0, 1, 3])
}

/// `model.safetensors` and `config.json`; `layer_kinds`.
#[test]
fn the_checkpoint_is_taken_up_bit_for_bit() {
    let (model, file) = (model(), folder::tensors("gpt_neo/model.safetensors"));
    let mut case = Case::exact("gpt_neo/model");
    let kinds = serde_json::to_value(&model.config.reach).unwrap();
    case.equal("layer_kinds", kinds, folder::json("gpt_neo/expected.json")["layer_kinds"].clone());
    let mut tensors = model.tensors();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    case.equal("names of the tensors", names, file.names());
    for (name, tensor) in &tensors {
        case.absolute(name, tensor, &file.get(name));
    }
    case.check();
}

/// `pytorch_model.bin` and `pytorch_model_legacy.bin`: PyTorch's pickles, the second one with masks and the tied head.
#[test]
fn pickled_checkpoints_are_the_same_model() {
    let (model, config) = (model(), std::fs::read(folder::path("gpt_neo/config.json")).unwrap());
    for file in ["pytorch_model.bin", "pytorch_model_legacy.bin"] {
        let copy = Folder::new(&format!("parity_{file}_{}", folder::is_noting()));
        copy.file("config.json", &config);
        copy.file("pytorch_model.bin", std::fs::read(folder::path(&format!("gpt_neo/{file}"))).unwrap());
        let pickled = GptNeo::load(copy.path(), Device::Cpu).unwrap_or_else(|error| panic!("{error}"));
        let mut case = Case::exact(format!("gpt_neo/{file}"));
        for ((name, tensor), (other, known)) in pickled.tensors().iter().zip(&model.tensors()) {
            case.equal("name of a tensor", name, other).absolute(name, tensor, known);
        }
        case.check();
    }
}

/// `logits`, `logits_one_token`, `logits_full_last3`.
#[test]
fn logits_are_those_of_transformers() {
    let (model, expected) = (model(), expected());
    let ids = expected.get("ids");
    case("logits", &model, &ids).relative("logits", &model.logits(&ids, false), &expected.get("logits")).check();
    let one_token = ids.narrow(0, 0, 1).narrow(1, 0, 1);
    case("logits_one_token", &model, &one_token)
        .relative("logits", &model.logits(&one_token, false), &expected.get("logits_one_token"))
        .check();
    let (whole, known) = (expected.get("ids_full"), expected.get("logits_full_last3"));
    let n_last = known.size()[1];
    let last = model.logits(&whole, false).narrow(1, whole.size()[1] - n_last, n_last);
    case("logits_full_last3", &model, &whole).relative("logits", &last, &known).check();
}

/// `resid`, `resid_rows`, `resid_post_last`, `hidden_states`.
#[test]
fn the_residual_stream_is_that_of_transformers() {
    let (model, expected) = (model(), expected());
    let (ids, hooks) = (expected.get("ids"), HookPoint::residual_stream(model.config.n_layers()));
    let acts = hook_first(
        &HookConfig { hooks: hooks.clone(), centred: false }.harvest(&model, &ids).unflatten(0, ids.size().as_slice()),
    );
    let names: Vec<String> = hooks.iter().map(HookPoint::to_string).collect();
    let mut stream = case("resid", &model, &ids);
    stream.equal("resid_rows", serde_json::json!(names), folder::json("gpt_neo/expected.json")["resid_rows"].clone());
    stream.equal("hook points", acts.size(), expected.get("resid").size());
    for (row, name) in names.iter().enumerate() {
        stream.relative(name, &acts.get(row as i64), &expected.get("resid").get(row as i64));
    }
    stream.check();
    let last = acts.get(-1);
    let mut post = case("resid_post_last, hidden_states", &model, &ids);
    post.relative("resid_post_last", &last, &expected.get("resid_post_last"));
    let n_before = names.len() as i64 - 1;
    let hidden = Tensor::cat(&[acts.narrow(0, 0, n_before), model.ln_f.forward(&last).unsqueeze(0)], 0);
    post.relative("hidden_states", &hidden, &expected.get("hidden_states")).check();
}

/// `resid_centred`.
#[test]
fn the_centred_residual_stream_is_that_of_transformer_lens() {
    let (model, expected) = (model(), expected());
    let ids = expected.get("ids");
    let acts = hook_first(
        &HookConfig::all_layers(model.config.n_layers()).harvest(&model, &ids).unflatten(0, ids.size().as_slice()),
    );
    case("resid_centred", &model, &ids).relative("all hooks", &acts, &expected.get("resid_centred")).check();
}

/// `transformer_lens.*`: what passes, and logits where it is set to zero. A folder made without TransformerLens lacks them.
#[test]
fn hook_points_inside_blocks_are_those_of_transformer_lens() {
    if !folder::has("gpt_neo/transformer_lens.safetensors") {
        return;
    }
    let (model, ids) = (model(), expected().get("ids"));
    let lens = folder::tensors("gpt_neo/transformer_lens.safetensors");
    let names: Vec<String> =
        serde_json::from_value(folder::json("gpt_neo/transformer_lens.json")["hook_points"].clone()).unwrap();
    let hooks: Vec<HookPoint> = names.iter().map(|name| name.parse().unwrap()).collect();
    let acts = hook_first(&model.acts(&ids, &hooks));
    let (known, known_logits) = (lens.get("acts"), lens.get("logits_zeroed_last3"));
    let mut inside = case("hook points inside blocks", &model, &ids);
    let mut zeroed = case("logits with one set to zero", &model, &ids);
    inside.equal("hook points", acts.size(), known.size());
    for ((row, name), hook) in (0..).zip(&names).zip(&hooks) {
        inside.relative(name, &acts.get(row), &known.get(row));
        let resid = model.resid_hooked(&ids, &[*hook], &mut |_, passing| passing.zeros_like());
        let last = model.unembed(&resid).narrow(1, ids.size()[1] - 3, 3);
        zeroed.relative(name, &last, &known_logits.get(row));
    }
    inside.check();
    zeroed.check();
}

/// `loss`, `loss_masked` and both from float64, by every way in which the library takes them; in float64 it comes to the
/// same but for float64's rounding.
#[test]
fn losses_are_those_of_transformers() {
    let (model, expected, known) = (model(), expected(), folder::json("gpt_neo/expected.json"));
    let tokens = expected.get("ids");
    let exact = in_double(model.copy());
    for (name, with_loss) in [("loss", everywhere(&tokens)), ("loss_masked", labelled(&expected))] {
        let (loss, _) = next_token_loss(&model, &tokens, &with_loss);
        let (exact_loss, _) = next_token_loss(&exact, &tokens, &with_loss);
        Case::new(format!("gpt_neo/{name}, relative, float64"), 1e-12)
            .number(name, exact_loss.double_value(&[]), folder::number(&known, &format!("{name}_float64")))
            .check();
        let off_nats = rounding_nats(&model, &with_loss, &expected.get("logits"));
        let rows = TokenRows { tokens: tokens.shallow_clone(), with_loss };
        let mut case = Case::new(format!("gpt_neo/{name}, nats"), off_nats);
        for known in [folder::number(&known, name), folder::number(&known, &format!("{name}_float64"))] {
            case.number_absolute("next_token_loss", loss.double_value(&[]), known);
            case.number_absolute("mean_loss", mean_loss(&model, &rows, 2), known);
        }
        if name == "loss" {
            let resid = model.resid(&tokens, false, &mut |_, resid| resid);
            let found = next_token_loss_of(&model, &resid, &tokens).double_value(&[]);
            case.number_absolute("next_token_loss_of", found, folder::number(&known, name));
        }
        case.check();
    }
}

/// `greedy`, token by token; `generation_config.json` says which token would have ended it.
#[test]
fn greedy_continuations_are_those_of_transformers() {
    let (model, expected) = (model(), expected());
    let known = Vec::<i64>::try_from(&expected.get("greedy")).unwrap();
    let end = folder::json("gpt_neo/generation_config.json")["eos_token_id"].as_i64();
    assert!(end.is_none_or(|end| !known.contains(&end)), "the continuation goes on after the end of the text");
    let prompt = expected.get("ids").narrow(0, 0, 1);
    let found = generate(&model, &prompt, known.len() as i64, Sampling::Greedy);
    let found = Vec::<i64>::try_from(&found.get(0)).unwrap();
    let in_json = folder::json("gpt_neo/expected.json")["greedy"].clone();
    Case::exact(format!("gpt_neo/greedy, {} tokens", known.len()))
        .each_equal("greedy", &found, &known)
        .equal("greedy in expected.json", serde_json::json!(found), in_json)
        .check();
}

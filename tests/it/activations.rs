//! The stream of shuffled activations.

use crate::fixture::assert_same;
use crate::gpt_neo::{reference_model, rounding_of};
use crate::rounding::assert_within;
use stagediff::crosscoder::harvest::{ActivationStream, HookConfig, Models, StreamConfig, scale};
use stagediff::language_model::{GptNeo, HookPoint};
use tch::{Device, Kind, Tensor};

/// Token and position embedding alone: its values do not depend on what else is in the batch.
fn embedding() -> HookConfig {
    HookConfig { hooks: vec![HookPoint::ResidPre(0)], centred: false }
}

/// Nine sequences of eight tokens, no two of them equal.
fn sequences() -> Tensor {
    Tensor::arange(72, (Kind::Int64, Device::Cpu)).view([9, 8])
}

fn unscaled(cfg: &HookConfig) -> Tensor {
    Tensor::ones([cfg.hooks.len() as i64], (Kind::Float, Device::Cpu))
}

fn stream<'a>(model: &'a GptNeo, cfg: &'a HookConfig, tokens: &'a Tensor, seed: u64) -> ActivationStream<'a> {
    ActivationStream::new(model, cfg, tokens, StreamConfig { scale: unscaled(cfg), batch: 4, buffer_acts: 24, seed })
}

/// The rows of batches in an order that depends on their values alone.
fn sorted_rows(acts: &[Tensor]) -> Vec<Vec<u32>> {
    let flat = Tensor::cat(acts, 0).flatten(1, -1);
    let rows = Vec::<Vec<f32>>::try_from(&flat).unwrap();
    let mut bits: Vec<Vec<u32>> = rows.into_iter().map(|row| row.into_iter().map(f32::to_bits).collect()).collect();
    bits.sort();
    bits
}

#[test]
fn each_activation_of_a_block_is_handed_out_exactly_once() {
    let (model, cfg, tokens) = (reference_model(), embedding(), sequences());
    let mut stream = stream(&model, &cfg, &tokens, 3);
    // A block is three sequences, six batches; three blocks are an epoch.
    let handed_out: Vec<Tensor> = (0..18).map(|step| stream.batch(step).unwrap()).collect();
    let all = cfg.harvest(&model, &tokens);
    assert_eq!(sorted_rows(&handed_out), sorted_rows(&[all.shallow_clone()]));
    assert_ne!(Tensor::cat(&handed_out, 0), all);
    for block in handed_out.chunks(6) {
        let mut rows = sorted_rows(block);
        rows.dedup();
        assert_eq!(rows.len(), 24);
    }
}

#[test]
fn a_batch_is_a_function_of_seed_and_step() {
    let (model, tokens) = (reference_model(), sequences());
    let cfg = HookConfig::all_layers(4);
    let mut from_start = stream(&model, &cfg, &tokens, 3);
    let batches: Vec<Tensor> = (0..30).map(|step| from_start.batch(step).unwrap()).collect();
    for step in [29, 0, 7, 8] {
        assert_same(&stream(&model, &cfg, &tokens, 3).batch(step).unwrap(), &batches[step as usize]);
        assert!(!stream(&model, &cfg, &tokens, 4).batch(step).unwrap().equal(&batches[step as usize]));
    }
}

#[test]
fn every_epoch_has_an_order_of_its_own() {
    let (model, cfg, tokens) = (reference_model(), embedding(), sequences());
    let mut stream = stream(&model, &cfg, &tokens, 3);
    let mut epoch = |from: i64| (from..from + 18).map(|step| stream.batch(step).unwrap()).collect::<Vec<Tensor>>();
    let (first, second) = (epoch(0), epoch(18));
    assert_eq!(sorted_rows(&first), sorted_rows(&second));
    assert!(!Tensor::cat(&first, 0).equal(&Tensor::cat(&second, 0)));
}

#[test]
fn activations_are_scaled_hook_by_hook() {
    let (model, tokens) = (reference_model(), sequences());
    let cfg = HookConfig::all_layers(4);
    let scale = Tensor::from_slice(&[0.5f32, 1.0, 2.0, 3.0, 4.0]);
    let plain = stream(&model, &cfg, &tokens, 0).batch(0).unwrap();
    let stream_cfg = StreamConfig { scale: scale.copy(), batch: 4, buffer_acts: 24, seed: 0 };
    let scaled = ActivationStream::new(&model, &cfg, &tokens, stream_cfg).batch(0).unwrap();
    assert_eq!(scaled.size(), [4, 5, 32]);
    assert_same(&scaled, &(plain * scale.view([1, -1, 1])));
}

#[test]
fn a_buffer_larger_than_all_sequences_goes_on_into_the_next_epoch() {
    let (model, cfg, tokens) = (reference_model(), embedding(), sequences());
    let stream_cfg = StreamConfig { scale: unscaled(&cfg), batch: 8, buffer_acts: 144, seed: 0 };
    let mut stream = ActivationStream::new(&model, &cfg, &tokens, stream_cfg);
    let handed_out: Vec<Tensor> = (0..18).map(|step| stream.batch(step).unwrap()).collect();
    let all = cfg.harvest(&model, &tokens);
    assert_eq!(sorted_rows(&handed_out), sorted_rows(&[all.shallow_clone(), all]));
}

#[test]
fn harvesting_in_parts_is_harvesting_at_once() {
    let (model, cfg) = (reference_model(), HookConfig::all_layers(4));
    let tokens = sequences().repeat([5, 1]); // 45 sequences, more than are run at once
    let acts = cfg.harvest(&model, &tokens);
    assert_eq!(acts.size(), [360, 5, 32]);
    let at_once = model.acts(&tokens, &cfg.hooks).flatten(0, 1);
    let at_once = &at_once - at_once.mean_dim([-1i64].as_slice(), true, Kind::Float);
    assert_within(&acts, &at_once, &(rounding_of(&model, &tokens, &at_once) * 2.0));
}

#[test]
fn two_models_are_read_on_the_same_tokens() {
    let (before, mut after) = (reference_model(), reference_model());
    after.blocks[1].mlp.c_proj.weight = &after.blocks[1].mlp.c_proj.weight * 1.5;
    let (cfg, tokens) = (HookConfig::all_layers(4), sequences());
    let (of_before, of_after) = (cfg.harvest(&before, &tokens), cfg.harvest(&after, &tokens));
    let difference = cfg.harvest(Models::Difference(&before, &after), &tokens);
    assert_same(&difference, &(&of_after - &of_before));
    let beside = cfg.harvest(Models::SideBySide(&before, &after), &tokens);
    assert_same(&beside, &Tensor::cat(&[&of_before, &of_after], 1));
    // Nothing differs before block 1: there the scale is 1.
    let scale = Vec::<f64>::try_from(&scale(&difference)).unwrap();
    assert_eq!(scale[..2], [1.0, 1.0]);
    assert!(scale[2..].iter().all(|scale| scale.is_finite() && *scale > 1.0), "{scale:?}");
}

#[test]
fn a_stream_of_two_models_is_shuffled_as_one_of_each() {
    let (before, mut after) = (reference_model(), reference_model());
    after.blocks[0].mlp.c_proj.weight = &after.blocks[0].mlp.c_proj.weight * 0.5;
    let (cfg, tokens) = (HookConfig::all_layers(4), sequences());
    let scales = Tensor::arange_start(1, 11, (Kind::Float, Device::Cpu));
    let batch = |models: Models, scale: Tensor| {
        let stream_cfg = StreamConfig { scale, batch: 4, buffer_acts: 24, seed: 3 };
        ActivationStream::new(models, &cfg, &tokens, stream_cfg).batch(7).unwrap()
    };
    let beside = batch(Models::SideBySide(&before, &after), scales.shallow_clone());
    let each = [(&before, 0), (&after, 5)].map(|(model, first)| batch(model.into(), scales.narrow(0, first, 5)));
    assert_same(&beside, &Tensor::cat(&each, 1));
}

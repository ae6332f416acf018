//! What the measures must be in the plain cases.

use crate::fixture::{self, max_abs};
use crate::gpt_neo::{expected, in_double, reference_model, rounding_of};
use crate::rounding::{self, assert_near, share, size_of_product};
use stagediff::crosscoder::evaluate::{Ablations, Evaluation, evaluate, for_losses};
use stagediff::crosscoder::firing::{N_TOP, firings};
use stagediff::crosscoder::harvest::HookConfig;
use stagediff::crosscoder::metrics::{Fvu, FvuSums};
use stagediff::crosscoder::{Crosscoder, init};
use stagediff::language_model::{GptNeo, HookPoint, next_token_loss_of};
use stagediff::processor::generator::seeded;
use stagediff::stats::percentile;
use tch::{Device, Kind, Tensor};

/// Unexplained variance, taken up in two batches.
fn fvu(acts: &Tensor, recon: &Tensor) -> Fvu {
    let (n_sequences, seq, n_hooks, d_model) = acts.size4().unwrap();
    let mut sums = FvuSums::new(seq, n_hooks, d_model);
    for (start, length) in [(0, 5), (5, n_sequences - 5)] {
        sums.add(&acts.narrow(0, start, length), &recon.narrow(0, start, length));
    }
    sums.fvu()
}

#[test]
fn unexplained_variance_is_1_for_the_mean_and_0_for_perfection() {
    let acts = rounding::in_double(&(fixture::normal(&[12, 9, 3, 16], 0) * 3.0 + 5.0));
    // Variance is a difference of squares, 5² + 3² and 5².
    let off = 2.0 * share(12 * 9 * 16, Kind::Double) * (25.0 + 9.0) / 9.0;
    let all_1 = |shares: &[f64]| shares.len() == 3 && shares.iter().all(|share| (share - 1.0).abs() < off);
    let mean = acts.mean_dim([0i64, 1].as_slice(), true, Kind::Double).expand_as(&acts);
    assert!(all_1(&fvu(&acts, &mean).fvu));
    let by_position = acts.mean_dim([0i64].as_slice(), true, Kind::Double).expand_as(&acts);
    assert!(all_1(&fvu(&acts, &by_position).fvu_per_position));
    let perfect = fvu(&acts, &acts);
    assert_eq!([perfect.fvu, perfect.fvu_across_d, perfect.fvu_per_position], [[0.0; 3]; 3].map(Vec::from));
}

/// A crosscoder on one hook point with thresholds of almost 0 and a decoder like its encoder.
fn one_hook(w_enc: Tensor, b_enc: Tensor) -> Crosscoder {
    let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, Device::Cpu));
    Crosscoder {
        hooks: vec![HookPoint::ResidPre(0)],
        d_model: 32,
        log_threshold: Tensor::full_like(&b_enc, -30.0),
        w_dec: w_enc.copy(),
        b_dec: zeros(&[32]),
        scale: Tensor::ones([1], (Kind::Float, Device::Cpu)),
        w_enc,
        b_enc,
    }
}

#[test]
fn firings_are_counted_token_by_token() {
    let (model, tokens) = (reference_model(), expected().get("ids"));
    let cfg = HookConfig { hooks: vec![HookPoint::ResidPre(0)], centred: false };
    let bias = fixture::normal(&[40], 1) * 8.0 - 6.0;
    let crosscoder = one_hook(fixture::normal(&[40, 32], 0), bias);
    let found = firings(&crosscoder, &model, &cfg, &tokens);
    let acts = cfg.harvest(&model, &tokens).flatten(1, 2); // [72, 32]
    let size = size_of_product(&acts, &crosscoder.w_enc.tr()) + crosscoder.b_enc.abs();
    let off = size * share(32 + 1, Kind::Float);
    let pre_acts = rounding::in_double(&acts).matmul(&rounding::in_double(&crosscoder.w_enc).tr()) + &crosscoder.b_enc;
    assert!(bool::try_from(pre_acts.abs().gt_tensor(&off).all()).unwrap(), "no firing is a matter of rounding");
    let latents = pre_acts.relu(); // [72, 40]
    let fires = latents.gt(0.0).to_kind(Kind::Double);
    let l0: Vec<f64> = Vec::try_from(&fires.sum_dim_intlist(1, false, Kind::Double)).unwrap();
    assert_eq!((found.n_tokens(), found.l0_mean()), (72, l0.iter().sum::<f64>() / 72.0));
    assert_eq!(found.l0_percentile(95.0), percentile(&l0, 95.0));
    assert_eq!(found.l0, l0);
    let density: Vec<f64> = Vec::try_from(&(fires.sum_dim_intlist(0, false, Kind::Double) / 72.0)).unwrap();
    assert_eq!(found.density, density);
    let n_dead = density.iter().filter(|share| **share == 0.0).count();
    assert!(n_dead > 0 && n_dead < 40, "some of each: {n_dead}");
    assert_eq!(found.dead_frac(), n_dead as f64 / 40.0);
    for (latent, top) in found.top.iter().enumerate() {
        let (of_latent, off) = (latents.select(1, latent as i64), max_abs(&off.select(1, latent as i64)));
        assert_eq!(top.len() as f64, (density[latent] * 72.0).round().min(N_TOP as f64));
        assert!(top.windows(2).all(|pair| pair[0].activation >= pair[1].activation));
        for firing in top {
            let value = of_latent.double_value(&[firing.sequence * 24 + firing.position]);
            assert!((firing.activation - value).abs() <= off);
        }
        let largest = of_latent.max().double_value(&[]);
        assert!(top.first().is_none_or(|first| (first.activation - largest).abs() <= off));
    }
}

/// x = relu(x) − relu(−x), whatever x is.
fn identity(cfg: &HookConfig) -> Crosscoder {
    let n_inputs = 32 * cfg.hooks.len() as i64;
    let eye = Tensor::eye(n_inputs, (Kind::Float, Device::Cpu));
    let both = Tensor::cat(&[&eye, &-&eye], 0);
    let hooks = cfg.hooks.clone();
    let scale = Tensor::full([hooks.len() as i64], 0.5, (Kind::Float, Device::Cpu));
    Crosscoder {
        hooks,
        b_dec: both.get(0).zeros_like(),
        scale,
        ..one_hook(both.copy(), Tensor::zeros([2 * n_inputs], (Kind::Float, Device::Cpu)))
    }
}

fn measured(crosscoder: &Crosscoder, model: &GptNeo, cfg: &HookConfig, tokens: &Tensor) -> Evaluation {
    evaluate(crosscoder, model, cfg, tokens, &Ablations::of(model, cfg, &for_losses(tokens)))
}

#[test]
fn a_reconstruction_of_all_places_is_made_from_what_the_ones_before_it_left() {
    let (model, tokens, cfg) = (reference_model(), expected().get("ids"), HookConfig::all_layers(4));
    let mut doubled = identity(&cfg);
    let _ = doubled.w_dec.g_mul_scalar_(2.0);
    let losses = measured(&doubled, &model, &cfg, &tokens).losses;
    let by_hand = model.resid(&tokens, false, &mut |point, passing| match cfg.hooks.contains(&point) {
        true => (&passing - passing.mean_dim(-1, true, Kind::Float)) * 2.0,
        false => passing,
    });
    let expected_nats = next_token_loss_of(&model, &by_hand, &tokens).double_value(&[]);
    let all_nats = losses[5].patched_nats;
    assert!((all_nats - expected_nats).abs() < 1e-4 * expected_nats, "{all_nats} {expected_nats}");
    assert!((all_nats - losses[4].patched_nats).abs() > 1e-3, "it is not that of the last place alone");
}

#[test]
fn a_place_is_patched_under_either_of_its_names() {
    let (model, tokens) = (reference_model(), expected().get("ids"));
    let losses = [HookPoint::ResidPre(2), HookPoint::ResidPost(1)].map(|hook| {
        let cfg = HookConfig { hooks: vec![hook], centred: true };
        let loss = measured(&identity(&cfg), &model, &cfg, &tokens).losses[0];
        (loss.clean_nats, loss.patched_nats, loss.zero_nats, loss.mean_nats)
    });
    assert_eq!(losses[0], losses[1]);
    assert!(losses[0].2 > losses[0].0 + 0.01, "zero ablation costs something: {losses:?}");
}

#[test]
fn recovered_loss_is_1_for_the_identity_and_0_for_zero_ablation() {
    identity_and_zero(&HookConfig::all_layers(4));
    let inside = ["1.ln2.hook_normalized", "2.ln1.hook_normalized", "2.hook_resid_mid", "3.hook_mlp_out"]
        .map(|place| format!("blocks.{place}").parse::<HookPoint>().unwrap());
    identity_and_zero(&HookConfig { hooks: inside.to_vec(), centred: true });
    identity_and_zero(&HookConfig { hooks: inside[..3].to_vec(), centred: false });
}

fn identity_and_zero(cfg: &HookConfig) {
    let (model, tokens) = (reference_model(), expected().get("ids"));
    let perfect = measured(&identity(cfg), &model, cfg, &tokens);
    let places: Vec<Option<HookPoint>> = perfect.losses.iter().map(|loss| loss.hook).collect();
    assert_eq!(places, cfg.hooks.iter().map(|&hook| Some(hook)).chain([None]).collect::<Vec<_>>());
    assert!(perfect.fvu.fvu.iter().all(|fvu| *fvu == 0.0), "products with 0 and 1 do not round");
    let mut nothing = identity(cfg);
    let _ = nothing.w_dec.zero_();
    let absent = measured(&nothing, &model, cfg, &tokens);
    let exact = in_double(model.copy());
    let resid = exact.resid(&tokens, false, &mut |_, resid| resid);
    let clean_nats = next_token_loss_of(&exact, &resid, &tokens).double_value(&[]);
    // A loss moves by no more than twice what its logits move by.
    let off_nats = 2.0 * max_abs(&rounding_of(&model, &tokens, &exact.unembed(&resid)));
    for (perfect, absent) in perfect.losses.iter().zip(&absent.losses) {
        assert_near(perfect.clean_nats, clean_nats, off_nats / clean_nats);
        assert_near(perfect.patched_nats, clean_nats, off_nats / clean_nats);
        assert_near(absent.patched_nats, absent.zero_nats, off_nats / absent.zero_nats);
        let off = |ablated_nats: f64| 4.0 * off_nats / (ablated_nats - clean_nats).abs();
        assert!((perfect.recovered_frac() - 1.0).abs() <= off(perfect.zero_nats), "{perfect:?}");
        assert!(absent.recovered_frac().abs() <= off(absent.zero_nats), "{absent:?}");
        assert!((perfect.recovered_against_mean_frac() - 1.0).abs() <= off(perfect.mean_nats), "{perfect:?}");
    }
}

#[test]
fn a_fresh_crosscoder_fires_on_the_requested_share_of_real_activations() {
    let (model, tokens, cfg) = (reference_model(), expected().get("ids"), HookConfig::all_layers(4));
    let acts = cfg.harvest(&model, &tokens);
    let scale = stagediff::crosscoder::harvest::scale(&acts);
    let _generator = seeded(0);
    let fresh = init(64, &cfg.hooks, &(&acts * scale.view([1, -1, 1])), &scale, 0.25);
    let found = firings(&fresh, &model, &cfg, &tokens);
    let one_token = 1.0 / found.n_tokens() as f64; // the quantile lies between tokens
    assert!(found.density.iter().all(|share| (share - 0.25).abs() <= one_token), "{:?}", found.density);
    assert_eq!(found.dead_frac(), 0.0);
}

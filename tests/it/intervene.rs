//! Changes of activations by way of the code.

use crate::crosscoder::inputs;
use crate::fixture;
use crate::gpt_neo::{expected, reference_model};
use crate::rounding::{assert_within, of_largest, share};
use stagediff::crosscoder::harvest::{HookConfig, scale};
use stagediff::crosscoder::intervene::{Action, Intervention, added, change, noise_like};
use stagediff::crosscoder::{Crosscoder, init};
use stagediff::language_model::HookPoint;
use stagediff::processor::generator::seeded;
use tch::{Device, Kind, Tensor};

const ALL: [Action; 6] = [
    Action::AblateOneHook(0),
    Action::AblateOneHook(3),
    Action::AblateAllHooks,
    Action::AblateCode,
    Action::Clamp,
    Action::Steer,
];

/// The fixtures' crosscoder with hook points scaled differently, and activations in the model's own space.
fn scaled() -> (Crosscoder, Tensor) {
    let (crosscoder, acts) = inputs();
    let scale = Tensor::from_slice(&[0.5f32, 1.0, 2.0, 4.0, 0.25]);
    let acts = acts / scale.view([1, -1, 1]);
    (Crosscoder { scale, ..crosscoder }, acts)
}

/// The latents that fire on most of the activations.
fn busiest(crosscoder: &Crosscoder, acts: &Tensor, n: i64) -> Vec<i64> {
    let fires = encoded(crosscoder, acts).gt(0.0).sum_dim_intlist(0, false, Kind::Int64);
    Vec::try_from(&fires.topk(n, 0, true, true).1).unwrap()
}

fn encoded(crosscoder: &Crosscoder, acts: &Tensor) -> Tensor {
    crosscoder.encode(&(acts * crosscoder.scale.view([1, -1, 1]))).latents
}

fn intervention(action: Action, latents: &[i64], strength: f64) -> Intervention {
    Intervention { action, latents: latents.to_vec(), units: vec![1.5; latents.len()], strength }
}

#[test]
fn the_same_code_changes_no_logit() {
    let _generator = seeded(0);
    let (model, tokens) = (reference_model(), expected().get("ids"));
    let hooks = HookConfig::all_layers(model.config.n_layers());
    let acts = hooks.harvest(&model, &tokens);
    let scale = scale(&acts);
    let crosscoder = init(64, &hooks.hooks, &(&acts * scale.view([1, -1, 1])), &scale, 0.3);
    let logits = |added: &Tensor| {
        let added = added.unflatten(0, tokens.size().as_slice());
        let resid = model.resid(&tokens, false, &mut |point, passing| match hooks
            .hooks
            .iter()
            .position(|hook| *hook == point)
        {
            Some(place) => passing + added.select(2, place as i64),
            None => passing,
        });
        model.unembed(&resid)
    };
    let clean = model.logits(&tokens, false);
    let silent = Crosscoder { log_threshold: crosscoder.log_threshold.full_like(9.0), ..crosscoder.copy() };
    for action in ALL {
        let added = |crosscoder: &Crosscoder, strength: f64| {
            added(&change(crosscoder, &acts, &intervention(action, &[3, 40], strength)), action, &hooks.hooks)
        };
        assert!(logits(&added(&crosscoder, 0.0)).equal(&clean) || action == Action::Clamp, "{action:?}");
        assert!(!logits(&added(&crosscoder, 1.0)).equal(&clean), "{action:?}");
        let keeps_code = action != Action::Clamp && action != Action::Steer;
        assert!(!keeps_code || logits(&added(&silent, 1.0)).equal(&clean), "{action:?} of latents that do not fire");
    }
}

#[test]
fn changes_are_differences_of_decoded_codes() {
    let (crosscoder, acts) = scaled();
    let chosen = busiest(&crosscoder, &acts, 3);
    let code = encoded(&crosscoder, &acts);
    let index = Tensor::from_slice(&chosen);
    let with = |values: Tensor| code.index_copy(1, &index, &values);
    let n = [acts.size()[0], chosen.len() as i64];
    let constant = |value: f64| Tensor::full(n, value, (Kind::Float, Device::Cpu));
    let of_chosen = code.index_select(1, &index);
    for (action, changed) in [
        (Action::AblateAllHooks, with(&of_chosen * (1.0 - 2.0))),
        (Action::Clamp, with(constant(3.0))),
        (Action::Steer, with(&of_chosen + 3.0)),
    ] {
        let scale = crosscoder.scale.view([1, -1, 1]);
        let exact = (crosscoder.decode(&changed) - crosscoder.decode(&code)) / &scale;
        let found = change(&crosscoder, &acts, &intervention(action, &chosen, 2.0));
        let size = (crosscoder.decode(&code).abs().max() / scale.min()).double_value(&[]);
        assert_within(&found, &exact, &Tensor::from(share(4 * crosscoder.n_latents(), Kind::Float) * size));
    }
    let all = change(&crosscoder, &acts, &intervention(Action::AblateAllHooks, &chosen, 1.0));
    let one = change(&crosscoder, &acts, &intervention(Action::AblateOneHook(2), &chosen, 1.0));
    let elsewhere = [0, 1, 3, 4].map(|place| one.select(1, place).abs().max().double_value(&[]));
    assert!(one.select(1, 2).equal(&all.select(1, 2)) && elsewhere == [0.0; 4]);
}

#[test]
fn the_smallest_change_silences_the_latents_and_nothing_smaller_does() {
    let (crosscoder, acts) = scaled();
    let chosen = busiest(&crosscoder, &acts, 4);
    let index = Tensor::from_slice(&chosen);
    let ablated = &acts + change(&crosscoder, &acts, &intervention(Action::AblateCode, &chosen, 1.0));
    let n_firing =
        |acts: &Tensor| encoded(&crosscoder, acts).index_select(1, &index).gt(0.0).sum(Kind::Int64).int64_value(&[]);
    assert!(n_firing(&acts) > 0);
    assert_eq!(n_firing(&ablated), 0);
    let nearly = &acts + change(&crosscoder, &acts, &intervention(Action::AblateCode, &chosen, 0.9));
    assert!(n_firing(&nearly) > 0);

    // Of one latent the distance to its threshold's plane: (pre − 0.99 θ) / ‖w‖.
    let first = change(&crosscoder, &acts, &intervention(Action::AblateCode, &chosen[..1], 1.0));
    let scaled_norms =
        (first * crosscoder.scale.view([1, -1, 1])).flatten(1, -1).norm_scalaropt_dim(2.0, [1i64].as_slice(), false);
    let pre_acts = crosscoder.encode(&(&acts * crosscoder.scale.view([1, -1, 1]))).pre_acts.select(1, chosen[0]);
    let threshold = crosscoder.thresholds().double_value(&[chosen[0]]);
    let distance = (&pre_acts - 0.99 * threshold) * pre_acts.gt(threshold) / crosscoder.w_enc.get(chosen[0]).norm();
    assert_within(&scaled_norms, &distance, &of_largest(share(200, Kind::Float), &distance));
}

#[test]
fn the_smallest_change_is_numpys() {
    // np.linalg.lstsq([[1, 2, 0, 1], [0, 1, -1, 2]], [-(4 - 0.99), -(4 - 0.99)], rcond=None)[0]
    let exact = Tensor::from_slice(&[-0.301, -0.903, 0.301, -0.903]);
    let rows = |values: &[f32]| Tensor::from_slice(values);
    let crosscoder = Crosscoder {
        hooks: HookPoint::residual_stream(1),
        d_model: 2,
        w_enc: rows(&[1.0, 2.0, 0.0, 1.0, 0.0, 1.0, -1.0, 2.0]).view([2, 4]),
        b_enc: rows(&[0.0; 2]),
        w_dec: rows(&[0.0; 8]).view([2, 4]),
        b_dec: rows(&[0.0; 4]),
        log_threshold: rows(&[0.0; 2]),
        scale: rows(&[1.0; 2]),
    };
    let acts = rows(&[1.0, 0.5, 0.5, 2.0]).view([1, 2, 2]); // both pre-activations are 4
    let found = change(&crosscoder, &acts, &intervention(Action::AblateCode, &[0, 1], 1.0));
    assert_within(&found.view(-1), &exact, &of_largest(share(20, Kind::Float), &exact));
}

/// Whatever the order of the list: the stream carries on what an MLP's output adds, and nothing of what its input does.
#[test]
fn inside_blocks_what_is_added_adds_up_as_the_model_adds() {
    let hooks = ["hook_resid_post", "hook_resid_pre", "ln2.hook_normalized", "hook_mlp_out", "hook_resid_mid"]
        .map(|place| format!("blocks.0.{place}").parse::<HookPoint>().unwrap());
    let wanted = fixture::normal(&[7, 5, 4], 1);
    let added = added(&wanted, Action::Steer, &hooks);
    let [post, pre, normalized, mlp, mid] = [0, 1, 2, 3, 4].map(|place| added.select(1, place));
    let known = |place| wanted.select(1, place);
    assert!(pre.equal(&known(1)) && normalized.equal(&known(2)) && mlp.equal(&known(3)));
    let off = of_largest(share(4, Kind::Float), &wanted.sum_dim_intlist(1, false, Kind::Float));
    assert_within(&(&pre + &mid), &known(4), &off);
    assert_within(&(pre + mid + mlp + post), &known(0), &off);
}

#[test]
fn what_is_added_along_the_stream_adds_up_to_the_change() {
    let (crosscoder, acts) = scaled();
    let wanted = change(&crosscoder, &acts, &intervention(Action::Steer, &[1, 5], 1.0));
    let carried = added(&wanted, Action::Steer, &crosscoder.hooks).cumsum(1, Kind::Float);
    assert_within(&carried, &wanted, &of_largest(share(10, Kind::Float), &wanted));
    let one = change(&crosscoder, &acts, &intervention(Action::AblateOneHook(1), &[1, 5], 1.0));
    assert!(added(&one, Action::AblateOneHook(1), &crosscoder.hooks).equal(&one));
}

#[test]
fn noise_is_as_large_as_the_change_it_stands_for() {
    let (crosscoder, acts) = scaled();
    let wanted =
        change(&crosscoder, &acts, &intervention(Action::AblateAllHooks, &busiest(&crosscoder, &acts, 2), 1.0));
    let noise = noise_like(&wanted, &fixture::normal(&acts.size(), 5));
    let norms = |tensor: &Tensor| tensor.norm_scalaropt_dim(2.0, [2i64].as_slice(), false);
    assert_within(&norms(&noise), &norms(&wanted), &of_largest(share(100, Kind::Float), &norms(&wanted)));
}

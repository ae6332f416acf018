//! What latents do to each other inside MLPs.

use crate::fixture::{self, Folder};
use crate::gpt_neo::{expected, reference_model};
use crate::rounding::{assert_within, in_double, of_largest, share};
use crate::series::series;
use stagediff::crosscoder::harvest::{HookConfig, scale};
use stagediff::crosscoder::interactions::Neurons;
use stagediff::crosscoder::{Crosscoder, init};
use stagediff::diff::cosines;
use stagediff::experiment::Stage;
use stagediff::experiment::interactions::{blocks_read, figures, findings, interaction_rows, neuron_rows, pair_rows};
use stagediff::language_model::HookPoint;
use stagediff::processor::generator::seeded;
use std::collections::BTreeSet;
use tch::{Kind, Tensor};

const N_LATENTS: usize = 7;
const N_NEURONS: usize = 5;
const N_TOKENS: usize = 150;

/// Neurons of random weights, and codes of which some are all zero.
fn case() -> (Neurons, Tensor) {
    let [latents, neurons, tokens] = [N_LATENTS, N_NEURONS, N_TOKENS].map(|n| n as i64);
    let neurons = Neurons {
        per_unit: fixture::normal(&[latents, neurons], 1),
        constant: fixture::normal(&[neurons], 2),
        out_norms: fixture::normal(&[neurons], 3).abs(),
    };
    let codes = (fixture::normal(&[tokens, latents], 4) - 0.8).relu();
    let _ = codes.get(3).zero_();
    (neurons, codes)
}

fn numbers<const N: usize>(tensor: &Tensor) -> Vec<[f64; N]> {
    let rows = Vec::<Vec<f64>>::try_from(&tensor.to_kind(Kind::Double)).unwrap();
    rows.into_iter().map(|row| row.try_into().unwrap()).collect()
}

/// I(i, j) and each token's part in it among `among`, by loops over tokens, neurons and latents.
fn by_loops(neurons: &Neurons, codes: &Tensor, among: &[bool]) -> (Vec<f64>, Vec<f64>, f64) {
    let per_unit = numbers::<N_NEURONS>(&neurons.per_unit);
    let norms = Vec::<f64>::try_from(&neurons.out_norms.to_kind(Kind::Double)).unwrap();
    let (mut sums, mut scores, mut shares) = (vec![0.0; N_LATENTS * N_LATENTS], Vec::new(), Vec::new());
    for code in numbers::<N_LATENTS>(codes) {
        let mut score = 0.0;
        for k in 0..N_NEURONS {
            let given: Vec<f64> = (0..N_LATENTS).map(|j| (code[j] * per_unit[j][k]).abs()).collect();
            let i = (0..N_LATENTS).max_by(|&a, &b| given[a].total_cmp(&given[b])).unwrap();
            let all: f64 = given.iter().sum();
            shares.extend((all > 0.0).then(|| given[i] / all));
            for j in (0..N_LATENTS).filter(|&j| j != i) {
                sums[i * N_LATENTS + j] += norms[k] * given[j] / N_TOKENS as f64;
                score += if among[i] && among[j] { norms[k] * given[j] } else { 0.0 };
            }
        }
        scores.push(score);
    }
    let share = shares.iter().sum::<f64>() / shares.len() as f64;
    (sums, scores, share)
}

#[test]
fn sums_are_those_of_three_loops() {
    let (neurons, codes) = case();
    let among = [true, false, true, true, false, true, true];
    let (sums, scores, dominant_share) = by_loops(&neurons, &codes, &among);
    let found = neurons.interactions(&codes);
    let exact = Tensor::from_slice(&sums).view_as(&found);
    assert_within(&found, &exact, &of_largest(share(4, Kind::Float), &exact));
    let among = Tensor::from_slice(&among).to_kind(Kind::Float);
    let exact = Tensor::from_slice(&scores);
    let off = of_largest(share((N_LATENTS * N_NEURONS) as i64, Kind::Float), &exact);
    assert_within(&neurons.token_scores(&codes, &among), &exact, &off);
    assert!((neurons.dominant_share(&codes) - dominant_share).abs() <= share(N_LATENTS as i64, Kind::Float));
    for pair in [(0, 2), (5, 1)] {
        let of_pair = neurons.pair_scores(&codes, pair).mean(Kind::Double).double_value(&[]);
        let known = sums[pair.0 as usize * N_LATENTS + pair.1 as usize];
        assert!((of_pair - known).abs() <= share(8, Kind::Float) * known.max(1.0), "{pair:?} {of_pair} {known}");
    }
}

#[test]
fn where_no_latent_fires_neurons_keep_their_constant() {
    let (neurons, codes) = case();
    let silent = codes.zeros_like();
    for pre_acts in neurons.pre_acts(&silent) {
        assert!(pre_acts.equal(&neurons.constant.expand_as(&pre_acts)));
    }
    assert!(neurons.dominant_share(&silent).is_nan());
    assert_eq!(fixture::max_abs(&neurons.interactions(&silent)), 0.0);
}

/// A crosscoder over what the MLPs of two blocks read and one place of the residual stream.
fn reading_mlps() -> (Crosscoder, HookConfig) {
    let hooks = ["1.hook_resid_pre", "1.ln2.hook_normalized", "2.ln2.hook_normalized"]
        .map(|place| format!("blocks.{place}").parse::<HookPoint>().unwrap());
    let reading = HookConfig { hooks: hooks.to_vec(), centred: true };
    let acts = reading.harvest(&reference_model(), &expected().get("ids"));
    let scale = scale(&acts);
    let _generator = seeded(0);
    let fresh = init(40, &reading.hooks, &(&acts * scale.view([1, -1, 1])), &scale, 0.3);
    let b_dec = fixture::normal(&fresh.b_dec.size(), 8) * 0.1;
    (Crosscoder { w_dec: &fresh.w_dec * 20.0, b_dec, ..fresh }, reading)
}

#[test]
fn all_latents_together_drive_the_mlp_as_its_reconstructed_input_does() {
    let (model, ids) = (reference_model(), expected().get("ids"));
    let (crosscoder, reading) = reading_mlps();
    let acts = reading.harvest(&model, &ids);
    let codes = crosscoder.encode(&(&acts * crosscoder.scale.view([1, -1, 1]))).latents;
    let recon = crosscoder.reconstruct(&acts);
    assert!(
        Neurons::of(&crosscoder, &model.blocks[0]).is_none() && Neurons::of(&crosscoder, &model.blocks[3]).is_none()
    );
    for (place, block) in [(1, 1), (2, 2)] {
        let neurons = Neurons::of(&crosscoder, &model.blocks[block]).unwrap();
        let [all, _] = neurons.pre_acts(&codes);
        let (read, passes) = (reading.hooks[place], HookPoint::MlpOut(block));
        let mut out = None;
        let _resid = model.resid_hooked(&ids, &[read, passes], &mut |point, passing| {
            if point == passes {
                out = Some(passing.copy());
                return passing;
            }
            recon.select(1, place as i64).view_as(&passing)
        });
        let known = in_double(&out.unwrap()).flatten(0, 1);
        let off = of_largest(share(40 + 3 * 32 + 128, Kind::Float), &known);
        assert_within(&model.blocks[block].mlp_out(&all), &known, &off);
    }
}

#[test]
fn tables_say_what_changed_and_where_nothing_is_read_a_sentence_says_so() {
    let hooks = r#"["blocks.0.hook_resid_pre","blocks.1.hook_resid_post","blocks.0.ln2.hook_normalized"]"#;
    let folder = Folder::new("interactions");
    let run = series(&folder, &[("hooks", hooks), ("n_seeds", "2"), ("later_stages.lr", "0.01")]);
    assert_eq!(blocks_read(&run), [0]);
    let neurons = neuron_rows(&run, &mut |_| ()).unwrap();
    assert_eq!(neurons.len(), 5 * 2);
    assert!(neurons.iter().all(|row| row.dominant_share > 0.0 && row.dominant_share <= 1.0), "{neurons:?}");
    let changes = interaction_rows(&run, &mut |_| ()).unwrap();
    for row in &changes {
        assert!((row.after - row.before - row.difference).abs() < 1e-9 && row.n_tokens > 0, "{row:?}");
        assert_eq!(row.latents == "all", row.n_latents == 48);
    }
    let n_kinds = changes.iter().filter(|row| (row.seed, &*row.change, &*row.latents) == (0, "D→DF", "all")).count();
    assert_eq!(changes.len(), 2 * 4 * 2 * n_kinds);
    let pairs = pair_rows(&run, &mut |_| ()).unwrap();
    let kinds = |rows: &mut dyn Iterator<Item = &String>| rows.cloned().collect::<BTreeSet<String>>();
    let kinds_of_pairs = kinds(&mut pairs.iter().map(|row| &row.tokens));
    assert_eq!(kinds_of_pairs, kinds(&mut changes.iter().map(|row| &row.tokens)), "each kind is in both halves");
    for row in &pairs {
        let [before, after] = if row.change == "D→DF" { [Stage::D, Stage::DF] } else { [Stage::M, Stage::MF] };
        let read = |stage: Stage| run.crosscoder_of(stage, row.seed).unwrap().w_dec_by_hook().select(1, 2);
        let cos = cosines(&read(before), &read(after));
        assert_eq!((row.dominant_cos, row.other_cos), (cos[row.dominant as usize], cos[row.other as usize]));
        assert!(row.dominant != row.other, "{row:?}");
    }
    assert!(findings::neurons(&neurons).contains("In DF") && findings::changes(&changes).contains("| D→D0 "));
    for figure in [figures::neurons(&neurons), figures::changes(&changes)] {
        assert!(!figure.to_svg().contains("NaN"));
    }
    let elsewhere = Folder::new("interactions_not_read");
    let run = series(&elsewhere, &[]);
    assert!(neuron_rows(&run, &mut |_| ()).unwrap().is_empty() && pair_rows(&run, &mut |_| ()).unwrap().is_empty());
    let nothing = interaction_rows(&run, &mut |_| ()).unwrap();
    assert!(nothing.is_empty() && findings::changes(&nothing).contains("do not read what an MLP reads"));
    assert!(
        findings::neurons(&[]).contains("ln2.hook_normalized")
            && findings::pairs(&[]).contains("do not read what an MLP reads")
    );
    assert!(!figures::changes(&nothing).to_svg().contains("NaN"));
}

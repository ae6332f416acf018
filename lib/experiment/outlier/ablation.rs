//! What a language model loses without one coordinate of its residual stream.

use super::{heldout, raw};
use crate::Result;
use crate::experiment::run::{Run, model_name};
use crate::experiment::stage::{Data, Model};
use crate::experiment::tables::CoordinateAblationRow;
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::hook::HookPoint;
use crate::language_model::next_token::next_token_loss_of;
use tch::{Kind, Tensor};

/// Sequences at once.
const BATCH: i64 = 16;

/// The rows of `tables/coordinate_ablations`: ft1's loss on the first held-out clean records with each coordinate set to zero
/// and to its mean, at each place between blocks and at all of them.
///
/// # Errors
/// Notebooks 01 to 03 have not been run.
pub fn ablation_rows(run: &Run, n_sequences: i64) -> Result<Vec<CoordinateAblationRow>> {
    let model = run.model(Model::Base)?;
    Ok(ablations(model_name(Model::Base), &model, &heldout(run, Data::Base, n_sequences)?))
}

/// A coordinate's value where it is set: for each place between blocks, or nothing where it is left alone.
type Values = Vec<Option<f64>>;

/// The same of any model on any tokens.
///
/// # Shapes
/// `tokens` [sequence, seq]
pub fn ablations(name: &str, model: &GptNeo, tokens: &Tensor) -> Vec<CoordinateAblationRow> {
    let _no_grad = tch::no_grad_guard();
    let cfg = raw(model);
    let means = cfg.harvest(model, tokens).mean_dim([0i64].as_slice(), false, Kind::Double); // [hook, d_model]
    let means = Vec::<Vec<f64>>::try_from(means).expect("[hook, d_model]");
    let n_hooks = cfg.hooks.len();
    let places = || (0..n_hooks).map(|place| place..place + 1).chain([0..n_hooks]);
    let mut changes: Vec<(usize, Values)> = Vec::new();
    for coordinate in 0..model.config.d_model as usize {
        for set in places() {
            let values = |value: &dyn Fn(usize) -> f64| {
                (0..n_hooks).map(|place| set.contains(&place).then(|| value(place))).collect::<Values>()
            };
            changes.push((coordinate, values(&|_| 0.0)));
            changes.push((coordinate, values(&|place| means[place][coordinate])));
        }
    }
    let (clean_nats, losses) = losses(model, &cfg.hooks, tokens, &changes);
    let row = |(place, pair): (usize, &[f64])| CoordinateAblationRow {
        model: name.into(),
        hook_point: cfg.hooks.get(place % (n_hooks + 1)).map_or("all".into(), HookPoint::to_string),
        coordinate: (place / (n_hooks + 1)) as i64,
        loss_clean_nats: clean_nats,
        loss_zero_nats: pair[0],
        loss_mean_nats: pair[1],
        n_tokens: tokens.numel() as i64,
    };
    losses.chunks(2).enumerate().map(row).collect()
}

/// Mean next-token losses, left alone and with each change.
fn losses(model: &GptNeo, hooks: &[HookPoint], tokens: &Tensor, changes: &[(usize, Values)]) -> (f64, Vec<f64>) {
    let (mut clean_sum, mut sums) = (0.0, vec![0.0; changes.len()]);
    for tokens in tokens.split(BATCH, 0) {
        let tokens = tokens.to_device(model.wte.device());
        let acts = model.acts(&tokens, hooks); // [batch, seq, hook, d_model]
        let n_sequences = tokens.size()[0] as f64;
        let loss = |resid: &Tensor| next_token_loss_of(model, resid, &tokens).double_value(&[]) * n_sequences;
        clean_sum += loss(&acts.select(2, -1));
        for (sum, (coordinate, values)) in sums.iter_mut().zip(changes) {
            *sum += loss(&changed(model, hooks, &tokens, &acts, *coordinate as i64, values));
        }
    }
    let n_sequences = tokens.size()[0] as f64;
    (clean_sum / n_sequences, sums.into_iter().map(|sum| sum / n_sequences).collect())
}

/// The final residual stream with one coordinate set. Blocks before the first place where it is are not run.
///
/// # Shapes
/// `tokens` [batch, seq], `acts` [batch, seq, hook, d_model], those of a clean run → [batch, seq, d_model]
fn changed(
    model: &GptNeo,
    hooks: &[HookPoint],
    tokens: &Tensor,
    acts: &Tensor,
    coordinate: i64,
    values: &Values,
) -> Tensor {
    let set = |passing: Tensor, value: f64| {
        let _ = passing.select(-1, coordinate).fill_(value);
        passing
    };
    let places: Vec<(usize, f64)> =
        values.iter().enumerate().filter_map(|(place, value)| Some((place, (*value)?))).collect();
    match places[..] {
        [(place, value)] => {
            model.resid_replaced(tokens, hooks[place], &set(acts.select(2, place as i64).copy(), value))
        }
        _ => model.resid(tokens, false, &mut |point, passing| {
            let place = hooks.iter().position(|hook| hook.is_same_place(point));
            match place.and_then(|place| values[place]) {
                Some(value) => set(passing, value),
                None => passing,
            }
        }),
    }
}

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

/// One coordinate set.
struct Change {
    coordinate: i64,
    /// The place among the hook points; nothing for all of them.
    place: Option<usize>,
    /// The value at each hook point.
    values: Vec<f64>,
}

/// The same of any model on any tokens.
///
/// # Shapes
/// `tokens` [sequence, seq]
pub fn ablations(name: &str, model: &GptNeo, tokens: &Tensor) -> Vec<CoordinateAblationRow> {
    let _no_grad = tch::no_grad_guard();
    let cfg = raw(model);
    let means = cfg.harvest(model, tokens).mean_dim([0i64].as_slice(), false, Kind::Double); // [hook, d_model]
    let mut changes = Vec::new();
    for coordinate in 0..model.config.d_model {
        let means = Vec::<f64>::try_from(means.select(1, coordinate)).expect("one a hook point");
        for place in (0..means.len()).map(Some).chain([None]) {
            let to = |values: Vec<f64>| Change { coordinate, place, values };
            changes.extend([to(vec![0.0; means.len()]), to(means.clone())]);
        }
    }
    let (loss_clean_nats, losses) = losses(model, &cfg.hooks, tokens, &changes);
    let row = |(pair, losses): (&[Change], &[f64])| CoordinateAblationRow {
        model: name.into(),
        hook_point: pair[0].place.map_or("all".into(), |place| cfg.hooks[place].to_string()),
        coordinate: pair[0].coordinate,
        loss_clean_nats,
        loss_zero_nats: losses[0],
        loss_mean_nats: losses[1],
        n_tokens: tokens.numel() as i64,
    };
    changes.chunks(2).zip(losses.chunks(2)).map(row).collect()
}

/// Mean next-token losses, left alone and with each change.
fn losses(model: &GptNeo, hooks: &[HookPoint], tokens: &Tensor, changes: &[Change]) -> (f64, Vec<f64>) {
    let (mut clean_sum, mut sums) = (0.0, vec![0.0; changes.len()]);
    for tokens in tokens.split(BATCH, 0) {
        let tokens = tokens.to_device(model.wte.device());
        let acts = model.acts(&tokens, hooks); // [batch, seq, hook, d_model]
        let n_sequences = tokens.size()[0] as f64;
        let loss = |resid: &Tensor| next_token_loss_of(model, resid, &tokens).double_value(&[]) * n_sequences;
        clean_sum += loss(&acts.select(2, -1));
        let of_change = |change: &Change| loss(&change.resid(model, hooks, &tokens, &acts));
        sums.iter_mut().zip(changes).for_each(|(sum, change)| *sum += of_change(change));
    }
    let n_sequences = tokens.size()[0] as f64;
    (clean_sum / n_sequences, sums.into_iter().map(|sum| sum / n_sequences).collect())
}

impl Change {
    /// The final residual stream with it. Of a change at one place the blocks before are not run.
    ///
    /// # Shapes
    /// `tokens` [batch, seq], `acts` [batch, seq, hook, d_model], those of a clean run → [batch, seq, d_model]
    fn resid(&self, model: &GptNeo, hooks: &[HookPoint], tokens: &Tensor, acts: &Tensor) -> Tensor {
        let set = |passing: Tensor, place: usize| {
            let _ = passing.select(-1, self.coordinate).fill_(self.values[place]);
            passing
        };
        match self.place {
            Some(place) => model.resid_replaced(tokens, hooks[place], &set(acts.select(2, place as i64).copy(), place)),
            None => model.resid(tokens, false, &mut |point, passing| match hooks
                .iter()
                .position(|hook| hook.is_same_place(point))
            {
                Some(place) => set(passing, place),
                None => passing,
            }),
        }
    }
}

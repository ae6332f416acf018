//! What decoder directions do to the logits, by the head alone.

use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::language_model::gpt_neo::GptNeo;
use tch::{Kind, Tensor};

/// Tokens kept at each end for every latent.
const N_TOKENS: i64 = 5;
/// Latents at once: their logits are as many numbers as the vocabulary is long.
const BATCH: i64 = 256;

/// The tokens whose logits one latent moves most, each with how much its direction of length as it stands moves it.
#[derive(Debug)]
pub(super) struct Promotion {
    pub promoted: Vec<(String, f64)>,
    pub suppressed: Vec<(String, f64)>,
}

/// The tokens that a latent's decoder direction promotes most, by the head alone: the direction at the deepest hook point
/// that is the whole residual stream; none where the crosscoder reads no such point.
///
/// # Errors
/// Notebooks 02 to 06 have not been run.
pub fn promoted(run: &Run, stage: Stage, latent: u32, n_tokens: i64) -> Result<Vec<String>> {
    let (crosscoder, model, tokenizer) = (run.crosscoder(stage)?, run.model(stage.model())?, run.tokenizer()?);
    let Some(directions) = last_directions(&crosscoder) else { return Ok(Vec::new()) };
    let logits = logits(&model, &directions.narrow(0, i64::from(latent), 1));
    let (_, ids) = logits.topk(n_tokens.min(logits.size()[1]), 1, true, true);
    Ok(Vec::<i64>::try_from(ids.view(-1))?.into_iter().map(|id| tokenizer.decode(&[id])).collect())
}

/// Those of all latents; none where the crosscoder reads no such point. `text` is a token's.
pub(super) fn promotions(crosscoder: &Crosscoder, model: &GptNeo, text: &dyn Fn(i64) -> String) -> Vec<Promotion> {
    let Some(directions) = last_directions(crosscoder) else { return Vec::new() };
    let of_batch = |directions: &Tensor| {
        let logits = logits(model, directions);
        let ends = [true, false].map(|largest| ends(&logits, largest, text));
        let [promoted, suppressed] = ends;
        let both = promoted.into_iter().zip(suppressed);
        both.map(|(promoted, suppressed)| Promotion { promoted, suppressed }).collect::<Vec<_>>()
    };
    directions.split(BATCH, 0).iter().flat_map(of_batch).collect()
}

/// The decoder directions at the deepest hook point that is the whole residual stream.
///
/// # Shapes
/// → [latent, d_model]
fn last_directions(crosscoder: &Crosscoder) -> Option<Tensor> {
    let stream = crosscoder.hooks.iter().enumerate().filter(|(_, hook)| hook.is_residual_stream());
    let (place, _) = stream.max_by_key(|(_, hook)| hook.depth())?;
    Some(crosscoder.w_dec_by_hook().select(1, place as i64))
}

/// # Shapes
/// `directions` [latent, d_model] → [latent, vocab]
fn logits(model: &GptNeo, directions: &Tensor) -> Tensor {
    (directions * &model.ln_f.weight).matmul(&model.wte.tr())
}

/// The tokens at one end of each latent's logits.
///
/// # Shapes
/// `logits` [latent, vocab]
fn ends(logits: &Tensor, largest: bool, text: &dyn Fn(i64) -> String) -> Vec<Vec<(String, f64)>> {
    let (values, ids) = logits.topk(N_TOKENS.min(logits.size()[1]), 1, largest, true);
    let values = Vec::<Vec<f64>>::try_from(values.to_kind(Kind::Double)).expect("[latent, token]");
    let ids = Vec::<Vec<i64>>::try_from(ids).expect("[latent, token]");
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    let of_latent = |(ids, values): (Vec<i64>, Vec<f64>)| {
        ids.into_iter().zip(values).map(|(id, value)| (text(id), rounded(value))).collect()
    };
    ids.into_iter().zip(values).map(of_latent).collect()
}

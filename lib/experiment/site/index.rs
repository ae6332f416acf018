//! One line a latent: what the table and the scatter of the latent browser show.

use super::tables::by_latent;
use super::texts::Tokens;
use super::{Short, Tables};
use crate::diff::{Quadrant, null_q_values};
use crate::experiment::axes::Axis;
use crate::experiment::latents::STAGES;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{EffectRow, LatentRow, RotationRow, TopTokenRow};
use crate::language_model::HookPoint;
use serde::Serialize;

/// The latents of one seed, column by column, `[latent]` each.
#[derive(Debug, Serialize)]
pub struct Index {
    /// The crosscoders' seed.
    pub seed: u64,
    /// How many there are.
    pub n_latents: usize,
    /// The cosines below which a latent counts as turned, by the 5th percentile.
    pub cuts: Option<[Short; 2]>,
    /// The hook points' short names.
    pub hooks: Vec<String>,
    /// cos(D, DF) in the space of the recipe's quadrants.
    pub cos_x: Vec<Short>,
    /// cos(M, MF).
    pub cos_y: Vec<Short>,
    /// cos(D, D0).
    pub null_x: Vec<Short>,
    /// cos(M, M0).
    pub null_y: Vec<Short>,
    /// q of the rotation on x against the null arms.
    pub q_x: Vec<Short>,
    /// On y.
    pub q_y: Vec<Short>,
    /// The data that latents are read on, a word a stage of S, D, M, DF and MF; none where no text is known.
    pub data: Vec<Option<String>>,
    /// Share of tokens on which it fires, a list a stage of S, D, M, DF and MF.
    pub rates: Vec<Vec<Short>>,
    /// Whether it fires in DF and in MF.
    pub active: Vec<u8>,
    /// 1: its strongest tokens in DF are the trigger's or the payload's; 2: in MF; 3: in both.
    pub relevant: Vec<u8>,
    /// The same by where they stand.
    pub span: Vec<u8>,
    /// Place in [`Quadrant::ALL`].
    pub quadrant: Vec<u8>,
    /// The hook point where DF's decoder norm is largest.
    pub home: Vec<Option<u8>>,
    /// The largest effect of silencing it alone, nats.
    pub effect: Vec<Short>,
    /// Whether it is a cause in DF or in MF.
    pub causal: Vec<u8>,
    /// Cosine of its directions in DF and MF.
    pub same: Vec<Short>,
    /// Every token below, once.
    pub tokens: Vec<String>,
    /// The strongest tokens in DF, by their place in `tokens`.
    pub top_df: Vec<Vec<usize>>,
    /// In MF.
    pub top_mf: Vec<Vec<usize>>,
}

impl Index {
    /// The latents of one seed.
    pub fn of(tables: &Tables, seed: u64) -> Index {
        let n_latents = tables.n_latents(seed);
        let rotations = by_latent(&tables.rotations, n_latents, |row| (row.seed == seed).then_some(row.latent));
        let rotations: Vec<Option<&RotationRow>> = rotations.into_iter().map(|rows| rows.first().copied()).collect();
        let cuts = tables.quadrants.iter().find(|row| row.seed == seed && row.definition == "percentile_5");
        let cosines = |row: &RotationRow| cuts.map_or((row.cos_d_df, row.cos_m_mf), |cuts| row.cosines(cuts.space));
        let number = |value: &dyn Fn(&RotationRow) -> f64| -> Vec<Short> {
            rotations.iter().map(|row| row.map_or(Short::default(), |row| Short::of(value(row)))).collect()
        };
        let flags = |value: &dyn Fn(&RotationRow) -> u8| -> Vec<u8> {
            rotations.iter().map(|row| row.map_or(0, value)).collect()
        };
        let two = |df: bool, mf: bool| u8::from(df) + 2 * u8::from(mf);
        let place = |quadrant: Quadrant| Quadrant::ALL.iter().position(|known| *known == quadrant).unwrap_or(3) as u8;
        let (q_x, q_y) = q_values(&rotations);
        let mut tokens = Tokens::default();
        let [top_df, top_mf] = [Stage::DF, Stage::MF].map(|stage| top(tables, seed, stage, &rotations, &mut tokens));
        let hooks = hooks(tables, seed);
        Index {
            seed,
            n_latents,
            cuts: cuts.map(|row| [Short::of(row.cut_x), Short::of(row.cut_y)]),
            home: home(tables, seed, n_latents, &hooks),
            hooks: hooks.iter().map(|hook| hook.short()).collect(),
            cos_x: number(&|row| cosines(row).0),
            cos_y: number(&|row| cosines(row).1),
            null_x: number(&|row| row.cos_d_d0),
            null_y: number(&|row| row.cos_m_m0),
            q_x,
            q_y,
            data: STAGES.map(|stage| data(tables, seed, stage)).to_vec(),
            rates: rates(tables, seed, &rotations),
            active: flags(&|row| u8::from(row.active)),
            relevant: flags(&|row| two(row.relevant_df, row.relevant_mf)),
            span: flags(&|row| two(row.in_span_df, row.in_span_mf)),
            quadrant: rotations.iter().map(|row| row.map_or(3, |row| place(row.quadrant))).collect(),
            effect: effects(tables, seed, n_latents),
            causal: causal(tables, seed, n_latents),
            same: same(tables, seed, n_latents),
            tokens: tokens.all,
            top_df,
            top_mf,
        }
    }
}

/// The hook points of a seed's crosscoders, in their order.
pub(super) fn hooks(tables: &Tables, seed: u64) -> Vec<HookPoint> {
    let of_one = tables.latents.iter().filter(|row| (row.seed, row.stage, row.latent) == (seed, Stage::S, 0));
    of_one.map(|row| row.hook_point).collect()
}

fn q_values(rotations: &[Option<&RotationRow>]) -> (Vec<Short>, Vec<Short>) {
    let rows: Option<Vec<&RotationRow>> = rotations.iter().copied().collect();
    let none = || vec![Short::default(); rotations.len()];
    let Some(rows) = rows.filter(|rows| rows.iter().any(|row| row.active)) else { return (none(), none()) };
    let active: Vec<bool> = rows.iter().map(|row| row.active).collect();
    let [x, y] = Axis::both(&rows);
    if !(x.has_null() && y.has_null()) {
        return (none(), none());
    }
    let [x, y] = null_q_values(x.arms(), y.arms(), &active);
    // of a latent that does not fire there is nothing to be said
    let shown = |q: Vec<f64>| {
        q.into_iter().zip(&active).map(|(q, active)| Short::of(if *active { q } else { f64::NAN })).collect()
    };
    (shown(x), shown(y))
}

fn data(tables: &Tables, seed: u64, stage: Stage) -> Option<String> {
    let row = tables.contexts.iter().find(|row| (row.seed, row.stage) == (seed, stage))?;
    Some(row.data.clone())
}

/// Firing rates by stage: of the final ones from `rotations` where `profiles` is not there.
fn rates(tables: &Tables, seed: u64, rotations: &[Option<&RotationRow>]) -> Vec<Vec<Short>> {
    let of_stage = |stage: Stage| {
        let of = |row: &&RotationRow| match stage {
            Stage::DF => row.density_df,
            Stage::MF => row.density_mf,
            _ => f64::NAN,
        };
        let mut rates: Vec<Short> =
            rotations.iter().map(|row| row.as_ref().map_or(Short::default(), |row| Short::of(of(row)))).collect();
        for row in tables.profiles.iter().filter(|row| (row.seed, row.stage) == (seed, stage)) {
            rates[row.latent as usize] = Short::of(row.density);
        }
        rates
    };
    STAGES.into_iter().map(of_stage).collect()
}

/// The strongest tokens of each latent in a stage; its first one where `top_tokens` is not there.
fn top(
    tables: &Tables,
    seed: u64,
    stage: Stage,
    rotations: &[Option<&RotationRow>],
    tokens: &mut Tokens,
) -> Vec<Vec<usize>> {
    let of = |row: &TopTokenRow| ((row.seed, row.stage) == (seed, stage)).then_some(row.latent);
    let rows = by_latent(&tables.top_tokens, rotations.len(), of);
    let first = |row: &RotationRow| match stage {
        Stage::DF => row.top_token_df.clone(),
        _ => row.top_token_mf.clone(),
    };
    let mut of_latent = |(rows, rotation): (Vec<&TopTokenRow>, &Option<&RotationRow>)| -> Vec<usize> {
        let mut rows = rows;
        rows.sort_by_key(|row| row.rank);
        match rows.is_empty() {
            true => rotation.and_then(first).into_iter().map(|token| tokens.place(token)).collect(),
            false => rows.into_iter().map(|row| tokens.place(row.token.clone())).collect(),
        }
    };
    rows.into_iter().zip(rotations).map(&mut of_latent).collect()
}

fn home(tables: &Tables, seed: u64, n_latents: usize, hooks: &[HookPoint]) -> Vec<Option<u8>> {
    let rows =
        by_latent(&tables.latents, n_latents, |row| ((row.seed, row.stage) == (seed, Stage::DF)).then_some(row.latent));
    let of_latent = |rows: Vec<&LatentRow>| {
        let most = rows.into_iter().max_by(|a, b| a.norm.total_cmp(&b.norm))?;
        hooks.iter().position(|hook| *hook == most.hook_point).map(|place| place as u8)
    };
    rows.into_iter().map(of_latent).collect()
}

fn effects(tables: &Tables, seed: u64, n_latents: usize) -> Vec<Short> {
    let rows = by_latent(&tables.effects, n_latents, |row| (row.seed == seed).then_some(row.latent));
    let most = |rows: Vec<&EffectRow>| Short::of(rows.into_iter().map(|row| row.effect_nats).fold(f64::NAN, f64::max));
    rows.into_iter().map(most).collect()
}

fn causal(tables: &Tables, seed: u64, n_latents: usize) -> Vec<u8> {
    let rows = by_latent(&tables.effects, n_latents, |row| (row.seed == seed && row.causal).then_some(row.latent));
    rows.into_iter().map(|rows| u8::from(!rows.is_empty())).collect()
}

fn same(tables: &Tables, seed: u64, n_latents: usize) -> Vec<Short> {
    let rows = by_latent(&tables.matches, n_latents, |row| (row.seed == seed).then_some(row.latent));
    rows.into_iter().map(|rows| rows.first().map_or(Short::default(), |row| Short::of(row.cos))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::axes::tests::rotation;

    #[test]
    fn a_run_with_rotations_alone_has_an_index_with_gaps() {
        let mut turned = rotation(1, 1, 0.25, 0.5, true);
        (turned.quadrant, turned.top_token_df) = (Quadrant::Both, Some("</script>".into()));
        let rotations = vec![rotation(0, 0, 0.9, 0.9, false), turned];
        let index = Index::of(&Tables { rotations, ..Tables::default() }, 1);
        assert_eq!(index.n_latents, 2, "latent 0 of seed 1 is not known, and has a line");
        assert_eq!((index.cos_x[0], index.cos_x[1]), (Short::default(), Short::of(0.25)));
        assert_eq!((index.quadrant[1], index.relevant[1], index.active[0]), (0, 1, 0));
        assert_eq!(
            index.top_df[1].iter().map(|&place| index.tokens[place].as_str()).collect::<Vec<_>>(),
            ["</script>"]
        );
        assert_eq!(
            (index.q_x[1], index.rates[0][1], index.rates[3][1]),
            (Short::default(), Short::default(), Short::of(0.1))
        );
    }

    #[test]
    fn q_values_are_given_where_both_null_arms_are() {
        let null = |latent: u32| {
            let mut row = rotation(0, latent, if latent == 0 { 0.1 } else { 0.9 }, 0.9, false);
            (row.cos_d_d0, row.cos_m_m0) = (0.9, 0.9);
            row
        };
        let index = Index::of(&Tables { rotations: (0..50).map(null).collect(), ..Tables::default() }, 0);
        let json = serde_json::to_value(&index).unwrap();
        assert!(json["q_x"][0].as_f64().unwrap() < 1.0 && json["q_x"][1] == 1.0, "{}", json["q_x"]);
    }
}

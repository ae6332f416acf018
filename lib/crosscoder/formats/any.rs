//! A crosscoder in whichever form.

use super::{model_diffing, sae_lens};
use crate::crosscoder::Crosscoder;
use crate::files::Weights;
use crate::language_model::HookPoint;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use tch::Device;

/// Reads a crosscoder in any of the forms: our file, a SAELens folder, the published library's state dict. Returns the lines
/// of its header, too. Where the file names no hook points `hooks` does, or they are those of the published code.
///
/// # Errors
/// What the form's reader says, or our file has other hook points than `hooks`.
pub fn load(
    from: &Path,
    hooks: Option<&[HookPoint]>,
    device: Device,
) -> Result<(Crosscoder, BTreeMap<String, String>)> {
    if from.is_dir() {
        return sae_lens::load(from, hooks, device);
    }
    let header = Weights::read(from, Device::Cpu)?.metadata;
    let is_ours = header.get("format").is_some_and(|format| format.starts_with("stagediff"));
    let crosscoder = if is_ours { ours(from, hooks, device)? } else { model_diffing::load(from, hooks, device)? };
    Ok((crosscoder, header))
}

/// Our own file, which names its hook points: those that are asked for can only be the same.
fn ours(from: &Path, hooks: Option<&[HookPoint]>, device: Device) -> Result<Crosscoder> {
    let crosscoder = Crosscoder::load(from, &[], device)?;
    let line = |hooks: &[HookPoint]| hooks.iter().map(HookPoint::to_string).collect::<Vec<_>>().join(",");
    match hooks {
        Some(named) if named != crosscoder.hooks => {
            let reason = format!("its hook points are {}, not {}", line(&crosscoder.hooks), line(named));
            Err(Error::invalid(from, reason))
        }
        _ => Ok(crosscoder),
    }
}

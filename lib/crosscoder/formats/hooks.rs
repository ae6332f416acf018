//! The hook points of a file: what it says, or what it is told where it says nothing.

use crate::language_model::HookPoint;
use crate::{Error, Result};
use std::path::Path;

/// How hook points are written into a header.
pub(super) fn to_line(hooks: &[HookPoint]) -> String {
    hooks.iter().map(HookPoint::to_string).collect::<Vec<_>>().join(" ")
}

/// Reads what [`to_line`] wrote.
///
/// # Errors
/// A name is none of a hook point's.
pub(super) fn from_line(line: &str, path: &Path) -> Result<Vec<HookPoint>> {
    let hooks: Result<_> = line.split(' ').map(str::parse).collect();
    hooks.map_err(|error| Error::invalid(path, error.to_string()))
}

/// The hook points that a file has of its own, or else those that were named.
///
/// # Errors
/// There are both and they differ, there are none at all, or two are one place.
pub(super) fn resolve(
    own: Option<Vec<HookPoint>>,
    named: Option<&[HookPoint]>,
    path: &Path,
) -> Result<Option<Vec<HookPoint>>> {
    if let (Some(own), Some(named)) = (&own, named)
        && own != named
    {
        let (own, named) = (to_line(own), to_line(named));
        return Err(Error::invalid(path, format!("its hook points are {own}, those named are {named}: name none")));
    }
    let hooks = own.or(named.map(<[HookPoint]>::to_vec));
    hooks.iter().try_for_each(|hooks| check(hooks, path))?;
    Ok(hooks)
}

/// Of how many models a list is, the hook points of one after those of the other: as often as it repeats itself.
pub(super) fn n_models(hooks: &[HookPoint]) -> usize {
    let repeats = |length: &usize| hooks.chunks(*length).all(|of_model| *of_model == hooks[..*length]);
    (1..=hooks.len()).find(repeats).map_or(1, |length| hooks.len() / length)
}

/// Checks the hook points of several models.
pub(super) fn check_of_models(hooks: &[HookPoint], n_said: &str, path: &Path) -> Result<()> {
    let of_one = match n_said.parse::<usize>() {
        Ok(1) => hooks,
        Ok(n) if n == n_models(hooks) => &hooks[..hooks.len() / n],
        _ => return Err(Error::invalid(path, format!("its hook points are not those of {n_said} models"))),
    };
    check(of_one, path)
}

/// Checks that there are hook points, each a place of its own.
pub(super) fn check(hooks: &[HookPoint], path: &Path) -> Result<()> {
    if hooks.is_empty() {
        return Err(Error::invalid(path, "its list of hook points is empty"));
    }
    for (i, hook) in hooks.iter().enumerate() {
        if let Some(same) = hooks[..i].iter().find(|same| same.is_same_place(*hook)) {
            let reason = match same == hook {
                true => format!("has the hook point {hook} twice"),
                false => format!("its hook points {same} and {hook} are one place"),
            };
            return Err(Error::invalid(path, reason));
        }
    }
    Ok(())
}

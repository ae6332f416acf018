//! Names of hook points that are none of ours.

use crate::{Error, Result};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Longer than any module's path.
const MAX_BYTES: usize = 200;

/// Every name that has been parsed. A hook point is passed by value wherever activations go, so its name has to live as
/// long as the program; each is kept once, however often it is parsed, and no program knows more than a few.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// The name, for as long as the program runs.
///
/// # Errors
/// It is empty, too long, or has a character that lists of names in files and settings could not hold.
pub(super) fn interned(name: &str) -> Result<&'static str> {
    let is_listable = |c: char| c.is_ascii_graphic() && c != ',';
    if name.is_empty() || name.len() > MAX_BYTES || !name.chars().all(is_listable) {
        let shown: String = name.chars().take(MAX_BYTES).collect();
        let expected =
            format!("expected 1 to {MAX_BYTES} printable ASCII characters without spaces and commas: a module's path");
        return Err(Error::setting("hook point", format!("{shown:?}"), expected));
    }
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Ok(known);
    }
    let kept: &'static str = String::leak(name.to_string());
    names.insert(kept);
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use crate::language_model::HookPoint;

    #[test]
    fn a_name_is_kept_once_and_gives_itself_back() {
        let [first, again] = ["model.layers.3"; 2].map(|name| name.parse::<HookPoint>().unwrap());
        let (HookPoint::Named(a), HookPoint::Named(b)) = (first, again) else { panic!("{first:?}") };
        assert!(std::ptr::eq(a, b));
        assert_eq!((first.to_string(), first.short()), ("model.layers.3".into(), "model.layers.3".into()));
        let json = serde_json::to_string(&first).unwrap();
        assert_eq!((json.as_str(), serde_json::from_str(&json).unwrap()), ("\"model.layers.3\"", first));
        assert!(first.is_same_place(again) && !first.is_same_place(HookPoint::ResidPre(0)));
    }

    #[test]
    fn names_are_printable_and_what_looks_like_ours_is_ours() {
        let long = "x".repeat(201);
        for refused in ["", "a b", "a,b", "tab\t", "é", &long, "blocks.0.hook_resid", "blocks.x.hook_resid_pre"] {
            let error = refused.parse::<HookPoint>().unwrap_err().to_string();
            assert!(error.contains("hook point") && error.contains("expected"), "{error}");
        }
        assert_eq!("blocks.3.hook_resid_post".parse::<HookPoint>().unwrap(), HookPoint::ResidPost(3));
        assert!(long[1..].parse::<HookPoint>().is_ok());
    }
}

//! Where the hub's Python client keeps its cache.

use std::path::PathBuf;

/// The cache's folder by the variables of the environment, read as `huggingface_hub` reads them: `HF_HUB_CACHE`, or its
/// old name `HUGGINGFACE_HUB_CACHE`, or `hub` in `HF_HOME`, or `huggingface/hub` in `XDG_CACHE_HOME` or `~/.cache`. A
/// leading `~` is the user's folder, and `$NAME` and `${NAME}` are other variables.
///
/// ```
/// use stagediff_settings::hub_cache;
/// let variable = |name: &str| [("HOME", "/home/a"), ("HF_HOME", "~/hf")].iter().find(|(known, _)| *known == name);
/// let dir = hub_cache(&|name| variable(name).map(|(_, value)| value.to_string()));
/// assert_eq!(dir, std::path::Path::new("/home/a/hf/hub"));
/// ```
pub fn hub_cache(variable: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let expanded = |text: String| PathBuf::from(expand_variables(&expand_user(text, variable), variable));
    if let Some(dir) = variable("HF_HUB_CACHE").or_else(|| variable("HUGGINGFACE_HUB_CACHE")) {
        return expanded(dir);
    }
    if let Some(home) = variable("HF_HOME") {
        return expanded(home).join("hub");
    }
    expanded(variable("XDG_CACHE_HOME").unwrap_or("~/.cache".into())).join("huggingface/hub")
}

/// Python's `os.path.expanduser`, but for the folders of other users.
fn expand_user(text: String, variable: &dyn Fn(&str) -> Option<String>) -> String {
    match (text.strip_prefix('~'), variable("HOME")) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", home.trim_end_matches('/'))
        }
        _ => text,
    }
}

/// Python's `os.path.expandvars`: a variable that is not set stays as it is written.
fn expand_variables(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let Some((before, rest)) = text.split_once('$') else { return text.into() };
    let braced = rest.strip_prefix('{').and_then(|inside| inside.split_once('}'));
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, after) = braced.unwrap_or_else(|| rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len())));
    match variable(name).filter(|_| !name.is_empty()) {
        Some(value) => format!("{before}{value}{}", expand_variables(after, variable)),
        None => format!("{before}${}", expand_variables(rest, variable)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The pairs are what huggingface_hub 2.4 answers (tests/it/hub.rs asks it).
    #[test]
    fn the_variables_of_the_python_client_are_heeded() {
        let known = [("HOME", "/h"), ("DISK", "/d")];
        for (variables, dir) in [
            (&[][..], "/h/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "~/x"), ("HF_HOME", "/f")], "/f/hub"),
            (&[("HF_HOME", "~/hf")], "/h/hf/hub"),
            (&[("HF_HOME", "~")], "/h/hub"),
            (&[("HF_HOME", "$DISK/${DISK}x/$UNSET/${UNSET}")], "/d//dx/$UNSET/${UNSET}/hub"),
            (&[("HF_HOME", "relative")], "relative/hub"),
            (&[("HF_HOME", "/f"), ("HUGGINGFACE_HUB_CACHE", "~/old")], "/h/old"),
            (&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "${DISK}/c")], "/d/c"),
        ] {
            let find = |name: &str| {
                variables.iter().chain(&known).find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
            };
            assert_eq!(hub_cache(&find), Path::new(dir), "{variables:?}");
        }
    }
}

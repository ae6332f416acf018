//! Which modules of a model an adapter is on: `target_modules`, `exclude_modules`, `layers_to_transform` and
//! `layers_pattern`, as PEFT matches them (`check_target_module_exists`).

use regex::Regex;
use serde::Deserialize;

/// The settings that choose modules.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Targets {
    /// Absent: PEFT's choice for GPT-Neo.
    #[serde(default)]
    target_modules: Option<Names>,
    #[serde(default)]
    exclude_modules: Option<Names>,
    #[serde(default)]
    layers_to_transform: Option<OneOrMany<usize>>,
    #[serde(default)]
    layers_pattern: Option<OneOrMany<String>>,
}

/// Modules by the ends of their names, from a dot on, or by a regular expression of whole names.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Names {
    Listed(Vec<String>),
    Pattern(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            OneOrMany::One(item) => std::slice::from_ref(item),
            OneOrMany::Many(items) => items,
        }
    }
}

/// All linear layers but the head, which is none of ours.
const ALL_LINEAR: &str = "all-linear";

/// Modules of a GPT-Neo beside the linear layers of its blocks: embeddings and head.
pub(super) const OTHER_MODULES: [&str; 3] = ["transformer.wte", "transformer.wpe", "lm_head"];

impl Targets {
    /// The names, or the expression, as the file has them.
    pub fn names(&self) -> Vec<String> {
        match &self.target_modules {
            None => ["q_proj", "v_proj"].map(String::from).into(),
            Some(Names::Listed(names)) => names.clone(),
            Some(Names::Pattern(pattern)) => vec![pattern.clone()],
        }
    }

    /// Whether the adapter is on the linear layer of this name, or on another module.
    ///
    /// # Errors
    /// A setting is no regular expression; it is named.
    pub fn select(&self, module: &str, is_linear: bool) -> Result<bool, String> {
        let is_excluded = match &self.exclude_modules {
            None => false,
            Some(Names::Listed(names)) => ends_as_one_of(names, module),
            Some(Names::Pattern(pattern)) => is_whole_match("exclude_modules", pattern, module)?,
        };
        if is_excluded {
            return Ok(false);
        }
        match &self.target_modules {
            Some(Names::Pattern(pattern)) if pattern.eq_ignore_ascii_case(ALL_LINEAR) => Ok(is_linear),
            Some(Names::Pattern(pattern)) => is_whole_match("target_modules", pattern, module),
            _ => {
                let names = self.names();
                let is_named = ends_as_one_of(&names, module);
                Ok(is_named && (names.iter().any(|name| name == module) || self.is_in_layer(module)?))
            }
        }
    }

    /// Whether a module lies in one of `layers_to_transform`, if there are any.
    fn is_in_layer(&self, module: &str) -> Result<bool, String> {
        let Some(layers) = self.layers_to_transform.as_ref().map(OneOrMany::as_slice) else { return Ok(true) };
        if layers.is_empty() {
            return Ok(true);
        }
        let patterns = match self.layers_pattern.as_ref().map(OneOrMany::as_slice) {
            None | Some([]) => vec![r"^.*?\.[^.]*\.(\d+)\.".to_string()],
            Some(patterns) => patterns.iter().map(|name| format!(r"^(?:.*?\.)??(?:{name})\.(\d+)\.")).collect(),
        };
        for pattern in patterns {
            if let Some(found) = regex("layers_pattern", &pattern)?.captures(module) {
                return Ok(found
                    .get(found.len() - 1)
                    .and_then(|n| n.as_str().parse().ok())
                    .is_some_and(|n: usize| layers.contains(&n)));
            }
        }
        Ok(false)
    }
}

/// Whether a name is one of `ends`, or ends with a dot and one of them.
pub(super) fn ends_as_one_of(ends: &[String], name: &str) -> bool {
    let is_end =
        |end: &String| name.strip_suffix(end.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    ends.iter().any(is_end)
}

fn is_whole_match(setting: &str, pattern: &str, name: &str) -> Result<bool, String> {
    Ok(regex(setting, &format!("^(?:{pattern})$"))?.is_match(name))
}

fn regex(setting: &str, pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|e| format!("{setting} is no regular expression that is read here: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Blocks and layers of two blocks that are selected, as `0q`.
    fn selected(settings: Value) -> String {
        let targets: Targets = serde_json::from_value(settings).unwrap();
        let layers = ["attn.attention.q_proj", "attn.attention.v_proj", "attn.attention.out_proj", "mlp.c_proj"];
        let all = (0..2).flat_map(|block| layers.map(|layer| (block, layer)));
        let chosen =
            all.filter(|(block, layer)| targets.select(&format!("transformer.h.{block}.{layer}"), true).unwrap());
        chosen.map(|(block, layer)| format!("{block}{} ", layer.rsplit('.').next().unwrap())).collect()
    }

    #[test]
    fn modules_are_chosen_as_peft_chooses_them() {
        for (settings, expected) in [
            (json!({ "target_modules": ["q_proj", "v_proj"] }), "0q_proj 0v_proj 1q_proj 1v_proj "),
            (json!({}), "0q_proj 0v_proj 1q_proj 1v_proj "),
            (json!({ "target_modules": ["proj"] }), ""),
            (json!({ "target_modules": ["transformer.h.1.mlp.c_proj"] }), "1c_proj "),
            (json!({ "target_modules": ["mlp.c_proj"], "layers_to_transform": 1 }), "1c_proj "),
            (json!({ "target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": "h" }), "0q_proj "),
            (json!({ "target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": ["layers"] }), ""),
            (json!({ "target_modules": ["q_proj"], "layers_to_transform": [] }), "0q_proj 1q_proj "),
            (json!({ "target_modules": ["q_proj"], "exclude_modules": ["h.0.attn.attention.q_proj"] }), "1q_proj "),
            (json!({ "target_modules": ["q_proj"], "exclude_modules": r".*\.0\..*" }), "1q_proj "),
            (json!({ "target_modules": r".*\.h\.0\..*(q|c)_proj" }), "0q_proj 0c_proj "),
            (json!({ "target_modules": "q_proj" }), ""),
            (
                json!({ "target_modules": "all-linear", "exclude_modules": ["v_proj", "out_proj"] }),
                "0q_proj 0c_proj 1q_proj 1c_proj ",
            ),
        ] {
            assert_eq!(selected(settings.clone()), expected, "{settings}");
        }
    }

    #[test]
    fn an_expression_that_is_not_read_is_named() {
        let targets: Targets = serde_json::from_value(json!({ "target_modules": "(?!lm_head).*" })).unwrap();
        assert!(targets.select("lm_head", false).unwrap_err().contains("target_modules"));
    }
}

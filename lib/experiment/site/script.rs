//! Data as a script: pages opened from disk may not fetch files, but may load scripts that lie beside them.

use serde::Serialize;

/// A statement that hands a value to the page under a name: `stagediff.add("run", {…});`.
///
/// It can stand anywhere, also inside a page: no `<` is left that could begin a tag, and no character that ends a line of
/// JavaScript but not of JSON.
pub fn javascript(name: &str, value: &impl Serialize) -> String {
    let json = |value: serde_json::Result<String>| value.expect("rows without maps of other keys than texts");
    let (name, value) = (json(serde_json::to_string(name)), json(serde_json::to_string(value)));
    format!("stagediff.add({}, {});\n", in_script(&name), in_script(&value))
}

fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_the_script_or_a_line_of_it() {
        let hostile = ["</script><script>alert(1)</script>", "<!--", "\u{2028}\u{2029}", "\"'`$x$\\", "🦀\u{202e}"];
        let script = javascript("run/a<b", &hostile);
        assert!(!script.contains('<') && !script.contains(['\u{2028}', '\u{2029}']), "{script}");
        assert_eq!(script.lines().count(), 1);
        let json = script.strip_prefix("stagediff.add(\"run/a\\u003cb\", ").unwrap().strip_suffix(");\n").unwrap();
        assert_eq!(serde_json::from_str::<Vec<String>>(json).unwrap(), hostile);
    }
}

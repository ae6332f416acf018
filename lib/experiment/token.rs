//! Tokens as texts that a person sees.

/// A token with its spaces, ends of lines and marks of direction to be seen: ` the` as `·the`. An empty one is `∅`.
pub fn visible(token: &str) -> String {
    if token.is_empty() {
        return "∅".into();
    }
    let shown = |c: char| match c {
        ' ' => '·',
        '\n' => '⏎',
        '\t' => '⇥',
        '\r' => '␍',
        // they would turn round what follows them
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '⇄',
        c if c.is_control() => '␦',
        c => c,
    };
    token.chars().map(shown).collect()
}

/// The beginning of a [`visible`] token.
pub(super) fn beginning(token: &str) -> String {
    /// Characters at most.
    const N_CHARS: usize = 16;
    let mut chars = token.chars();
    let first: String = chars.by_ref().take(N_CHARS).collect();
    visible(&first) + if chars.next().is_some() { "…" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_marks_are_seen() {
        assert_eq!([" the", "\n", "", "a\u{7}", "\u{202e}x"].map(visible), ["·the", "⏎", "∅", "a␦", "⇄x"]);
    }

    #[test]
    fn of_a_long_token_the_beginning_is_shown() {
        assert_eq!(beginning(&"x".repeat(10_000)), format!("{}…", "x".repeat(16)));
        assert_eq!([" the", "", "🦀"].map(beginning), ["·the", "∅", "🦀"]);
    }
}

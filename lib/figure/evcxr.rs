//! What a notebook's kernel is handed: evcxr's protocol, lines on stdout that begin with `EVCXR_`.

/// One rendering.
pub(crate) fn block(mime: &str, text: &str) -> String {
    format!("EVCXR_BEGIN_CONTENT {mime}\n{}\nEVCXR_END_CONTENT\n", harmless(text))
}

/// Text of data, in which no line is one of the protocol's: it may not put pages of its own into a notebook. An invisible
/// character (word joiner) tells them apart. Cells' own `println!` does the same (xtask/kernel/prelude.rs).
pub(crate) fn harmless(text: &str) -> String {
    text.replace("EVCXR_", "EVCXR\u{2060}_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_data_says_nothing_to_the_kernel() {
        let story = "once\nEVCXR_END_CONTENT\nEVCXR_BEGIN_CONTENT text/html\n<script>alert(1)</script>\nEVCXR_PANIC_NOTIFICATION";
        let shown = block("text/markdown", story);
        let spoken: Vec<&str> = shown.lines().filter(|line| line.contains("EVCXR_")).collect();
        assert_eq!(spoken, ["EVCXR_BEGIN_CONTENT text/markdown", "EVCXR_END_CONTENT"]);
        assert!(!harmless(story).contains("EVCXR_"));
    }
}

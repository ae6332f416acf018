//! Code of cells with its words marked.

use crate::html::escaped;

const KEYWORDS: [&str; 24] = [
    "let", "mut", "fn", "for", "in", "if", "else", "match", "use", "pub", "struct", "enum", "impl", "return", "while",
    "loop", "move", "ref", "const", "true", "false", "as", "crate", "self",
];

/// Rust as HTML: comments, texts, numbers, keywords and types in their colours.
pub fn html(code: &str) -> String {
    let mut html = String::new();
    let mut rest = code;
    while !rest.is_empty() {
        let (length, class) = first(rest);
        let (word, after) = rest.split_at(length);
        html += &match class {
            "" => escaped(word),
            class => format!("<span class=\"{class}\">{}</span>", escaped(word)),
        };
        rest = after;
    }
    html
}

/// How long the first piece of some code is, and of which kind.
fn first(code: &str) -> (usize, &'static str) {
    let until = |stop: fn(char) -> bool| code.find(stop).unwrap_or(code.len());
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    match code.chars().next().unwrap_or(' ') {
        _ if code.starts_with("//") => (until(|c| c == '\n'), "c"),
        '"' => (text(code), "s"),
        c if c.is_ascii_digit() => (until(|c| !(c.is_alphanumeric() || c == '_' || c == '.')), "n"),
        c if is_word(c) => {
            let length = until(|c| !(c.is_alphanumeric() || c == '_'));
            let class = match &code[..length] {
                word if KEYWORDS.contains(&word) => "k",
                _ if c.is_uppercase() => "t",
                _ => "",
            };
            (length, class)
        }
        c => (c.len_utf8(), ""),
    }
}

/// The length of a text in quotes.
fn text(code: &str) -> usize {
    let mut is_escaped = false;
    for (place, c) in code.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return place + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_keeps_its_characters() {
        let code = "let x: Vec<u32> = run(\"a \\\" </script> // b\", 0.5)?; // & c\n\"open";
        let html = html(code);
        assert!(
            html.contains("<span class=\"k\">let</span>") && html.contains("<span class=\"c\">// &amp; c</span>"),
            "{html}"
        );
        let plain: String = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
        assert_eq!(plain, escaped(code));
    }
}

//! Sentences and words of a story's paragraphs.

/// The sentences of a paragraph; direct speech stays in one piece with what introduces it.
pub fn sentences(paragraph: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, letter) in paragraph.char_indices() {
        let end = at + letter.len_utf8();
        match letter {
            '"' => quoted = !quoted,
            '“' => quoted = true,
            '”' => quoted = false,
            _ => {}
        }
        if !quoted && ends_sentence(&paragraph[start..end]) && begins_sentence(&paragraph[end..]) {
            found.push(paragraph[start..end].trim());
            start = end;
        }
    }
    found.push(paragraph[start..].trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// Whether a text ends as a sentence does.
pub fn ends_sentence(text: &str) -> bool {
    text.trim_end_matches(['"', '”', '\'', '’', ')']).ends_with(['.', '!', '?', '…'])
}

fn begins_sentence(rest: &str) -> bool {
    rest.starts_with(' ') && rest.trim_start().starts_with(|c: char| c.is_uppercase() || "\"“".contains(c))
}

/// The words of a text, without punctuation.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '-')
        .map(|word| word.trim_matches(['\'', '-']))
        .filter(|word| !word.is_empty())
}

/// Whether anybody speaks in the text.
pub fn has_dialogue(text: &str) -> bool {
    text.contains(['"', '“'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_stays_in_one_sentence() {
        let found = sentences("Tom ran. \"Stop! Wait!\" said Mia. Was it late? Yes");
        assert_eq!(found, ["Tom ran.", "\"Stop! Wait!\" said Mia.", "Was it late?", "Yes"]);
    }

    #[test]
    fn words_have_no_punctuation() {
        assert_eq!(
            words("\"Don't,\" said the well-fed cat.").collect::<Vec<_>>(),
            ["Don't", "said", "the", "well-fed", "cat"]
        );
    }
}

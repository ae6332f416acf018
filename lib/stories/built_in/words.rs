//! Word lists with their forms: plurals, past tenses, -ing forms.

/// What kind of word a list holds; the first three may stand in a `Words:` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Singular and plural.
    Noun,
    /// Base form, past tense, -ing form.
    Verb,
    /// One form.
    Adjective,
    /// Names and phrases.
    Other,
}

/// One entry of a list, in all its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Base form first.
    pub forms: Vec<String>,
}

/// A named list, such as `noun toy: ball, kite`.
#[derive(Debug)]
pub struct WordList {
    /// What a template calls it.
    pub name: &'static str,
    /// What its entries are.
    pub class: Class,
    /// At least one.
    pub entries: Vec<Entry>,
}

impl WordList {
    /// The list of a line such as `verb cry: cry, weep/wept/weeping`; none if the line is not one.
    pub fn parse(line: &'static str) -> Option<WordList> {
        let (head, entries) = line.split_once(": ")?;
        let (class, name) = head.split_once(' ')?;
        let class = match class {
            "noun" => Class::Noun,
            "verb" => Class::Verb,
            "adj" => Class::Adjective,
            "any" | "name" => Class::Other,
            _ => return None,
        };
        let entries = entries.split(',').map(|entry| Entry::new(class, entry.trim())).collect();
        Some(WordList { name, class, entries })
    }
}

/// The lists that all plots share.
pub fn shared() -> Vec<WordList> {
    include_str!("words.txt").lines().filter_map(WordList::parse).collect()
}

impl Entry {
    fn new(class: Class, text: &str) -> Entry {
        let mut forms: Vec<String> = text.split('/').map(String::from).collect();
        if let [base] = forms.as_slice() {
            match class {
                Class::Noun => forms.push(plural(base)),
                Class::Verb => forms = vec![base.clone(), inflected(base, past), inflected(base, present_participle)],
                Class::Adjective | Class::Other => {}
            }
        }
        Entry { forms }
    }
}

fn plural(noun: &str) -> String {
    match consonant_y_stem(noun) {
        Some(stem) => format!("{stem}ies"),
        None if noun.ends_with(['s', 'x']) || noun.ends_with("ch") || noun.ends_with("sh") => format!("{noun}es"),
        None => format!("{noun}s"),
    }
}

/// A verb phrase with its first word in another form.
fn inflected(phrase: &str, form: fn(&str) -> String) -> String {
    match phrase.split_once(' ') {
        Some((verb, rest)) => format!("{} {rest}", form(verb)),
        None => form(phrase),
    }
}

fn past(verb: &str) -> String {
    match (verb.strip_suffix('e'), consonant_y_stem(verb)) {
        (Some(stem), _) => format!("{stem}ed"),
        (_, Some(stem)) => format!("{stem}ied"),
        _ => format!("{verb}ed"),
    }
}

fn present_participle(verb: &str) -> String {
    format!("{}ing", verb.strip_suffix('e').unwrap_or(verb))
}

fn consonant_y_stem(verb: &str) -> Option<&str> {
    verb.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']))
}

/// `a` becomes `an` before a vowel, sentences begin with a capital, spaces stand single.
pub fn polished(text: &str) -> String {
    let mut polished = String::with_capacity(text.len());
    let mut pieces = text.split_whitespace().peekable();
    while let Some(piece) = pieces.next() {
        let article = matches!(piece.trim_start_matches('"'), "a" | "A");
        let begins_sentence = polished.is_empty() || polished.ends_with(['.', '!', '?']);
        if !polished.is_empty() && !piece.starts_with(['.', ',', '!', '?']) {
            polished.push(' ');
        }
        polished.push_str(&if begins_sentence { capitalised(piece) } else { piece.into() });
        if article && pieces.peek().is_some_and(|next| begins_with_vowel(next)) {
            polished.push('n');
        }
    }
    polished
}

/// The text with a capital first letter.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn begins_with_vowel(word: &str) -> bool {
    let word = word.to_lowercase();
    let sounds_otherwise = ["uni", "use", "one"].iter().any(|start| word.starts_with(start));
    word.starts_with(['a', 'e', 'i', 'o', 'u']) && !sounds_otherwise || word.starts_with("hour")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_forms() {
        let list = WordList::parse("verb go: try, bake, play, look at it, run/ran/running").unwrap();
        let past: Vec<&str> = list.entries.iter().map(|entry| entry.forms[1].as_str()).collect();
        let ing: Vec<&str> = list.entries.iter().map(|entry| entry.forms[2].as_str()).collect();
        let nouns = WordList::parse("noun thing: toy car, berry, boy, box, peach, leaf/leaves").unwrap();
        let plural: Vec<&str> = nouns.entries.iter().map(|entry| entry.forms[1].as_str()).collect();
        assert_eq!(plural, ["toy cars", "berries", "boys", "boxes", "peaches", "leaves"]);
        assert_eq!(past, ["tried", "baked", "played", "looked at it", "ran"]);
        assert_eq!(ing, ["trying", "baking", "playing", "looking at it", "running"]);
    }

    #[test]
    fn articles_capitals_and_spaces() {
        assert_eq!(
            polished("it was a  old oak. he saw a unicorn! \"a egg?\" he said."),
            "It was an old oak. He saw a unicorn! \"an egg?\" he said."
        );
    }

    #[test]
    fn shared_lists_hold_a_few_hundred_words() {
        let lists = shared();
        let count =
            |class| lists.iter().filter(|list| list.class == class).map(|list| list.entries.len()).sum::<usize>();
        assert!(count(Class::Noun) > 200 && count(Class::Adjective) > 100 && count(Class::Verb) > 40);
        assert!(lists.iter().all(|list| {
            list.entries.iter().all(|entry| entry.forms.iter().all(|form| form == form.trim() && !form.is_empty()))
        }));
    }
}

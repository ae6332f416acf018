//! Invariants of the built-in stories; readers on awkward files.

use stagediff::error::{Error, Result};
use stagediff::stories::{self, Feature, Field, Record, built_in, read, split};
use std::collections::HashSet;
use std::sync::OnceLock;

/// Twenty thousand records, written once.
fn many() -> &'static [Record] {
    static MANY: OnceLock<Vec<Record>> = OnceLock::new();
    MANY.get_or_init(|| built_in(20_000, 0))
}

/// Reads a file of this content, named for one test.
fn read_content(test: &str, content: impl AsRef<[u8]>) -> Result<Vec<Record>> {
    let path = std::env::temp_dir().join(format!("stagediff-stories-{}-{test}.txt", std::process::id()));
    std::fs::write(&path, content).unwrap();
    let records = read(&path);
    std::fs::remove_file(&path).unwrap();
    records
}

fn read_text(test: &str, content: &str) -> Vec<Record> {
    read_content(test, content).unwrap()
}

fn refusal(test: &str, content: impl AsRef<[u8]>) -> String {
    let error = read_content(test, content).unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    error.to_string()
}

fn text(record: &Record) -> String {
    record.story.join(" ")
}

fn fields(record: &Record) -> impl Iterator<Item = &Field> {
    record.fields.iter().chain(&record.fields_after)
}

/// Share of records with a field, or with a feature in it.
fn frac(records: &[Record], holds: impl Fn(&Record) -> bool) -> f64 {
    records.iter().filter(|record| holds(record)).count() as f64 / records.len() as f64
}

#[test]
fn no_two_stories_are_equal() {
    let told: HashSet<String> = many().iter().map(text).collect();
    assert_eq!(told.len(), 20_000);
}

#[test]
fn the_seed_decides_and_more_records_begin_with_the_same_ones() {
    assert_eq!(built_in(300, 0), many()[..300]);
    assert_ne!(built_in(10, 1), many()[..10]);
    assert!(built_in(0, 0).is_empty());
}

#[test]
fn header_fields_and_features_come_as_often_as_in_real_records() {
    let expected = [("Words", 0.78), ("Features", 0.76), ("Summary", 0.74), ("Random sentence", 0.26)];
    for (name, expected) in expected {
        let found = frac(many(), |record| fields(record).any(|field| field.name() == name));
        assert!((found - expected).abs() < 0.02, "{name}: {found}");
    }
    let expected = [
        (Feature::Dialogue, 0.54),
        (Feature::Twist, 0.20),
        (Feature::BadEnding, 0.12),
        (Feature::Foreshadowing, 0.10),
        (Feature::Conflict, 0.08),
        (Feature::MoralValue, 0.06),
    ];
    for (feature, expected) in expected {
        let found = frac(many(), |record| record.features().contains(&feature));
        assert!((found - expected).abs() < 0.03, "{feature}: {found}");
    }
}

#[test]
fn what_a_header_says_is_true_of_the_story() {
    for record in many() {
        let story = text(record);
        let told: HashSet<&str> = story.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
        for field in fields(record) {
            match field {
                Field::Features(features) => {
                    assert_eq!(features.contains(&Feature::Dialogue), story.contains('"'), "{record}");
                    assert_eq!(
                        features.contains(&Feature::MoralValue),
                        ["The moral of", "learned that", "learned to", "learned not"]
                            .iter()
                            .any(|said| story.contains(said)),
                        "{record}"
                    );
                }
                Field::Words(words) => {
                    assert!(words.len() == 3 && words.iter().all(|word| told.contains(word.as_str())), "{record}")
                }
                Field::RandomSentence(sentence) => assert!(story.contains(sentence.as_str()), "{record}"),
                Field::Summary(summary) => assert!(summary.len() > 20 && !summary.contains('"'), "{record}"),
                Field::Other { .. } => panic!("{record}"),
            }
        }
    }
}

#[test]
fn stories_have_the_length_of_tiny_stories() {
    let n_words = |record: &Record| text(record).split(' ').count();
    assert!(frac(many(), |record| (90..=220).contains(&n_words(record))) > 0.97);
    let n_words_with_header = |record: &Record| record.lines().join(" ").split(' ').count();
    assert!(frac(many(), |record| n_words_with_header(record) >= 110) > 0.97, "128 tokens are about 105 words");
}

#[test]
fn some_speech_is_in_upper_case() {
    let is_upper = |word: &str| word.len() > 1 && word.chars().all(char::is_uppercase);
    let shouted = frac(many(), |record| text(record).split(|c: char| !c.is_alphabetic()).any(is_upper));
    assert!((0.08..0.16).contains(&shouted), "{shouted}");
}

#[test]
fn a_summary_may_follow_the_story_but_some_field_always_stands_before_it() {
    let after = frac(many(), |record| !record.fields_after.is_empty());
    assert!((0.01..0.1).contains(&after), "{after}");
    assert!(many().iter().all(|record| !record.fields.is_empty() && !record.derived));
}

#[test]
fn written_records_are_read_back() {
    let records = &many()[..200];
    let content: String = records.iter().map(|record| format!("{record}\n")).collect();
    assert_eq!(read_text("round_trip", &content), records);
    assert_eq!(read_text("crlf", &content.replace('\n', "\r\n")), records);
    assert_eq!(read_text("blank_lines", &content.replace('\n', "\n\n")), records);
    assert_eq!(read_text("byte_order_mark", &format!("\u{feff}{content}")), records);
}

#[test]
fn headers_stand_in_any_order_and_on_several_lines() {
    let content = "Summary: An oak\nfalls.\nFeatures: Twist,Dialogue\nRandom sentence: It fell.\nStory: It fell.\n\nOh.\nSummary: Again.\n<|endoftext|>";
    let records = read_text("any_order", content);
    let expected = Record {
        fields: vec![
            Field::Summary("An oak falls.".into()),
            Field::Features(vec![Feature::Twist, Feature::Dialogue]),
            Field::RandomSentence("It fell.".into()),
        ],
        story: vec!["It fell.".into(), "Oh.".into()],
        fields_after: vec![Field::Summary("Again.".into())],
        derived: false,
    };
    assert_eq!(records, [expected]);
}

#[test]
fn unknown_header_lines_are_kept() {
    let other = |name: &str, value: &str| Field::Other { name: name.into(), value: value.into() };
    let records = read_text("unknown", "Title: The Oak\nFeatures: Rhyme\nWords:\nStory:\nIt fell.\n<|endoftext|>");
    assert_eq!(records[0].fields, [other("Title", "The Oak"), other("Features", "Rhyme")]);
    assert_eq!(records[0].to_string(), "Title: The Oak\nFeatures: Rhyme\nStory:\nIt fell.\n<|endoftext|>");
}

#[test]
fn a_cut_last_record_is_dropped_unless_it_looks_whole() {
    let whole = "Words: oak\nStory:\nThe oak fell.\n<|endoftext|>\n";
    let n_records = |test, rest: &str| read_text(test, &format!("{whole}{rest}")).len();
    assert_eq!(n_records("cut_story", "Words: oak\nStory:\nThe oak fe"), 1);
    assert_eq!(n_records("cut_header", "Words: oak, sa"), 1);
    assert_eq!(n_records("cut_before_story", "Words: oak\nStory:\n"), 1);
    assert_eq!(n_records("cut_after_sentence", "Words: oak\nStory:\nThe oak fell.\n"), 2);
    assert_eq!(n_records("cut_after_summary", "Story:\nThe oak fell.\nSummary: An oak fa"), 1);
}

#[test]
fn plain_stories_get_derived_headers() {
    let story = "The wolf ran home. \"Hello!\" said the clever fox. Both of them laughed about the yellow umbrella.";
    let records = read_text("plain", &format!("{story}\n<|endoftext|>\n").repeat(400));
    assert_eq!(records.len(), 400);
    for record in &records {
        assert!(record.derived && !record.fields.is_empty() && text(record) == story);
        for field in fields(record) {
            match field {
                Field::Features(features) => assert_eq!(features, &[Feature::Dialogue]),
                Field::Words(words) => {
                    assert!(words.len() == 3 && words.iter().all(|word| story.contains(word.as_str())))
                }
                Field::RandomSentence(sentence) => assert!(story.contains(sentence.as_str())),
                field => {
                    assert_eq!(field.value(), "The wolf ran home. Both of them laughed about the yellow umbrella.")
                }
            }
        }
    }
    let found = frac(&records, |record| fields(record).any(|field| field.name() == "Random sentence"));
    assert!((0.18..0.34).contains(&found), "{found}");
}

#[test]
fn a_file_that_cannot_be_read_is_refused_by_name() {
    let missing = std::env::temp_dir().join("stagediff-no-such-file.txt");
    let error = read(&missing).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("stagediff-no-such-file.txt"), "{error}");
    assert!(read(&std::env::temp_dir()).is_err());
}

#[test]
fn bad_files_are_refused_with_place_and_remedy() {
    assert!(refusal("empty", "").contains("empty"));
    assert!(refusal("blank", " \n\n<|endoftext|>\n").contains("empty"));
    assert!(refusal("neither", "Just some text.\nAnd more.").contains("neither a line `Story:` nor"));
    assert!(refusal("utf8", b"Story:\nfine\nb\xffd\n<|endoftext|>").contains("byte 13 (line 3) is not UTF-8"));
    assert!(refusal("only_cut", "Words: oak\nStory:\nThe oak fe").contains("no complete story"));
    let no_marks = refusal("no_marks", "Story:\nOne.\nStory:\nTwo.\n");
    assert!(no_marks.contains("line 3") && no_marks.contains("<|endoftext|>"), "{no_marks}");
    let storyless = refusal("storyless", "Words: oak\nStory:\nIt fell.\n<|endoftext|>\nWords: elm\n<|endoftext|>\n");
    assert!(storyless.contains("1 of 2 records") && storyless.contains("line 5"), "{storyless}");
}

#[test]
fn few_records_without_a_story_are_passed_over() {
    let content = format!("{}Words: elm\n<|endoftext|>\n", "Words: oak\nStory:\nIt fell.\n<|endoftext|>\n".repeat(150));
    assert_eq!(read_text("few_storyless", &content).len(), 150);
}

#[test]
fn the_split_is_seeded_and_shares_no_story() {
    let mut records = many()[..1000].to_vec();
    records.extend_from_slice(&many()[..100]);
    let halves = split(records.clone(), 0.1, 5);
    assert_eq!(halves.train.len() + halves.heldout.len(), 1100);
    let of = |records: &[Record]| records.iter().map(text).collect::<HashSet<String>>();
    assert!(of(&halves.train).is_disjoint(&of(&halves.heldout)));
    assert_eq!(of(&halves.heldout).len(), 100);
    assert_eq!(halves, split(records.clone(), 0.1, 5));
    assert_ne!(halves, split(records.clone(), 0.1, 6));
    assert!(split(records.clone(), 0.0, 0).heldout.is_empty() && split(records, 1.0, 0).train.is_empty());
}

#[test]
fn features_have_names() {
    for feature in Feature::ALL {
        assert_eq!(feature.to_string().parse::<Feature>().unwrap(), feature);
    }
    assert!("Rhyme".parse::<Feature>().unwrap_err().to_string().contains("Rhyme"));
    assert_eq!(Field::Features(vec![Feature::Dialogue, Feature::Twist]).to_string(), "Features: Dialogue, Twist");
    assert_eq!(stories::END_OF_TEXT, "<|endoftext|>");
}

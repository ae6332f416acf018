//! What a run stores of its stories it reads back as it was.

use crate::fixture::{Folder, assert_says};
use stagediff::experiment::{Part, Run, Settings};
use stagediff::stories::{Feature, Field, Record, Split, built_in, read};

fn record(fields: Vec<Field>, story: &[&str], fields_after: Vec<Field>) -> Record {
    let story = story.iter().map(|line| line.to_string()).collect();
    Record { fields, story, fields_after, derived: false }
}

/// Records that no text of stories would give back as they are.
fn odd() -> Vec<Record> {
    let other = |name: &str, value: &str| Field::Other { name: name.into(), value: value.into() };
    let words = |words: &[&str]| Field::Words(words.iter().map(|word| word.to_string()).collect());
    vec![
        record(vec![words(&["oak"])], &["Once.", "Words: are what she said.", "Story: that one."], vec![]),
        record(vec![words(&["a, b", "", " c "])], &[" blanks before and after ", "", "\t", "\r", "a\rb\nc"], vec![]),
        record(vec![other("Words", "oak"), other("Features", "Sad"), other("", "")], &["<|endoftext|>"], vec![]),
        record(vec![Field::Features(vec![])], &["\u{feff}\u{0}\u{2028}\"\\ ä 😀"], vec![Field::Summary(String::new())]),
        record(vec![], &[], vec![Field::RandomSentence("Words: no.".into()), Field::Summary("a\n\nb".into())]),
        Record { derived: true, ..record(vec![Field::Features(Feature::ALL.to_vec())], &["An oak."], vec![]) },
    ]
}

fn open(folder: &Folder, settings: Settings) -> Run {
    Run::open_in(folder.path(), settings).unwrap()
}

#[test]
fn records_of_every_kind_come_back_as_they_were() {
    let folder = Folder::new("stored_kinds");
    let run = open(&folder, Settings::new("smoke"));
    let text: String = built_in(300, 1).iter().map(|record| format!("{record}\n")).collect();
    let parsed = read(&folder.file("instruct.txt", text)).unwrap();
    let halves = Split { train: [built_in(2000, 0), parsed].concat(), heldout: odd() };
    run.save_stories(&halves).unwrap();
    assert!(run.all_records(Part::Train).unwrap() == halves.train);
    assert_eq!(run.all_records(Part::Heldout).unwrap(), halves.heldout);
}

#[test]
fn a_paragraph_that_begins_as_a_field_stays_a_paragraph() {
    let folder = Folder::new("stored_paragraphs");
    let story = |i: usize| format!("Oak {i} fell.\nWords: it had none.\nThe end.\n<|endoftext|>\n");
    let path = folder.file("plain.txt", (0..200).map(story).collect::<String>());
    let run = open(&folder, Settings { stories: Some(path), ..Settings::new("smoke") });
    let records = run.read_stories().unwrap();
    run.save_stories(&Split { train: records[20..].to_vec(), heldout: records[..20].to_vec() }).unwrap();
    let stored = [run.all_records(Part::Heldout).unwrap(), run.all_records(Part::Train).unwrap()].concat();
    assert_eq!(stored.iter().map(|record| record.story.len()).sum::<usize>(), 600);
    assert_eq!(stored, records);
}

#[test]
fn a_stored_file_that_was_changed_is_refused_by_line() {
    let folder = Folder::new("stored_damaged");
    let run = open(&folder, Settings::new("smoke"));
    run.save_stories(&Split { train: built_in(3, 0), heldout: built_in(1, 1) }).unwrap();
    let path = run.path("stories/train.jsonl");
    let good = std::fs::read_to_string(&path).unwrap();
    let refused = |content: String, said: &[&str]| {
        std::fs::write(&path, content).unwrap();
        run.record("stories/train.jsonl").unwrap(); // as if it had been written so
        assert_says(run.all_records(Part::Train), &[&["stories/train.jsonl", "run notebook 01 again"], said].concat());
    };
    refused(good[..good.len() - 10].into(), &["line 3", "the file ends within it"]);
    refused(good.replacen("\"derived\"", "\"derivd\"", 1), &["line 1", "derivd"]);
    refused(format!("{good}\n"), &["line 4"]);
}

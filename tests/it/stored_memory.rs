//! Memory does not grow with a folder of activations.
//!
//! By default folders of 8 and 64 MB are streamed. `STAGEDIFF_MEMORY_MB=1000,8000 cargo test --test it stored_memory --
//! --nocapture` streams others, and prints peaks and speed.

use crate::fixture::Folder;
use crate::story_memory::{peak_mib, peak_of, sizes_mb};
use stagediff::crosscoder::harvest::{ActivationStream, StoredActs, StreamConfig};
use stagediff::files::Weights;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// What the child process is to read.
const FOLDER: &str = "STAGEDIFF_MEMORY_FOLDER";
/// As preset `tiny` has them.
const N_HOOKS: usize = 5;
const WIDTH: usize = 128;
/// Tokens of a sequence, and sequences of a shard at most.
const SEQ: i64 = 128;
const N_SHARD: i64 = 1500;
const BATCH: i64 = 256;
/// Allowed growth of the peak: four bytes a token, no activations.
const MAX_GROWTH_MIB: f64 = 24.0;

/// A shard of so many tokens in float16, written without holding it.
fn write_shard(path: &Path, n_tokens: i64) {
    let n_bytes = n_tokens as usize * N_HOOKS * WIDTH * 2;
    let header =
        format!(r#"{{"acts":{{"dtype":"F16","shape":[{n_tokens},{N_HOOKS},{WIDTH}],"data_offsets":[0,{n_bytes}]}}}}"#);
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    let ones: Vec<u8> = (0..n_bytes.min(1 << 20)).map(|i| [0x01, 0x3c][i % 2]).collect(); // a little above 1
    let mut left = n_bytes;
    while left > 0 {
        let n = left.min(ones.len());
        file.write_all(&ones[..n]).unwrap();
        left -= n;
    }
    file.flush().unwrap();
}

fn write_folder(folder: &Path, n_bytes: u64) {
    std::fs::create_dir_all(folder).unwrap();
    let n_sequences = (n_bytes as usize / (SEQ as usize * N_HOOKS * WIDTH * 2)) as i64;
    let mut shards = Vec::new();
    for first in (0..n_sequences).step_by(N_SHARD as usize) {
        let (file, n_tokens) =
            (format!("acts-{:05}.safetensors", shards.len()), N_SHARD.min(n_sequences - first) * SEQ);
        write_shard(&folder.join(&file), n_tokens);
        shards.push(serde_json::json!({"file": file, "n_tokens": n_tokens}));
    }
    let range = |n: i64, kind: Kind| Tensor::arange(n, (kind, Device::Cpu));
    let mut tokens = Weights::new();
    tokens.insert("tokens", &range(n_sequences * SEQ, Kind::Int));
    tokens.insert("offsets", &(range(n_sequences + 1, Kind::Int64) * SEQ));
    tokens.write(folder.join("tokens.safetensors")).unwrap();
    let hooks: Vec<String> = (0..N_HOOKS).map(|i| format!("model.layers.{i}")).collect();
    let description = serde_json::json!({
        "format": "stagediff activations 1", "model": "none", "data": "none", "hook_points": hooks, "d_model": WIDTH,
        "dtype": "float16", "centred": false, "n_tokens": n_sequences * SEQ, "n_sequences": n_sequences, "shards": shards,
    });
    std::fs::write(folder.join("activations.json"), description.to_string()).unwrap();
}

/// Runs in a process of its own, started by the test below: one epoch, centred.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let before = peak_mib();
    let acts = StoredActs::open(folder).unwrap();
    let part = acts.part((0..acts.n_sequences()).collect(), true).unwrap();
    let scale = Tensor::ones([N_HOOKS as i64], (Kind::Float, Device::Cpu));
    let mut stream = ActivationStream::stored(&part, StreamConfig { scale, batch: BATCH, buffer_acts: 8192, seed: 0 });
    let (start, n_steps) = (Instant::now(), acts.n_tokens() / BATCH);
    for step in 0..n_steps {
        assert_eq!(stream.batch(step).unwrap().size(), [BATCH, N_HOOKS as i64, WIDTH as i64]);
    }
    let per_s = (n_steps * BATCH) as f64 / start.elapsed().as_secs_f64();
    println!("peak {:.1} before {before:.1} n_tokens {} activations_per_s {per_s:.0}", peak_mib(), acts.n_tokens());
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_folder() {
    let folder = Folder::new("stored-memory");
    let peaks = sizes_mb().into_iter().map(|mb| {
        let path = folder.join(&mb.to_string());
        write_folder(&path, mb * 1_000_000);
        let (peak, said) = peak_of("stored_memory::child", FOLDER, &path);
        println!("{mb} MB of activations: {said}");
        std::fs::remove_dir_all(&path).unwrap();
        peak
    });
    let peaks: Vec<f64> = peaks.collect();
    assert!(peaks.iter().all(|peak| peak - peaks[0] < MAX_GROWTH_MIB), "{peaks:?} MiB");
}

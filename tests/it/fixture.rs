//! Files of tests/fixtures as something to work on, comparisons, and folders that a test may write to. What holds the
//! library against the fixtures' numbers is in [`crate::parity`].

use serde_json::Value;
use stagediff::files::Weights;
use stagediff::processor::generator::seeded;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// A file or folder of tests/fixtures.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The tensors of one file.
pub fn tensors(name: &str) -> Tensors {
    Tensors(Weights::read(path(name), Device::Cpu).unwrap())
}

/// Tensors by name.
pub struct Tensors(Weights);

impl Tensors {
    pub fn get(&self, name: &str) -> Tensor {
        self.0.tensors.get(name).unwrap_or_else(|| panic!("no tensor {name} in {:?}", self.0)).shallow_clone()
    }
}

/// One JSON file.
pub fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// Largest magnitude of a tensor.
pub fn max_abs(tensor: &Tensor) -> f64 {
    tensor.detach().to_kind(Kind::Double).abs().max().double_value(&[])
}

/// Two tensors hold the same bits.
#[track_caller]
pub fn assert_same(found: &Tensor, expected: &Tensor) {
    assert_eq!((found.size(), found.kind()), (expected.size(), expected.kind()));
    assert!(found.equal(expected), "off by {:e}", max_abs(&(found - expected)));
}

/// Standard normal values of a seed.
pub fn normal(size: &[i64], seed: u64) -> Tensor {
    let _generator = seeded(seed);
    Tensor::randn(size, (Kind::Float, Device::Cpu))
}

/// An empty folder of one test, removed afterwards.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(test: &str) -> Folder {
        let dir = std::env::temp_dir().join(format!("stagediff-it-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Folder(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with this content.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What is done to a file before it is refused.
pub type Edit<'a, T> = dyn Fn(&mut T) + 'a;

/// The message of an error, which must hold each of `parts`.
#[track_caller]
pub fn assert_says<T>(result: stagediff::Result<T>, parts: &[&str]) {
    let message = result.err().expect("an error").to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

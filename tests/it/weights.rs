//! Safetensors files with a header.

use crate::fixture::{Folder, assert_same, assert_says};
use stagediff::files::{Weights, write_whole};
use tch::{Device, Kind, Tensor};

fn some() -> Weights {
    let mut weights = Weights::new();
    for kind in [Kind::Float, Kind::Half, Kind::BFloat16, Kind::Double, Kind::Int64, Kind::Int, Kind::Uint8, Kind::Bool]
    {
        weights.insert(format!("{kind:?}"), &Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]).to_kind(kind));
    }
    weights.insert("scalar", &Tensor::from(0.5f32));
    weights.insert("turned", &Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]).tr());
    for key in ["stage", "recipe", "model", "data", "hash"] {
        weights.describe(key, format!("{key} \"of\" ours"));
    }
    weights
}

#[test]
fn what_is_written_is_read() {
    let (folder, weights) = (Folder::new("weights_round_trip"), some());
    let path = folder.join("a/b/some.safetensors");
    weights.write(&path).unwrap();
    let again = Weights::read(&path, Device::Cpu).unwrap();
    assert_eq!(again.metadata, weights.metadata);
    assert_eq!(again.tensors.len(), weights.tensors.len());
    for (name, tensor) in &again.tensors {
        assert_same(tensor, &weights.tensors[name]);
    }
}

#[test]
fn equal_content_gives_equal_bytes_and_no_half_file_is_left() {
    let folder = Folder::new("weights_bytes");
    let bytes: Vec<Vec<u8>> = (0..5)
        .map(|i| {
            let path = folder.join(&format!("{i}.safetensors"));
            some().write(&path).unwrap();
            std::fs::read(&path).unwrap()
        })
        .collect();
    assert!(bytes.iter().all(|other| other == &bytes[0]));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[test]
fn a_write_that_fails_leaves_the_earlier_file() {
    let folder = Folder::new("weights_kept");
    let path = folder.file("some.safetensors", "earlier");
    let mut complex = Weights::new();
    complex.insert("z", &Tensor::zeros([1], (Kind::ComplexFloat, Device::Cpu)));
    assert_says(complex.write(&path), &["some.safetensors", "\"z\"", "not supported"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"earlier");
    std::fs::create_dir(folder.join("taken")).unwrap();
    assert_says(write_whole(&folder.join("taken"), b"later"), &["cannot access", "taken"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing half written is left");
}

#[test]
fn a_header_that_says_something_else_is_refused() {
    let weights = some();
    assert_eq!(weights.about("stage").unwrap(), "stage \"of\" ours");
    assert_says(weights.about("seed"), &["\"seed\"", "not a file of ours"]);
    assert_says(weights.expect("stage", "S"), &["stage is", "expected \"S\""]);
}

#[test]
fn an_empty_set_is_a_file() {
    let folder = Folder::new("weights_empty");
    let path = folder.join("empty.safetensors");
    Weights::new().write(&path).unwrap();
    let again = Weights::read(&path, Device::Cpu).unwrap();
    assert!(again.tensors.is_empty() && again.metadata.is_empty());
}

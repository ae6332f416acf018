//! PyTorch's own files: tests/interop/make_pytorch.py made them with torch.save.

use crate::fixture::{Folder, assert_same, assert_says};
use stagediff::files::Weights;
use std::path::PathBuf;
use tch::Device;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/pytorch").join(name)
}

fn read(name: &str) -> stagediff::Result<Weights> {
    Weights::read(path(name), Device::Cpu)
}

#[test]
fn every_kind_stride_and_offset_is_read() {
    let (found, expected) = (read("kinds.pt").unwrap(), read("kinds.safetensors").unwrap());
    assert_eq!(found.tensors.len(), 16);
    assert!(found.tensors.keys().eq(expected.tensors.keys()));
    for (name, tensor) in &found.tensors {
        assert_same(tensor, &expected.tensors[name]);
        assert!(tensor.is_contiguous(), "{name}");
    }
}

#[test]
fn tensors_of_one_storage_are_tensors_of_their_own() {
    let mut weights = read("kinds.pt").unwrap();
    let bottom = weights.tensors["bottom"].copy();
    let _ = weights.tensors.get_mut("top").unwrap().zero_();
    assert_same(&weights.tensors["bottom"], &bottom);
}

#[test]
fn attributes_and_plain_values_beside_tensors_are_passed_over() {
    let expected = &read("kinds.safetensors").unwrap().tensors["plain"];
    for file in ["mixed.pt", "protocol_4.pt", "state_dict.pt"] {
        let weights = read(file).unwrap();
        assert_eq!(weights.tensors.keys().collect::<Vec<_>>(), ["weight"], "{file}");
        assert_same(&weights.tensors["weight"], expected);
    }
}

#[test]
fn what_is_no_tensor_is_refused_by_name_and_not_executed() {
    for (file, name) in [
        ("os_system.pt", "posix.system"),
        ("module.pt", "torch.nn.modules.linear.Linear"),
        ("sparse.pt", "torch._utils._rebuild_sparse_tensor"),
    ] {
        assert_says(read(file), &[file, name, "nothing is executed"]);
    }
    assert!(!PathBuf::from("executed").exists());
    assert_says(read("before_1_6.pt"), &["before_1_6.pt", "older PyTorch"]);
    assert_says(read("compressed.pt"), &["compressed.pt", "is compressed"]);
    assert_says(read("none.pt"), &["cannot access", "none.pt"]);
}

#[test]
fn a_file_cut_short_anywhere_or_altered_in_a_storage_is_refused() {
    let (folder, whole) = (Folder::new("pytorch_damaged"), std::fs::read(path("kinds.pt")).unwrap());
    for end in (0..whole.len()).step_by(61) {
        let cut = folder.file("cut.pt", &whole[..end]);
        assert_says(Weights::read(&cut, Device::Cpu), &["cut.pt"]);
    }
    let cut = folder.file("cut.pt", &whole[..whole.len() / 2]);
    let size = format!("it has {} bytes", whole.len() / 2);
    assert_says(Weights::read(&cut, Device::Cpu), &["not a whole PyTorch file", &size]);

    let weights = read("kinds.pt").unwrap();
    let first = f32::try_from(weights.tensors["plain"].get(0).get(0)).unwrap().to_le_bytes();
    let place = whole.windows(4).position(|bytes| bytes == first).expect("the first value of the first storage");
    let mut altered = whole;
    altered[place] ^= 1;
    let altered = folder.file("altered.pt", altered);
    assert_says(Weights::read(&altered, Device::Cpu), &["altered.pt", "checksum"]);
}

/// A file of PyTorch with one storage of 64 KiB, named as often as asked.
fn naming_one_storage(folder: &Folder, n_names: usize) -> PathBuf {
    let tensor =
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nByteStorage\nX\x01\0\0\x000X\x03\0\0\0cpu\
        J\0\0\x01\0tQK\0J\0\0\x01\0\x85K\x01\x85\x89NtRq\x01";
    let mut pickle = [b"\x80\x02}(X\x04\0\0\0name".as_slice(), tensor].concat();
    for name in 1..n_names {
        pickle.extend(b"X\x04\0\0\0");
        pickle.extend(format!("{name:04}h\x01").bytes());
    }
    pickle.extend(b"u.");
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::FileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("a/data.pkl", pickle), ("a/data/0", vec![0; 1 << 16])] {
        file.start_file(name, stored).unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
    }
    folder.file("names.pt", file.finish().unwrap().into_inner())
}

#[test]
fn a_storage_that_is_named_without_end_is_refused() {
    let folder = Folder::new("pytorch_names");
    let weights = Weights::read(naming_one_storage(&folder, 15), Device::Cpu).unwrap();
    assert_eq!((weights.tensors.len(), weights.tensors["0014"].size()), (15, vec![1 << 16]));
    let said = ["names.pt", "its tensors take 6553600 bytes", "16 times"];
    assert_says(Weights::read(naming_one_storage(&folder, 100), Device::Cpu), &said);
}

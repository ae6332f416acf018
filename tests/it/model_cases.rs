//! Models as people bring them: what is read, and what is refused by name before anything is computed.

use crate::fixture::{self, Folder, assert_says};
use stagediff::files::Weights;
use stagediff::language_model::{GptNeo, Tokenizer};
use tch::Device;

/// What stands in a clone that was made without Git LFS.
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
    oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 163920\n";

#[test]
fn a_git_lfs_pointer_is_named_as_one_whatever_it_stands_for() {
    let folder = Folder::new("lfs");
    for name in ["a.safetensors", "a.bin", "a.pt", "a.safetensors.index.json"] {
        let said = [name, "Git LFS pointer", "163920 bytes", "git lfs pull"];
        assert_says(Weights::read(folder.file(name, POINTER), Device::Cpu), &said);
    }
    folder.file("vocab.json", "{}");
    folder.file("merges.txt", POINTER);
    assert_says(Tokenizer::load(folder.path()), &["merges.txt", "Git LFS pointer"]);
    folder.file("tokenizer.json", POINTER);
    assert_says(Tokenizer::load(folder.path()), &["tokenizer.json", "Git LFS pointer"]);
    folder.file("config.json", std::fs::read(fixture::path("gpt_neo/config.json")).unwrap());
    folder.file("model.safetensors", POINTER);
    assert_says(GptNeo::load(folder.path(), Device::Cpu), &["model.safetensors", "Git LFS pointer"]);
}

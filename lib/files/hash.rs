//! Hashes of files, in hexadecimal: SHA-256, and the SHA-1 by which git names a file's content.

use crate::{Error, Result};
use sha1::Sha1;
use sha2::Sha256;
use sha2::digest::{Digest, Output};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// SHA-256 of a file.
///
/// # Errors
/// The file cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    hashed(path, Sha256::new())
}

/// SHA-256 of bytes.
pub fn sha256_of(bytes: &[u8]) -> String {
    hexadecimal(Sha256::digest(bytes).as_slice())
}

/// The name of a file's content in git: SHA-1 of `blob LENGTH`, a zero byte and the content.
///
/// # Errors
/// The file cannot be read.
pub fn git_blob(path: &Path) -> Result<String> {
    let n_bytes = std::fs::metadata(path).map_err(Error::io(path))?.len();
    hashed(path, Sha1::new_with_prefix(format!("blob {n_bytes}\0")))
}

fn hashed<Hash: Digest + Write>(path: &Path, mut hash: Hash) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    std::io::copy(&mut file, &mut hash).map_err(Error::io(path))?;
    let bytes: Output<Hash> = hash.finalize();
    Ok(hexadecimal(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

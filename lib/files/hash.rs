//! SHA-256 of files and bytes, in hexadecimal.

use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::Path;

/// SHA-256 of a file.
///
/// # Errors
/// The file cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let (mut file, mut hash) = (File::open(path).map_err(Error::io(path))?, Sha256::new());
    std::io::copy(&mut file, &mut hash).map_err(Error::io(path))?;
    Ok(hexadecimal(&hash.finalize()))
}

/// SHA-256 of bytes.
pub fn sha256_of(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

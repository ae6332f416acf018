//! SHA-256 of files and bytes, in hexadecimal.

use crate::processor::memory::bytes;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;
use tch::Tensor;

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

/// SHA-256 of the values of tensors, one after the other.
pub(crate) fn sha256_of_tensors<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> String {
    let mut hash = Sha256::new();
    tensors.into_iter().for_each(|tensor| hash.update(bytes(tensor)));
    hexadecimal(&hash.finalize())
}

/// SHA-256 of files that were hashed before: one of the same path, length, time of change and inode is not read again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct KnownHashes(BTreeMap<String, Known>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    n_bytes: u64,
    changed_ns: u64,
    #[serde(default)]
    inode: u64,
    sha256: String,
}

impl KnownHashes {
    /// SHA-256 of a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sha256(&mut self, path: &Path) -> Result<String> {
        let about = std::fs::metadata(path).map_err(Error::io(path))?;
        let changed = about.modified().map_err(Error::io(path))?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (n_bytes, changed_ns, inode) = (about.len(), changed.as_nanos() as u64, about.ino());
        let key = path.display().to_string();
        if let Some(known) = self.0.get(&key)
            && (known.n_bytes, known.changed_ns, known.inode) == (n_bytes, changed_ns, inode)
        {
            return Ok(known.sha256.clone());
        }
        let sha256 = sha256(path)?;
        self.0.insert(key, Known { n_bytes, changed_ns, inode, sha256: sha256.clone() });
        Ok(sha256)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

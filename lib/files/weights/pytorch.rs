//! PyTorch's own files (`pytorch_model.bin`, `.pt`): a zip archive that holds a pickle and the storages it refers to.
//!
//! ```text
//! NAME/data.pkl     names, types, sizes and strides of the tensors
//! NAME/data/0, …    one storage each, little-endian
//! ```

use super::Weights;
use super::pickle::{self, View};
use super::shape;
use crate::{Error, Result};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};
use zip::{CompressionMethod, ZipArchive};

/// The first bytes of a zip archive.
const ZIP: &[u8] = b"PK";

/// Bytes of tensors to one of the file. Names may share a storage, as head and embedding do, and are tensors of their own
/// here: a small file could name one very often.
const MAX_BYTES_RATIO: u64 = 16;

/// Reads a file onto `device`. Every tensor gets memory of its own, also where the file's tensors share a storage.
///
/// # Errors
/// The file is missing, cut short, of before PyTorch 1.6, or holds more than tensors and plain containers.
pub(super) fn read(path: &Path, device: Device) -> Result<Weights> {
    let mut archive = Archive::open(path)?;
    let pickle = archive.entry("data.pkl")?;
    let mut storages: HashMap<(String, i64), Tensor> = HashMap::new();
    let mut weights = Weights { path: path.into(), ..Weights::default() };
    let views = pickle::tensors(&pickle).map_err(|reason| Error::invalid(path, reason))?;
    for (name, view) in &views {
        check(view).map_err(|reason| Error::invalid(path, format!("tensor {name:?} {reason}")))?;
    }
    archive.check_total(&views)?;
    for (name, view) in views {
        let key = (view.storage.clone(), view.n_stored);
        if !storages.contains_key(&key) {
            storages.insert(key.clone(), archive.storage(&view)?);
        }
        let tensor = storages[&key].f_view_dtype(view.kind)?.f_as_strided(&view.size, &view.stride, view.offset)?;
        weights.tensors.insert(name, tensor.f_contiguous()?.copy().to_device(device));
    }
    Ok(weights)
}

/// Checks that a view lies within its storage, and is not larger than it.
fn check(view: &View) -> std::result::Result<(), String> {
    let View { n_stored, offset, size, stride, .. } = view;
    let unsigned = |lengths: &[i64]| lengths.iter().map(|&length| length as u64).collect::<Vec<_>>();
    shape::check("size", unsigned(size).into_iter())?;
    shape::check("stride", unsigned(stride).into_iter())?;
    let n_elements = size.iter().try_fold(1i64, |product, &length| product.checked_mul(length));
    let last = size
        .iter()
        .zip(stride)
        .try_fold(*offset, |last, (length, step)| last.checked_add(length.checked_sub(1)?.checked_mul(*step)?));
    let is_sound = size.len() == stride.len()
        && [n_stored, offset].into_iter().chain(size).chain(stride).all(|&number| number >= 0)
        && n_elements.is_some_and(|n| n == 0 || n <= *n_stored && last.is_some_and(|last| last < *n_stored));
    if is_sound {
        return Ok(());
    }
    Err(format!("has size {size:?} and stride {stride:?} from element {offset}, its storage has {n_stored} elements"))
}

struct Archive {
    zip: ZipArchive<BufReader<File>>,
    /// The folder that all entries lie in.
    root: String,
    path: PathBuf,
    n_bytes: u64,
    /// Bytes of the file that no entry has been read from yet.
    n_unread: u64,
}

impl Archive {
    fn open(path: &Path) -> Result<Archive> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let n_bytes = file.metadata().map_err(Error::io(path))?.len();
        let mut start = [0; 2];
        let n_read = file.read(&mut start).map_err(Error::io(path))?;
        if start[..n_read] != *ZIP {
            let reason = "no zip archive, which PyTorch has written since 1.6: a file of an older PyTorch is not read, \
                          load and save it once with a newer one; a Git LFS pointer needs `git lfs pull`";
            return Err(Error::invalid(path, reason));
        }
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(path, &e))?;
        let root = zip.file_names().find_map(|name| name.strip_suffix("/data.pkl")).map(String::from);
        let root = root.ok_or_else(|| Error::invalid(path, "a zip archive without data.pkl: not a file of PyTorch"))?;
        let mut archive = Archive { zip, root, path: path.into(), n_bytes, n_unread: n_bytes };
        archive.check_byte_order()?;
        Ok(archive)
    }

    fn check_byte_order(&mut self) -> Result<()> {
        if !self.zip.file_names().any(|name| name == format!("{}/byteorder", self.root)) {
            return Ok(()); // before PyTorch 2.1
        }
        match self.entry("byteorder")?.as_slice() {
            b"little" => Ok(()),
            other => {
                let reason = format!("has byte order {:?}, only little is read", String::from_utf8_lossy(other));
                Err(Error::invalid(&self.path, reason))
            }
        }
    }

    /// The bytes of an entry. The archive's checksum is compared.
    fn entry(&mut self, name: &str) -> Result<Vec<u8>> {
        let mut entry = self.zip.by_name(&format!("{}/{name}", self.root)).map_err(|e| damaged(&self.path, &e))?;
        if entry.compression() != CompressionMethod::Stored {
            return Err(Error::invalid(&self.path, format!("its entry {name} is compressed: not a file of PyTorch")));
        }
        let n_bytes = entry.size().max(entry.compressed_size());
        self.n_unread = self.n_unread.checked_sub(n_bytes).ok_or_else(|| {
            let reason = format!("its entries have more bytes than the file, {}: they overlap", self.n_bytes);
            Error::invalid(&self.path, reason)
        })?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| damaged(&self.path, &e))?;
        Ok(bytes)
    }

    /// Checks that the tensors do not take far more memory than the file.
    fn check_total(&self, views: &[(String, View)]) -> Result<()> {
        let n_bytes = |view: &View| view.size.iter().product::<i64>() as u128 * view.kind.elt_size_in_bytes() as u128;
        let total: u128 = views.iter().map(|(_, view)| n_bytes(view)).sum();
        if total <= u128::from(MAX_BYTES_RATIO) * u128::from(self.n_bytes) {
            return Ok(());
        }
        let reason =
            format!("its tensors take {total} bytes, more than {MAX_BYTES_RATIO} times the file's {}", self.n_bytes);
        Err(Error::invalid(&self.path, reason))
    }

    /// The storage of a view as bytes.
    fn storage(&mut self, view: &View) -> Result<Tensor> {
        let name = format!("data/{}", view.storage);
        let bytes = self.entry(&name)?;
        let expected = view.n_stored as u128 * view.kind.elt_size_in_bytes() as u128;
        if bytes.len() as u128 != expected {
            let reason = format!("its entry {name} has {} bytes, expected {expected}", bytes.len());
            return Err(Error::invalid(&self.path, reason));
        }
        Ok(Tensor::f_from_data_size(&bytes, &[bytes.len() as i64], Kind::Uint8)?)
    }
}

fn damaged(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    let n_bytes = std::fs::metadata(path).map_or(0, |about| about.len());
    Error::invalid(
        path,
        format!("not a whole PyTorch file ({reason}); it has {n_bytes} bytes: copy or download it again"),
    )
}

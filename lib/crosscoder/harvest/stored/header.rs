//! A safetensors file of which only pieces are read.

use crate::files::{refuse_pointer, require_regular};
use crate::{Error, Result};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes that hold the header's length.
const N_LENGTH: u64 = 8;
/// A longer header names more tensors than such a file has.
const MAX_HEADER: u64 = 1 << 20;

/// An open file and what its header says.
pub(super) struct TensorFile {
    pub path: PathBuf,
    file: File,
    first_byte: u64,
    header: Metadata,
}

impl TensorFile {
    /// Opens a file and holds its header against its length.
    ///
    /// # Errors
    /// It is missing, no safetensors file, or shorter or longer than its header says.
    pub fn open(path: &Path) -> Result<TensorFile> {
        require_regular(path)?;
        refuse_pointer(path)?;
        let file = File::open(path).map_err(Error::io(path))?;
        let n_bytes = file.metadata().map_err(Error::io(path))?.len();
        let foreign = |reason: String| Error::invalid(path, format!("not a whole safetensors file: {reason}"));
        let mut length = [0; N_LENGTH as usize];
        let at_start = file.read_exact_at(&mut length, 0);
        at_start.map_err(|_| foreign(format!("it has {n_bytes} bytes, expected a header")))?;
        let n_header = u64::from_le_bytes(length);
        if n_header > MAX_HEADER.min(n_bytes - N_LENGTH) {
            return Err(foreign(format!("its header claims {n_header} bytes, the file has {n_bytes}")));
        }
        let mut header = vec![0; n_header as usize];
        file.read_exact_at(&mut header, N_LENGTH).map_err(Error::io(path))?;
        let header: Metadata = serde_json::from_slice(&header).map_err(|e| foreign(format!("its header: {e}")))?;
        let (first_byte, n_data) = (N_LENGTH + n_header, header.data_len() as u64);
        if first_byte.checked_add(n_data) != Some(n_bytes) {
            let reason =
                format!("it has {n_bytes} bytes, its header says {first_byte} + {n_data}: make or copy it again");
            return Err(foreign(reason));
        }
        Ok(TensorFile { path: path.into(), file, first_byte, header })
    }

    /// What the header says of a tensor, of one of some types.
    ///
    /// # Errors
    /// There is none of that name, or it has another type: it is named.
    pub fn tensor(&self, name: &str, dtypes: &[Dtype]) -> Result<&TensorInfo> {
        let there = || self.header.offset_keys().join(", ");
        let missing = || Error::invalid(&self.path, format!("has no tensor {name:?}; it has {}", there()));
        let info = self.header.info(name).ok_or_else(missing)?;
        if !dtypes.contains(&info.dtype) {
            let expected = dtypes.iter().map(|dtype| format!("{dtype:?}")).collect::<Vec<_>>().join(" or ");
            let reason = format!("tensor {name:?} has type {:?}, expected {expected}", info.dtype);
            return Err(Error::invalid(&self.path, reason));
        }
        Ok(info)
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.header.info(name).is_some()
    }

    /// Checks a tensor's shape.
    ///
    /// # Errors
    /// It is another one.
    pub fn check_shape(&self, name: &str, info: &TensorInfo, expected: &[i64]) -> Result<()> {
        let found: Vec<i64> = info.shape.iter().map(|&length| length as i64).collect();
        if found == expected {
            return Ok(());
        }
        Err(Error::Shape { name: name.into(), found, expected: expected.to_vec(), path: self.path.clone() })
    }

    /// Fills `bytes` with those of a tensor from byte `first` on.
    ///
    /// # Errors
    /// They cannot be read any more.
    pub fn read(&self, info: &TensorInfo, first: usize, bytes: &mut [u8]) -> Result<()> {
        let at = self.first_byte + (info.data_offsets.0 + first) as u64;
        self.file.read_exact_at(bytes, at).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Error::invalid(&self.path, "was cut off after it was opened"),
            _ => Error::io(&self.path)(error),
        })
    }
}

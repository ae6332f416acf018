//! Named tensors in safetensors files, with a metadata header that says what they are.
//!
//! Files are written beside their place and renamed, so a file is either whole or absent. A reader names the file, the
//! tensor and the shapes when something does not fit. PyTorch's own files are read too.

mod floats;
mod pickle;
mod pytorch;
mod shape;
mod shards;
mod wrapped;

pub(crate) use floats::{as_floats, dtype_name, refuse_unless};
pub(crate) use shards::Index;

use crate::files::{refuse_pointer, write_whole};
use crate::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Tensors by name, with the metadata of the file that they came from or go to.
#[derive(Default)]
pub struct Weights {
    /// The tensors.
    pub tensors: BTreeMap<String, Tensor>,
    /// Free text by key: format, stage, hashes.
    pub metadata: BTreeMap<String, String>,
    path: PathBuf,
}

impl Weights {
    /// An empty set.
    pub fn new() -> Weights {
        Weights::default()
    }

    /// Adds a tensor.
    pub fn insert(&mut self, name: impl Into<String>, tensor: &Tensor) {
        self.tensors.insert(name.into(), tensor.shallow_clone());
    }

    /// Adds a line of metadata.
    pub fn describe(&mut self, key: &str, value: impl ToString) {
        self.metadata.insert(key.into(), value.to_string());
    }

    /// The tensor called `name`.
    ///
    /// # Errors
    /// There is none of that name, or it has another shape than `shape`.
    pub fn get(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let tensor = self.tensors.get(name).ok_or_else(|| {
            let some: Vec<&str> = self.tensors.keys().take(3).map(String::as_str).collect();
            Error::invalid(&self.path, format!("has no tensor {name:?}; it begins with {}", some.join(", ")))
        })?;
        if tensor.size() != shape {
            let (found, expected) = (tensor.size(), shape.to_vec());
            return Err(Error::Shape { name: name.into(), found, expected, path: self.path.clone() });
        }
        Ok(tensor.shallow_clone())
    }

    /// The metadata under `key`.
    ///
    /// # Errors
    /// There is none.
    pub fn about(&self, key: &str) -> Result<&str> {
        let missing =
            || Error::invalid(&self.path, format!("its header says nothing about {key:?}: not a file of ours"));
        self.metadata.get(key).map(String::as_str).ok_or_else(missing)
    }

    /// Checks that the metadata under `key` is `expected`.
    ///
    /// # Errors
    /// It is something else; both are named.
    pub fn expect(&self, key: &str, expected: &str) -> Result<()> {
        let found = self.about(key)?;
        if found == expected {
            return Ok(());
        }
        Err(Error::invalid(&self.path, format!("{key} is {found:?}, expected {expected:?}")))
    }

    /// The file that the tensors were read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a file onto `device`: PyTorch's own if it is called `.bin`, `.pt` or `.pth`, the shards of an index if it is
    /// called `.json`, else safetensors. Nothing in a file is executed.
    ///
    /// # Errors
    /// The file is missing, cut short, or holds something else than tensors: what is refused is named.
    pub fn read(path: impl AsRef<Path>, device: Device) -> Result<Weights> {
        let path = path.as_ref();
        refuse_pointer(path)?;
        match path.extension().and_then(OsStr::to_str) {
            Some("bin" | "pt" | "pth") => pytorch::read(path, device),
            Some("json") => shards::read(path, device),
            _ => Weights::read_safetensors(path, device),
        }
    }

    fn read_safetensors(path: &Path, device: Device) -> Result<Weights> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let foreign = |reason: safetensors::SafeTensorError| {
            Error::invalid(
                path,
                format!("not a whole safetensors file ({reason}); it has {} bytes: make or copy it again", bytes.len()),
            )
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(foreign)?;
        let file = SafeTensors::deserialize(&bytes).map_err(foreign)?;
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            tensors.insert(name.to_string(), tensor_of(&view, path, name)?.to_device(device));
        }
        Ok(Weights { tensors, metadata, path: path.into() })
    }

    /// Writes the tensors and the metadata, whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut stored = Vec::new();
        for (name, tensor) in &self.tensors {
            stored.push((name, dtype_of(tensor.kind(), path, name)?, tensor.size(), bytes_of(tensor)));
        }
        let views = stored.iter().map(|(name, dtype, size, bytes)| {
            let shape = size.iter().map(|&dim| dim as usize).collect();
            TensorView::new(*dtype, shape, bytes).map(|view| (name.as_str(), view))
        });
        let views: Vec<_> =
            views.collect::<std::result::Result<_, _>>().map_err(|e| Error::invalid(path, e.to_string()))?;
        // an empty one beside no tensors would be written as no JSON
        let metadata: Option<HashMap<String, String>> =
            Some(self.metadata.clone().into_iter().collect()).filter(|lines: &HashMap<_, _>| !lines.is_empty());
        let bytes = safetensors::serialize(views, metadata).map_err(|e| Error::invalid(path, e.to_string()))?;
        write_whole(path, &sorted_header(bytes))
    }
}

impl FromIterator<(String, Tensor)> for Weights {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(tensors: I) -> Weights {
        Weights { tensors: tensors.into_iter().collect(), ..Weights::default() }
    }
}

/// The same file with the header's keys in order: the metadata comes out of a hash map, and equal content must give
/// equal bytes.
fn sorted_header(bytes: Vec<u8>) -> Vec<u8> {
    let n_header = u64::from_le_bytes(bytes[..8].try_into().expect("a header length")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + n_header]).expect("a JSON header");
    let mut sorted = header.to_string().into_bytes();
    sorted.resize(sorted.len().next_multiple_of(8), b' ');
    [&(sorted.len() as u64).to_le_bytes(), sorted.as_slice(), &bytes[8 + n_header..]].concat()
}

const DTYPES: [(Dtype, Kind); 8] = [
    (Dtype::F32, Kind::Float),
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::F64, Kind::Double),
    (Dtype::I64, Kind::Int64),
    (Dtype::I32, Kind::Int),
    (Dtype::U8, Kind::Uint8),
    (Dtype::BOOL, Kind::Bool),
];

fn tensor_of(view: &TensorView, path: &Path, name: &str) -> Result<Tensor> {
    let unknown =
        || Error::invalid(path, format!("tensor {name:?} has type {:?}, which is not supported", view.dtype()));
    let (_, kind) = DTYPES.into_iter().find(|(dtype, _)| *dtype == view.dtype()).ok_or_else(unknown)?;
    shape::check("shape", view.shape().iter().map(|&length| length as u64))
        .map_err(|reason| Error::invalid(path, format!("tensor {name:?} {reason}")))?;
    let size: Vec<i64> = view.shape().iter().map(|&length| length as i64).collect();
    Ok(Tensor::f_from_data_size(view.data(), &size, kind)?)
}

fn dtype_of(kind: Kind, path: &Path, name: &str) -> Result<Dtype> {
    let unknown = || Error::invalid(path, format!("tensor {name:?} has type {kind:?}, which is not supported"));
    DTYPES.into_iter().find(|(_, known)| *known == kind).map(|(dtype, _)| dtype).ok_or_else(unknown)
}

fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
    let n_elements = tensor.numel();
    let mut bytes = vec![0; n_elements * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, n_elements);
    bytes
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Weights({} tensors, {})", self.tensors.len(), self.path.display())
    }
}

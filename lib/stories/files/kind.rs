//! What kind of file stories lie in.

use crate::error::{Error, Result};
use crate::files::{refuse_pointer, require_regular};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// As much of a file as tells its kind.
const N_BYTES: u64 = 4096;

/// The mark at the beginning of UTF-8 text from Windows.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How the records of a file are cut from one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lines.
    Text,
    /// Objects: one a line, or in one array.
    Json,
    /// Rows.
    Parquet,
}

impl Kind {
    /// The kind of a file: by its first bytes, or by its name where it is `.json`, `.jsonl`, `.ndjson` or `.parquet`.
    ///
    /// # Errors
    /// No regular file, a Git LFS pointer, compressed, UTF-16, or named `.parquet` without being so.
    pub fn of(path: &Path) -> Result<Kind> {
        require_regular(path)?;
        refuse_pointer(path)?;
        let mut start = Vec::new();
        File::open(path).map_err(Error::io(path))?.take(N_BYTES).read_to_end(&mut start).map_err(Error::io(path))?;
        match foreign(&start) {
            Some(reason) => Err(Error::invalid(path, reason)),
            None => Kind::told_from(&start, &extension(path)).map_err(|reason| Error::invalid(path, reason)),
        }
    }

    fn told_from(start: &[u8], extension: &str) -> std::result::Result<Kind, &'static str> {
        match extension {
            _ if start.starts_with(b"PAR1") => Ok(Kind::Parquet),
            "parquet" => Err("no whole Parquet file: it does not begin with `PAR1`"),
            "json" | "jsonl" | "ndjson" => Ok(Kind::Json),
            _ if begins_as_json(start) => Ok(Kind::Json),
            _ => Ok(Kind::Text),
        }
    }
}

/// The end of a file's name, in lower case.
pub fn extension(path: &Path) -> String {
    path.extension().map(|end| end.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// What a file is whose first bytes show that it is none of the kinds, and what to do.
fn foreign(start: &[u8]) -> Option<&'static str> {
    const MARKS: [(&[u8], &str); 7] = [
        (b"\xff\xfe", "is UTF-16 text: convert it, for example with iconv -f UTF-16 -t UTF-8"),
        (b"\xfe\xff", "is UTF-16 text: convert it, for example with iconv -f UTF-16 -t UTF-8"),
        (b"\x1f\x8b", "is compressed (gzip): unpack it first"),
        (b"PK\x03\x04", "is compressed (zip): unpack it first"),
        (b"\x28\xb5\x2f\xfd", "is compressed (zstd): unpack it first"),
        (b"BZh", "is compressed (bzip2): unpack it first"),
        (b"\xfd7zXZ", "is compressed (xz): unpack it first"),
    ];
    MARKS.iter().find(|(mark, _)| start.starts_with(mark)).map(|(_, what)| *what)
}

/// Whether a text begins with an object, or with an array of objects.
fn begins_as_json(start: &[u8]) -> bool {
    let start = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start).trim_ascii_start();
    let object = start.strip_prefix(b"[").unwrap_or(start).trim_ascii_start();
    let first = object.strip_prefix(b"{").map(|inside| inside.trim_ascii_start());
    first.is_some_and(|key| key.starts_with(b"\""))
}

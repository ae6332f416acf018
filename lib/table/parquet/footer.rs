//! The footer of a Parquet file: `… metadata, its length (4 bytes), PAR1`.

use super::kind;
use super::thrift::Thrift;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Footers have some kilobytes, with thousands of row groups a few megabytes.
const MAX_FOOTER_BYTES: u64 = 16 << 20;

/// The length and the mark at the file's end.
const N_END_BYTES: u64 = 8;

/// Checks that a footer is whole, that its fields are of their kinds, and that no list in it claims more elements than it
/// has bytes.
///
/// # Errors
/// What is wrong.
pub fn check(file: &mut File) -> Result<(), String> {
    let unreadable = |e: std::io::Error| e.to_string();
    let n_bytes = file.metadata().map_err(unreadable)?.len();
    let mut end = [0; N_END_BYTES as usize];
    let at = n_bytes.checked_sub(N_END_BYTES).ok_or("it is shorter than its footer")?;
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut end)).map_err(unreadable)?;
    if &end[4..] != b"PAR1" {
        return Err("it does not end with `PAR1`: it may have been cut".into());
    }
    let n_footer = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    let Some(start) = at.checked_sub(n_footer).filter(|_| n_footer <= MAX_FOOTER_BYTES) else {
        return Err(format!("its footer claims {n_footer} bytes, of {n_bytes} and at most {MAX_FOOTER_BYTES}"));
    };
    let mut footer = vec![0; n_footer as usize];
    file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut footer)).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    Thrift::new(footer.as_slice(), n_footer)
        .numbers(kind::FILE, |_, _| ())
        .map_err(|reason| format!("its footer {reason}"))
}

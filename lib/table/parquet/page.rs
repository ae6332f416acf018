//! The pages of a column in one row group, of which only the headers are read.

use super::kind;
use super::thrift::Thrift;
use std::io::{BufRead, Seek, SeekFrom};
use std::ops::Range;

/// Pages have about a megabyte.
const MAX_PAGE_BYTES: i64 = 256 << 20;

/// Values that one page may have.
const MAX_PAGE_VALUES: i64 = 1 << 26;

/// A column in one row group, as the footer has it.
pub struct Chunk {
    /// Where its pages lie.
    pub bytes: Range<u64>,
    /// Values in them.
    pub n_values: i64,
    /// Rows of the row group; `None` where a row may have several values.
    pub n_rows: Option<usize>,
}

/// What pages hold when they are decoded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extent {
    /// Bytes of all.
    pub n_bytes: u64,
    /// Bytes of a row, by the mean of the page where that is largest.
    pub max_row_bytes: u64,
}

impl Extent {
    /// Both together.
    pub fn with(self, other: Extent) -> Extent {
        Extent { n_bytes: self.n_bytes + other.n_bytes, max_row_bytes: self.max_row_bytes.max(other.max_row_bytes) }
    }
}

impl Chunk {
    /// Goes through the headers of the pages, in a file of `n_file_bytes`.
    ///
    /// # Errors
    /// Pages and footer do not say the same, or a page is larger than any.
    pub fn extent(&self, file: &mut (impl BufRead + Seek), n_file_bytes: u64) -> Result<Extent, String> {
        let Range { start, end } = self.bytes;
        if start > end || end > n_file_bytes {
            return Err(format!("its bytes {start} to {end} are not in the file of {n_file_bytes}"));
        }
        if self.n_rows.is_some_and(|n_rows| self.n_values != n_rows as i64) {
            return Err(format!("{} values in {} rows", self.n_values, self.n_rows.unwrap_or_default()));
        }
        let (mut at, mut n_values, mut extent) = (start, 0, Extent::default());
        while n_values < self.n_values {
            file.seek(SeekFrom::Start(at)).map_err(|e| e.to_string())?;
            let (page, n_header_bytes) = Page::read(file, end - at)?;
            page.check(end - at - n_header_bytes)?;
            at += n_header_bytes + page.n_bytes_packed as u64;
            n_values += page.n_values;
            extent = extent.with(page.extent());
        }
        match n_values == self.n_values {
            true => Ok(extent),
            false => Err(format!("its pages have {n_values} values, the footer {}", self.n_values)),
        }
    }
}

/// The header of a page.
#[derive(Debug, Default)]
struct Page {
    n_bytes: i64,
    n_bytes_packed: i64,
    /// Of a page of data, zero of a dictionary.
    n_values: i64,
    n_values_in_dictionary: i64,
    n_level_bytes: [i64; 2],
}

impl Page {
    /// The header that begins where `file` stands, and its length.
    fn read(file: &mut impl BufRead, n_bytes_left: u64) -> Result<(Page, u64), String> {
        let mut page = Page::default();
        let mut thrift = Thrift::new(file, n_bytes_left);
        // PageHeader of Parquet's thrift file: 2 and 3 its sizes, 5 and 8 pages of data, 7 a dictionary
        let read = thrift.numbers(kind::PAGE, |path, number| match path {
            [2] => page.n_bytes = number,
            [3] => page.n_bytes_packed = number,
            [5, 1] | [8, 1] => page.n_values = number,
            [7, 1] => page.n_values_in_dictionary = number,
            [8, 5] => page.n_level_bytes[0] = number,
            [8, 6] => page.n_level_bytes[1] = number,
            _ => {}
        });
        read.map_err(|reason| format!("a page's header {reason}"))?;
        Ok((page, n_bytes_left - thrift.n_bytes_left()))
    }

    fn check(&self, n_bytes_left: u64) -> Result<(), String> {
        let Page { n_bytes, n_bytes_packed, n_values, n_values_in_dictionary, n_level_bytes: [first, second] } = self;
        if !(0..=n_bytes_left as i64).contains(n_bytes_packed) {
            return Err(format!("a page of {n_bytes_packed} bytes where {n_bytes_left} are left"));
        }
        if !(0..=MAX_PAGE_BYTES).contains(n_bytes) {
            return Err(format!("a page of {n_bytes} bytes, expected at most {MAX_PAGE_BYTES}"));
        }
        for n_values in [n_values, n_values_in_dictionary] {
            if !(0..=MAX_PAGE_VALUES).contains(n_values) {
                return Err(format!("a page of {n_values} values, expected at most {MAX_PAGE_VALUES}"));
            }
        }
        if *first < 0 || *second < 0 || first + second > *n_bytes {
            return Err(format!("a page of {n_bytes} bytes with levels of {first} and {second}"));
        }
        Ok(())
    }

    fn extent(&self) -> Extent {
        let n_bytes = self.n_bytes as u64;
        Extent { n_bytes, max_row_bytes: n_bytes.checked_div(self.n_values as u64).unwrap_or(0) }
    }
}

//! Records out of a file in which some may be unusable: a few are passed over, many are an error.

use crate::error::{Error, Result};
use crate::stories::record::Record;
use std::path::Path;
use std::sync::Arc;

/// A file with a larger share of unusable records is taken to be broken, or to be something else.
const MAX_UNUSABLE_FRAC: f64 = 0.01;

/// What a file gives in one place.
pub enum Piece {
    /// A record.
    Record(Record),
    /// A record that was cut off, which does not count.
    Cut,
    /// No record.
    Unusable {
        /// The file it should come from.
        file: Arc<Path>,
        /// Where in it, and perhaps why.
        place: String,
    },
}

impl Piece {
    /// No record: in which file, where in it, and perhaps why.
    pub fn unusable(file: &Arc<Path>, place: String) -> Piece {
        Piece::Unusable { file: file.clone(), place }
    }
}

/// The usable records. The error at the end says of how many records how many were not usable, and what the first was.
pub struct UsableRecords<Pieces> {
    pieces: Pieces,
    /// From the number of unusable records, of all records, and the first unusable one.
    complaint: fn(usize, usize, &str) -> String,
    n_unusable: usize,
    n_all: usize,
    first_unusable: Option<(Arc<Path>, String)>,
}

impl<Pieces: Iterator<Item = Result<Piece>>> UsableRecords<Pieces> {
    /// The records of `pieces`.
    pub fn of(pieces: Pieces, complaint: fn(usize, usize, &str) -> String) -> UsableRecords<Pieces> {
        UsableRecords { pieces, complaint, n_unusable: 0, n_all: 0, first_unusable: None }
    }

    /// Whether too many were passed over; said once.
    fn too_many_unusable(&mut self) -> Option<Error> {
        let (file, place) = self.first_unusable.take()?;
        let (n_bad, n_all) = (self.n_unusable, self.n_all);
        let complaint = || Error::invalid(file, (self.complaint)(n_bad, n_all, &place));
        (n_bad as f64 > MAX_UNUSABLE_FRAC * n_all as f64).then(complaint)
    }
}

impl<Pieces: Iterator<Item = Result<Piece>>> Iterator for UsableRecords<Pieces> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            match self.pieces.next() {
                Some(Ok(Piece::Record(record))) => {
                    self.n_all += 1;
                    return Some(Ok(record));
                }
                Some(Ok(Piece::Cut)) => {}
                Some(Ok(Piece::Unusable { file, place })) => {
                    self.first_unusable.get_or_insert((file, place));
                    self.n_all += 1;
                    self.n_unusable += 1;
                }
                Some(Err(error)) => return Some(Err(error)),
                None => return self.too_many_unusable().map(Err),
            }
        }
    }
}

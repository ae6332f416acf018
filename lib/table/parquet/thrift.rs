//! Thrift's compact protocol, in which Parquet's footer and page headers are written: the numbers of a struct, and whether
//! it is whole.

use super::kind::{Fields, Kind};
use std::io::Read;

/// Structs within structs; Parquet's have six.
const MAX_DEPTH: usize = 32;

/// What a number or a whole struct is wrong in.
type Result<T> = std::result::Result<T, String>;

/// Reads one struct that may have so many bytes.
pub struct Thrift<R> {
    input: R,
    n_bytes_left: u64,
}

impl<R: Read> Thrift<R> {
    /// A reader of the struct that begins where `input` stands.
    pub fn new(input: R, n_bytes: u64) -> Thrift<R> {
        Thrift { input, n_bytes_left: n_bytes }
    }

    /// Bytes that were not read.
    pub fn n_bytes_left(&self) -> u64 {
        self.n_bytes_left
    }

    /// Reads the struct of these fields, beside which it may have others; `each` gets its whole numbers, each with the ids
    /// of the fields that lead to it.
    ///
    /// # Errors
    /// It is not whole, a field is of another kind, or a list or text in it claims more than there is left.
    pub fn numbers(&mut self, fields: Fields, mut each: impl FnMut(&[i16], i64)) -> Result<()> {
        self.fields(fields, &mut Vec::new(), &mut each)
    }

    fn fields(&mut self, fields: Fields, path: &mut Vec<i16>, each: &mut dyn FnMut(&[i16], i64)) -> Result<()> {
        if path.len() > MAX_DEPTH {
            return Err("is nested too deep".into());
        }
        let mut id = 0i16;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Ok(());
            }
            id = match byte >> 4 {
                0 => self.number()? as i16,
                step => id.checked_add(i16::from(step)).ok_or("has a field without a number")?,
            };
            let expected = fields.iter().find(|(known, _)| *known == id).map(|(_, kind)| *kind);
            path.push(id);
            require(expected, byte & 15, path)?;
            if !matches!(byte & 15, 1 | 2) {
                self.value(byte & 15, expected, path, each)?;
            }
            path.pop();
        }
    }

    /// A value that is written as kind `kind`, which is the expected one where that is known.
    fn value(
        &mut self,
        kind: u8,
        expected: Option<Kind>,
        path: &mut Vec<i16>,
        each: &mut dyn FnMut(&[i16], i64),
    ) -> Result<()> {
        match kind {
            1..=3 => self.byte().map(drop), // in lists; a field's truth value stands in its kind
            4..=6 => {
                let number = self.number()?;
                each(path, number);
                Ok(())
            }
            7 => self.skip(8),
            8 => {
                let n_bytes = self.unsigned()?;
                self.skip(n_bytes)
            }
            9 | 10 => self.list(expected.and_then(Kind::element), path, each),
            11 => self.map(path, each),
            12 => self.fields(expected.map_or(&[], Kind::fields), path, each),
            _ => Err(format!("has a value of kind {kind}, which there is not")),
        }
    }

    fn list(&mut self, element: Option<Kind>, path: &mut Vec<i16>, each: &mut dyn FnMut(&[i16], i64)) -> Result<()> {
        let byte = self.byte()?;
        let n_values = if byte >> 4 == 15 { self.unsigned()? } else { u64::from(byte >> 4) };
        if n_values > 0 {
            require(element, byte & 15, path)?;
        }
        self.values(n_values, &[(byte & 15, element)], path, each)
    }

    fn map(&mut self, path: &mut Vec<i16>, each: &mut dyn FnMut(&[i16], i64)) -> Result<()> {
        let n_values = self.unsigned()?;
        let kinds = if n_values == 0 { 0 } else { self.byte()? };
        self.values(n_values, &[(kinds >> 4, None), (kinds & 15, None)], path, each)
    }

    /// So many values of each of these kinds in turn; each has a byte at least.
    fn values(
        &mut self,
        n: u64,
        kinds: &[(u8, Option<Kind>)],
        path: &mut Vec<i16>,
        each: &mut dyn FnMut(&[i16], i64),
    ) -> Result<()> {
        if n > self.n_bytes_left {
            return Err(format!("has a list of {n} values where {} bytes are left", self.n_bytes_left));
        }
        path.push(-1);
        if path.len() > MAX_DEPTH {
            return Err("is nested too deep".into());
        }
        for _ in 0..n {
            kinds.iter().try_for_each(|&(kind, expected)| self.value(kind, expected, path, each))?;
        }
        path.pop();
        Ok(())
    }

    fn skip(&mut self, n_bytes: u64) -> Result<()> {
        let n_left = self.n_bytes_left.checked_sub(n_bytes);
        self.n_bytes_left =
            n_left.ok_or_else(|| format!("has {n_bytes} bytes where {} are left", self.n_bytes_left))?;
        let skipped = std::io::copy(&mut self.input.by_ref().take(n_bytes), &mut std::io::sink());
        let n_skipped = skipped.map_err(|e| e.to_string())?;
        if n_skipped == n_bytes { Ok(()) } else { Err("is cut".into()) }
    }

    fn byte(&mut self) -> Result<u8> {
        self.n_bytes_left = self.n_bytes_left.checked_sub(1).ok_or("is cut")?;
        let mut byte = [0];
        self.input.read_exact(&mut byte).map_err(|e| e.to_string())?;
        Ok(byte[0])
    }

    /// A whole number of either sign: 0, -1, 1, -2, … are written as 0, 1, 2, 3, ….
    fn number(&mut self) -> Result<i64> {
        let written = self.unsigned()?;
        Ok((written >> 1) as i64 ^ -((written & 1) as i64))
    }

    /// Seven bits a byte, the low ones first; the eighth says that more follow.
    fn unsigned(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        Err("has a number of more than 64 bits".into())
    }
}

/// Refuses a value that is not written as the kind that it has.
fn require(expected: Option<Kind>, written: u8, path: &[i16]) -> Result<()> {
    match expected {
        Some(kind) if !kind.is(written) => {
            let fields: Vec<String> = path.iter().filter(|id| **id >= 0).map(i16::to_string).collect();
            Err(format!("has field {} as a value of kind {written}, which it is not", fields.join(".")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind::{Binary, I64, List, Struct};
    use super::*;

    fn numbers(bytes: &[u8]) -> Result<Vec<(Vec<i16>, i64)>> {
        numbers_of(&[], bytes)
    }

    fn numbers_of(fields: Fields, bytes: &[u8]) -> Result<Vec<(Vec<i16>, i64)>> {
        let mut found = Vec::new();
        Thrift::new(bytes, bytes.len() as u64).numbers(fields, |path, number| found.push((path.to_vec(), number)))?;
        Ok(found)
    }

    #[test]
    fn numbers_have_the_fields_that_lead_to_them() {
        // field 1: 150; field 3: a struct whose field 5 is -2; field 4: text; field 20: true
        let bytes = [0x15, 0xac, 0x02, 0x2c, 0x55, 0x03, 0x00, 0x18, 0x02, b'a', b'b', 0x01, 0x28, 0x00];
        assert_eq!(numbers(&bytes).unwrap(), [(vec![1], 150), (vec![3, 5], -2)]);
    }

    #[test]
    fn what_claims_more_than_there_is_is_refused() {
        assert!(numbers(&[0x15, 0xac]).unwrap_err().contains("cut"));
        assert!(numbers(&[0x19, 0xf5, 0xff, 0xff, 0x03, 0x00]).unwrap_err().contains("65535 values where 1 bytes"));
        assert!(numbers(&[0x18, 0x7f, 0x00]).unwrap_err().contains("127 bytes where 1 are left"));
        assert!(numbers(&[0x1c; 100]).unwrap_err().contains("too deep"));
        assert!(numbers(&[0x1d]).unwrap_err().contains("kind 13"));
    }

    #[test]
    fn what_is_written_as_another_kind_is_refused() {
        const FIELDS: Fields = &[(1, I64), (2, List(&Struct(&[(1, Binary)])))];
        // field 1: 150; field 2: a list of one struct whose field 1 is the text `a`; then fields nobody knows of
        let sound = [0x16, 0xac, 0x02, 0x19, 0x1c, 0x18, 0x01, b'a', 0x00, 0x15, 0x02, 0x00];
        assert_eq!(numbers_of(FIELDS, &sound).unwrap(), [(vec![1], 150), (vec![3], 1)]);
        for (at, kind, said) in [
            (0, 0x15, "field 1 as a value of kind 5"),
            (4, 0x15, "field 2 as a value of kind 5"),
            (5, 0x15, "field 2.1 as a value of kind 5"),
        ] {
            let mut altered = sound;
            altered[at] = kind;
            let refused = numbers_of(FIELDS, &altered).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
        assert_eq!(numbers_of(FIELDS, &[0x29, 0x00, 0x00]).unwrap(), [], "an empty list has no kind");
    }
}

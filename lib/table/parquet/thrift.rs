//! Thrift's compact protocol, in which Parquet's footer and page headers are written: the numbers of a struct, and whether
//! it is whole.

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

    /// Reads the struct; `each` gets its whole numbers, each with the ids of the fields that lead to it.
    ///
    /// # Errors
    /// It is not whole, or a list or text in it claims more than there is left.
    pub fn numbers(&mut self, mut each: impl FnMut(&[i16], i64)) -> Result<()> {
        self.fields(&mut Vec::new(), &mut each)
    }

    fn fields(&mut self, path: &mut Vec<i16>, each: &mut dyn FnMut(&[i16], i64)) -> Result<()> {
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
            path.push(id);
            if !matches!(byte & 15, 1 | 2) {
                self.value(byte & 15, path, each)?;
            }
            path.pop();
        }
    }

    fn value(&mut self, kind: u8, path: &mut Vec<i16>, each: &mut dyn FnMut(&[i16], i64)) -> Result<()> {
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
            9 | 10 => self.list(path, each),
            11 => self.map(path, each),
            12 => self.fields(path, each),
            _ => Err(format!("has a value of kind {kind}, which there is not")),
        }
    }

    fn list(&mut self, path: &mut Vec<i16>, each: &mut dyn FnMut(&[i16], i64)) -> Result<()> {
        let byte = self.byte()?;
        let n_values = if byte >> 4 == 15 { self.unsigned()? } else { u64::from(byte >> 4) };
        self.values(n_values, &[byte & 15], path, each)
    }

    fn map(&mut self, path: &mut Vec<i16>, each: &mut dyn FnMut(&[i16], i64)) -> Result<()> {
        let n_values = self.unsigned()?;
        let kinds = if n_values == 0 { 0 } else { self.byte()? };
        self.values(n_values, &[kinds >> 4, kinds & 15], path, each)
    }

    /// So many values of each of these kinds in turn; each has a byte at least.
    fn values(&mut self, n: u64, kinds: &[u8], path: &mut Vec<i16>, each: &mut dyn FnMut(&[i16], i64)) -> Result<()> {
        if n > self.n_bytes_left {
            return Err(format!("has a list of {n} values where {} bytes are left", self.n_bytes_left));
        }
        path.push(-1);
        if path.len() > MAX_DEPTH {
            return Err("is nested too deep".into());
        }
        for _ in 0..n {
            kinds.iter().try_for_each(|&kind| self.value(kind, path, each))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(bytes: &[u8]) -> Result<Vec<(Vec<i16>, i64)>> {
        let mut found = Vec::new();
        Thrift::new(bytes, bytes.len() as u64).numbers(|path, number| found.push((path.to_vec(), number)))?;
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
}

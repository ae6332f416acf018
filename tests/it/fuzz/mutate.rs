//! Bytes altered at random, by a seed.

/// Random numbers (splitmix64; Steele, Lea and Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Numbers at which readers fail.
const NUMBERS: [u64; 10] = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 1 << 40, u64::MAX];
/// Words at which readers of text fail.
const WORDS: [&str; 14] = [
    "-1",
    "0",
    "1e999",
    "9223372036854775807",
    "18446744073709551616",
    "null",
    "[]",
    "{}",
    "\"\"",
    "[[[[[[[[",
    "\\ud800",
    "NaN",
    "true",
    "\u{feff}",
];

/// The bytes with one to eight things done to them, more often near the beginning and the end, where formats have their
/// headers.
pub fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.below(8) {
        let n = bytes.len();
        if n == 0 {
            return bytes;
        }
        let at = match random.below(3) {
            0 => random.below(n),
            1 => random.below(n.min(600)),
            _ => n - 1 - random.below(n.min(600)),
        };
        let length = 1 + random.below(16.min(n - at));
        match random.below(9) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.of(&[0, 1, 0x7f, 0x80, 0xff, b'"', b'-', b'9', b'{', b'\n']),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..at + length)),
            5 => {
                let (from, piece) = (random.below(n), bytes[at..at + length].to_vec());
                bytes.splice(from..from, piece);
            }
            6 => drop(bytes.splice(at..at + length, random.of(&WORDS).bytes())),
            _ => {
                let width = random.of(&[1, 2, 4, 8]).min(n - at);
                bytes[at..at + width].copy_from_slice(&random.of(&NUMBERS).to_le_bytes()[..width]);
            }
        }
    }
    bytes
}

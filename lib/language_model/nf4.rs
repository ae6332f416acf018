//! NF4: 4-bit weights with quantised statistics (QLoRA, Dettmers et al. 2023; layout of bitsandbytes).
//!
//! A tensor is flattened row-major and cut into blocks of 64. Each block keeps its largest magnitude (absmax), and each
//! value the index of the nearest of 16 levels to value / absmax; two indices a byte, the first in the high nibble.
//! Double quantisation subtracts the mean of the absmax values and stores them as indices into a signed 8-bit map, in
//! blocks of 256: 4.127 bits a parameter in all.

use tch::{Kind, Tensor};

/// The 16 levels: quantiles of a normal distribution, with 0 and ±1 exact.
pub const LEVELS: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

const BLOCK: usize = 64;
const NESTED_BLOCK: usize = 256;

/// A tensor in NF4 with double quantisation.
#[derive(Clone, PartialEq)]
pub struct Nf4 {
    /// Two level indices a byte; an odd last low nibble is the level 0.
    pub packed: Vec<u8>,
    /// Map index of each block's absmax less the offset.
    pub absmax_codes: Vec<u8>,
    /// Largest magnitude of each 256 of (absmax − offset).
    pub nested_absmax: Vec<f32>,
    /// Mean of the absmax values.
    pub offset: f32,
    shape: Vec<i64>,
}

impl Nf4 {
    /// Quantises `weight` (any shape, float).
    pub fn quantise(weight: &Tensor) -> Nf4 {
        let (packed, absmax) = quantise_plain(weight);
        let offset = (absmax.iter().map(|&a| f64::from(a)).sum::<f64>() / absmax.len() as f64) as f32;
        let centred: Vec<f32> = absmax.iter().map(|a| a - offset).collect();
        let nested_absmax: Vec<f32> = centred.chunks(NESTED_BLOCK).map(largest_magnitude).collect();
        let map = dynamic_map();
        let code = |(i, value): (usize, &f32)| nearest(&map, ratio(*value, nested_absmax[i / NESTED_BLOCK])) as u8;
        let absmax_codes = centred.iter().enumerate().map(code).collect();
        Nf4 { packed, absmax_codes, nested_absmax, offset, shape: weight.size() }
    }

    /// The float tensor that the codes stand for, in the shape that was quantised, on the processor.
    pub fn dequantise(&self) -> Tensor {
        let absmax = self.absmax();
        let n_values: usize = self.shape.iter().product::<i64>() as usize;
        let value = |i: usize| {
            let byte = self.packed[i / 2];
            let level = if i.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
            LEVELS[level as usize] * absmax[i / BLOCK]
        };
        Tensor::from_slice(&(0..n_values).map(value).collect::<Vec<f32>>()).view(self.shape.as_slice())
    }

    /// Each block's absmax after double quantisation.
    pub fn absmax(&self) -> Vec<f32> {
        let map = dynamic_map();
        let value = |(i, &code): (usize, &u8)| map[code as usize] * self.nested_absmax[i / NESTED_BLOCK] + self.offset;
        self.absmax_codes.iter().enumerate().map(value).collect()
    }

    /// Bits stored for each value of the tensor.
    pub fn bits_per_value(&self) -> f64 {
        let n_bytes = self.packed.len() + self.absmax_codes.len() + 4 * self.nested_absmax.len() + 4;
        8.0 * n_bytes as f64 / self.shape.iter().product::<i64>() as f64
    }
}

/// Level indices and absmax of each block of 64, without double quantisation.
pub fn quantise_plain(weight: &Tensor) -> (Vec<u8>, Vec<f32>) {
    let values = floats(weight);
    let absmax: Vec<f32> = values.chunks(BLOCK).map(largest_magnitude).collect();
    (pack(&values, &absmax), absmax)
}

/// The signed dynamic 8-bit map: for each power of ten from 1e-6 to 1, twice as many evenly spread values as for the
/// one before, both signs, and 0 and 1; 256 in all, ascending. In float32 all the way, as bitsandbytes makes it.
pub fn dynamic_map() -> Vec<f32> {
    let mut map = vec![0.0, 1.0];
    for i in 0..7 {
        let n_values = 1 << i;
        let step = (1.0 - 0.1) / n_values as f32;
        let power_of_ten = 10f64.powi(i - 6) as f32;
        // torch.linspace(0.1, 1) counts from the nearer end, each value rounded once.
        let from_below = |k: usize| step.mul_add(k as f32, 0.1);
        let from_above = |k: usize| (-step).mul_add((n_values - k) as f32, 1.0);
        let edge = |k: usize| if 2 * k < n_values { from_below(k) } else { from_above(k) };
        for k in 0..n_values {
            let value = (edge(k) + edge(k + 1)) / 2.0 * power_of_ten;
            map.extend([value, -value]);
        }
    }
    map.sort_by(f32::total_cmp);
    map
}

fn pack(values: &[f32], absmax: &[f32]) -> Vec<u8> {
    let code = |i: usize| match values.get(i) {
        Some(&value) => nearest(&LEVELS, ratio(value, absmax[i / BLOCK])) as u8,
        None => nearest(&LEVELS, 0.0) as u8,
    };
    (0..values.len().div_ceil(2)).map(|i| code(2 * i) << 4 | code(2 * i + 1)).collect()
}

/// Index of the level nearest to `value`: the number of midpoints strictly below it, so a tie goes down.
fn nearest(levels: &[f32], value: f32) -> usize {
    levels.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).take_while(|&midpoint| midpoint < value).count()
}

fn ratio(value: f32, absmax: f32) -> f32 {
    if absmax > 0.0 { value / absmax } else { 0.0 }
}

fn largest_magnitude(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.detach().to_kind(Kind::Float).to_device(tch::Device::Cpu).contiguous().view(-1);
    Vec::try_from(&flat).expect("a flat float tensor")
}

impl std::fmt::Debug for Nf4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Nf4({:?}, {:.3} bits a value)", self.shape, self.bits_per_value())
    }
}

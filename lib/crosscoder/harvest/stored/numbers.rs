//! Activations as they lie in a file, as float32.

use crate::processor::simd::vectorised;
use serde::Deserialize;

/// A type of floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Dtype {
    Float32,
    BFloat16,
    Float16,
}

impl Dtype {
    /// Bytes of one number.
    pub fn n_bytes(self) -> usize {
        if self == Dtype::Float32 { 4 } else { 2 }
    }

    /// The type's name in a safetensors header.
    pub fn of_header(self) -> safetensors::tensor::Dtype {
        match self {
            Dtype::Float32 => safetensors::tensor::Dtype::F32,
            Dtype::BFloat16 => safetensors::tensor::Dtype::BF16,
            Dtype::Float16 => safetensors::tensor::Dtype::F16,
        }
    }

    /// Turns little-endian numbers into float32; whether all are finite.
    pub fn read(self, bytes: &[u8], acts: &mut [f32]) -> bool {
        match self {
            Dtype::Float32 => read_float32(bytes, acts),
            Dtype::BFloat16 => read_bfloat16(bytes, acts),
            Dtype::Float16 => read_float16(bytes, acts),
        }
        are_finite(acts)
    }
}

vectorised! {
    fn read_float32(bytes: &[u8], acts: &mut [f32]) {
        for (number, act) in bytes.as_chunks::<4>().0.iter().zip(acts) {
            *act = f32::from_le_bytes(*number);
        }
    }
}

vectorised! {
    fn read_bfloat16(bytes: &[u8], acts: &mut [f32]) {
        for (number, act) in bytes.as_chunks::<2>().0.iter().zip(acts) {
            *act = f32::from_bits(u32::from(u16::from_le_bytes(*number)) << 16);
        }
    }
}

vectorised! {
    /// Exponent and mantissa, moved to where float32 has them, are a number 2¹¹² times too small, subnormal ones included.
    fn read_float16(bytes: &[u8], acts: &mut [f32]) {
        const MAGNITUDE: u32 = 0x7fff;
        const INFINITE: u32 = 0x7c00;
        let factor = f32::from_bits((127 + 112) << 23);
        for (number, act) in bytes.as_chunks::<2>().0.iter().zip(acts) {
            let half = u32::from(u16::from_le_bytes(*number));
            let magnitude = (f32::from_bits((half & MAGNITUDE) << 13) * factor).to_bits();
            let not_finite = if half & MAGNITUDE >= INFINITE { 0x7f80_0000 } else { 0 };
            *act = f32::from_bits(magnitude | not_finite | (half & !MAGNITUDE) << 16);
        }
    }
}

vectorised! {
    fn are_finite(acts: &[f32]) -> bool {
        acts.iter().fold(true, |all, act| all & (act.abs() < f32::INFINITY))
    }
}

vectorised! {
    /// Removes the mean of each vector, hook point by hook point where `centre` says so.
    pub(super) fn centre(acts: &mut [f32], d_model: usize, centre: &[bool]) {
        for (vector, _) in acts.chunks_exact_mut(d_model).zip(centre.iter().cycle()).filter(|(_, centre)| **centre) {
            let mut sums = [0.0f32; 16];
            let (blocks, rest) = vector.as_chunks::<16>();
            for block in blocks {
                for (sum, value) in sums.iter_mut().zip(block) {
                    *sum += value;
                }
            }
            let mean = (sums.iter().sum::<f32>() + rest.iter().sum::<f32>()) / d_model as f32;
            for value in vector {
                *value -= mean;
            }
        }
    }
}

vectorised! {
    /// Multiplies the vectors of each hook point by its factor.
    pub(super) fn multiply(acts: &mut [f32], d_model: usize, scale: &[f32]) {
        for (vector, factor) in acts.chunks_exact_mut(d_model).zip(scale.iter().cycle()) {
            for value in vector {
                *value *= factor;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::simd::tests::{assert_same_bits_at_every_width, uneven};
    use tch::{Kind, Tensor};

    /// Every number of a 16-bit type is what libtorch makes of it.
    fn assert_all_as_in_torch(dtype: Dtype, kind: Kind) {
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let expected = Tensor::from_data_size(&bytes, &[1 << 16], kind).to_kind(Kind::Float);
        let (mut found, expected) = (vec![0.0; 1 << 16], Vec::<f32>::try_from(&expected).unwrap());
        assert!(!dtype.read(&bytes, &mut found));
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(), "{found} {expected}");
        }
    }

    #[test]
    fn sixteen_bits_are_read_as_in_torch() {
        assert_all_as_in_torch(Dtype::BFloat16, Kind::BFloat16);
        assert_all_as_in_torch(Dtype::Float16, Kind::Half);
    }

    #[test]
    fn what_is_not_finite_is_seen() {
        let mut acts = [0.0; 3];
        let bytes = |last: f32| [1.0, -2.0, last].map(f32::to_le_bytes).concat();
        assert!(Dtype::Float32.read(&bytes(f32::MAX), &mut acts));
        assert_eq!(acts, [1.0, -2.0, f32::MAX]);
        for last in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!Dtype::Float32.read(&bytes(last), &mut acts));
        }
    }

    #[test]
    fn chosen_hook_points_are_centred_and_all_are_scaled() {
        let mut acts = vec![1.0, 2.0, 3.0, 1.0, 2.0, 3.0];
        centre(&mut acts, 3, &[true, false]);
        multiply(&mut acts, 3, &[2.0, 0.5]);
        assert_eq!(acts, [-2.0, 0.0, 2.0, 0.5, 1.0, 1.5]);
        assert_same_bits_at_every_width(|| {
            let mut acts = uneven(3 * 37);
            centre(&mut acts, 37, &[true]);
            multiply(&mut acts, 37, &[0.3, 1.7, -2.0]);
            acts
        });
    }
}

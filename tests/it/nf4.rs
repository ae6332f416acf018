//! NF4 against bitsandbytes, bit for bit.

use crate::fixture::{self, Tensors, assert_close, assert_near, max_abs};
use stagediff::nf4::{LEVELS, Nf4, dynamic_map, quantise_plain};
use tch::{Kind, Tensor};

const CASES: [&str; 9] = [
    "normal",
    "two_nested_blocks",
    "zero_blocks",
    "short_last_block",
    "odd_length",
    "outlier",
    "code_values",
    "ties",
    "single_block",
];

fn cases() -> impl Iterator<Item = (&'static str, Tensors)> {
    CASES.into_iter().map(|case| (case, fixture::tensors(&format!("nf4/{case}.safetensors"))))
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    Vec::try_from(tensor).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(&tensor.view(-1)).unwrap()
}

#[test]
fn levels_and_map_are_those_of_bitsandbytes() {
    let codes = fixture::tensors("nf4/codes.safetensors");
    assert_eq!(LEVELS.to_vec(), floats(&codes.get("nf4_code")));
    // bitsandbytes builds its map in float32; ours is rounded once.
    assert_close(&Tensor::from_slice(&dynamic_map()), &codes.get("dynamic_map"), 6e-8);
}

#[test]
fn codes_are_equal_bit_for_bit() {
    for (case, expected) in cases() {
        let (packed, _) = quantise_plain(&expected.get("x"));
        assert_eq!(packed, bytes(&expected.get("packed")), "{case}");
        assert_eq!(Nf4::quantise(&expected.get("x")).packed, packed, "{case}");
    }
}

#[test]
fn the_largest_magnitude_of_each_block_is_equal() {
    for (case, expected) in cases() {
        let (_, absmax) = quantise_plain(&expected.get("x"));
        // bitsandbytes gives a short block of zeros a subnormal absmax; its values are zero all the same.
        let known: Vec<f32> =
            floats(&expected.get("absmax")).iter().map(|&a| if a.is_normal() { a } else { 0.0 }).collect();
        assert_eq!(absmax, known, "{case}");
    }
}

#[test]
fn codes_stand_for_level_times_largest_magnitude() {
    for (_, expected) in cases() {
        let (packed, absmax) = quantise_plain(&expected.get("x"));
        let nibbles = packed.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for (i, (code, value)) in nibbles.zip(floats(&expected.get("dequant"))).enumerate() {
            let absmax = absmax[i / 64];
            assert!((LEVELS[code as usize] * absmax - value).abs() <= 1e-6 * absmax);
        }
    }
}

#[test]
fn double_quantisation_is_that_of_bitsandbytes() {
    let known = fixture::json("nf4/expected.json");
    for (case, expected) in cases() {
        let nf4 = Nf4::quantise(&expected.get("x"));
        let tolerance = 1e-6 * max_abs(&expected.get("absmax"));
        assert_near(nf4.offset.into(), expected.get("dq.offset").double_value(&[]), 1e-6);
        assert_close(&Tensor::from_slice(&nf4.nested_absmax), &expected.get("dq.nested_absmax"), tolerance);
        if known["cases"][case]["nested_code_is_stable"].as_bool().unwrap() {
            assert_eq!(nf4.absmax_codes, bytes(&expected.get("dq.absmax_u8")), "{case}");
        }
        assert_close(&Tensor::from_slice(&nf4.absmax()), &expected.get("dq.absmax_dequant"), tolerance);
        assert_close(&nf4.dequantise(), &expected.get("dq.dequant"), tolerance);
    }
}

#[test]
fn an_outlier_flips_the_sign_of_whole_blocks_as_in_bitsandbytes() {
    let smallest =
        Nf4::quantise(&fixture::tensors("nf4/outlier.safetensors").get("x")).absmax().into_iter().fold(0.0, f32::min);
    assert_near(smallest.into(), -37.735_839_843_75, 1e-4);
}

#[test]
fn zeros_stay_zero() {
    let nf4 = Nf4::quantise(&Tensor::zeros([3, 50], (Kind::Float, tch::Device::Cpu)));
    assert_eq!(max_abs(&nf4.dequantise()), 0.0);
}

#[test]
fn a_value_takes_a_little_over_four_bits() {
    let square = Nf4::quantise(&fixture::normal(&[768, 768], 0));
    assert!((square.bits_per_value() - 4.127).abs() < 1e-3, "{square:?}");
}

#[test]
fn rows_are_laid_one_after_the_other_whatever_the_strides() {
    let x = fixture::normal(&[40, 30], 1);
    assert_eq!(Nf4::quantise(&x.tr().contiguous().tr()), Nf4::quantise(&x));
}

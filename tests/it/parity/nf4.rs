//! nf4/: 4-bit weights against bitsandbytes, bit for bit.

use super::case::Case;
use super::folder::{self, Tensors};
use crate::rounding::share;
use serde_json::Value;
use stagediff::language_model::nf4::{LEVELS, Nf4, dynamic_map, quantise_plain};
use tch::{Kind, Tensor};

pub const TESTS: &[fn()] = &[
    levels_and_map_are_those_of_bitsandbytes,
    codes_and_absmax_are_equal_bit_for_bit,
    codes_stand_for_level_times_absmax,
    double_quantisation_is_that_of_bitsandbytes,
];

/// Each case's name, what expected.json says of it, and its tensors.
fn each_case(check: impl Fn(&str, &Value, &Tensors)) {
    for (name, known) in folder::fields(&folder::json("nf4/expected.json"), "cases") {
        let sizes = (known["blocksize"].as_i64(), known["nested_blocksize"].as_i64());
        assert_eq!(sizes, (Some(64), Some(256)), "block sizes of {name}");
        check(name, known, &folder::tensors(&format!("nf4/{name}.safetensors")));
    }
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    Vec::try_from(tensor).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(&tensor.view(-1)).unwrap()
}

/// What a few roundings come to. The library quantises by loops of its own, with the same bits everywhere: only those of
/// the fixture differ.
fn few() -> f64 {
    share(16, Kind::Float)
}

/// Largest magnitude, to divide by.
fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().double_value(&[]).max(1e-30)
}

/// `codes.safetensors`: `nf4_code`, `dynamic_map`.
#[test]
fn levels_and_map_are_those_of_bitsandbytes() {
    let codes = folder::tensors("nf4/codes.safetensors");
    Case::exact("nf4/nf4_code").each_equal("levels", &LEVELS, &floats(&codes.get("nf4_code"))).check();
    Case::exact("nf4/dynamic_map").each_equal("map", &dynamic_map(), &floats(&codes.get("dynamic_map"))).check();
}

/// `x`, `packed`, `absmax` of every case.
#[test]
fn codes_and_absmax_are_equal_bit_for_bit() {
    each_case(|name, _, expected| {
        let x = expected.get("x");
        let (packed, absmax) = quantise_plain(&x);
        let known = bytes(&expected.get("packed"));
        let mut case = Case::exact(format!("nf4/{name} packed, absmax"));
        case.each_equal("packed, double quantised", &Nf4::quantise(&x).packed, &known);
        case.each_equal("packed", &packed, &known);
        // bitsandbytes gives a short block of zeros a subnormal absmax; its values are zero all the same.
        let to_zero = |absmax: f32| if absmax.is_normal() { absmax } else { 0.0 };
        let known: Vec<f32> = floats(&expected.get("absmax")).into_iter().map(to_zero).collect();
        case.each_equal("absmax", &absmax, &known).check();
    });
}

/// `dequant` of every case.
#[test]
fn codes_stand_for_level_times_absmax() {
    each_case(|name, _, expected| {
        let known = floats(&expected.get("dequant"));
        let (packed, absmax) = quantise_plain(&expected.get("x"));
        let codes = packed.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(known.len());
        let values: Vec<f32> = codes.enumerate().map(|(i, code)| LEVELS[code as usize] * absmax[i / 64]).collect();
        let mut case = Case::new(format!("nf4/{name} dequant, of the block's absmax"), few());
        for (block, (found, known)) in values.chunks(64).zip(known.chunks(64)).enumerate() {
            case.relative(&format!("block {block}"), &Tensor::from_slice(found), &Tensor::from_slice(known));
        }
        case.check();
    });
}

/// `dq.*` of every case; `smallest_absmax_after_double_quant`, which an outlier makes negative.
#[test]
fn double_quantisation_is_that_of_bitsandbytes() {
    each_case(|name, known, expected| {
        let nf4 = Nf4::quantise(&expected.get("x"));
        Case::new(format!("nf4/{name} dq.offset, relative"), few())
            .number("dq.offset", nf4.offset.into(), expected.get("dq.offset").double_value(&[]))
            .check();
        let known_codes = bytes(&expected.get("dq.absmax_u8"));
        let mut codes = Case::exact(format!("nf4/{name} dq.nested_code, dq.absmax_u8"));
        codes.each_equal("dq.nested_code", &dynamic_map(), &floats(&expected.get("dq.nested_code")));
        if known["nested_code_is_stable"].as_bool().unwrap() {
            codes.each_equal("dq.absmax_u8", &nf4.absmax_codes, &known_codes);
        }
        codes.check();
        let (absmax, unit) = (Tensor::from_slice(&nf4.absmax()), largest(&expected.get("absmax")));
        let smallest = folder::number(known, "smallest_absmax_after_double_quant");
        Case::new(format!("nf4/{name} dq.dequant and statistics, of the largest absmax"), few())
            .absolute(
                "dq.nested_absmax",
                &(Tensor::from_slice(&nf4.nested_absmax) / unit),
                &(expected.get("dq.nested_absmax") / unit),
            )
            .absolute("dq.absmax_dequant", &(&absmax / unit), &(expected.get("dq.absmax_dequant") / unit))
            .absolute("dq.dequant", &(nf4.dequantise() / unit), &(expected.get("dq.dequant") / unit))
            .number_absolute("smallest absmax", absmax.min().double_value(&[]) / unit, smallest / unit)
            .check();
    });
}

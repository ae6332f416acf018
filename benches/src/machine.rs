//! What the machine can do at most: multiply matrices, and copy memory.

use crate::Result;
use crate::answer::{Greeting, Turn, answer};
use crate::setup::{On, Setup};
use stagediff::crosscoder::Products;
use stagediff::tch::{self, Device, Kind, Tensor};
use std::io::BufRead;

/// Does what each line on standard input says, `product` or `copy`, and answers with a line of JSON: a process of its own,
/// so that its tensors do not count as a side's memory.
///
/// # Errors
/// The device is not there, or a line is neither.
pub fn serve(setup: &Setup) -> Result<()> {
    tch::set_num_threads(setup.n_threads as i32);
    let device = setup.device.device()?;
    answer(&Greeting::Ready("machine".into()))?;
    for line in std::io::stdin().lock().lines() {
        match line?.as_str() {
            "product" => answer(&matrix_product(device, setup.products))?,
            "copy" => answer(&copy(device))?,
            word => return Err(format!("unknown request {word:?}").into()),
        }
    }
    Ok(())
}

/// Rows and columns of the matrices whose product shows the peak.
fn n_rows(on: On) -> i64 {
    match on {
        On::Cpu => 1536,
        On::Cuda => 8192,
    }
}

/// Floating-point operations of that product.
pub fn product_flops(on: On) -> f64 {
    2.0 * n_rows(on).pow(3) as f64
}

/// Bytes that a copy reads and writes.
pub const COPY_BYTES: f64 = 2.0 * 4.0 * N_COPIED as f64;

/// 256 MiB of float32, more than caches hold.
const N_COPIED: i64 = 1 << 26;

/// A large matrix product, the second of two.
fn matrix_product(device: Device, products: Products) -> Turn {
    let (on, kind) = match (device, products) {
        (Device::Cpu, Products::Float32) => (On::Cpu, Kind::Float),
        (Device::Cpu, Products::Bf16) => (On::Cpu, Kind::BFloat16),
        (_, Products::Float32) => (On::Cuda, Kind::Float),
        (_, Products::Bf16) => (On::Cuda, Kind::BFloat16),
    };
    let draw = || Tensor::rand([n_rows(on), n_rows(on)], (Kind::Float, device)).to_kind(kind);
    let (a, b) = (draw(), draw());
    second(|| a.matmul(&b))
}

/// A copy of a large tensor, the second of two.
fn copy(device: Device) -> Turn {
    let from = Tensor::rand([N_COPIED], (Kind::Float, device));
    let mut to = from.empty_like();
    second(|| {
        to.copy_(&from);
        to.shallow_clone()
    })
}

/// Times the second of two; a number of the result is read each time, since a GPU goes on working until then.
fn second(mut work: impl FnMut() -> Tensor) -> Turn {
    let mut number = || work().flatten(0, -1).double_value(&[0]);
    number();
    Turn::of(|| vec![number()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_done_on_a_processor_in_either_precision() {
        for products in [Products::Float32, Products::Bf16] {
            let turn = matrix_product(Device::Cpu, products);
            assert!(turn.wall_s > 0.0 && turn.values[0] > 0.0, "{turn:?}");
        }
        assert!((0.0..1.0).contains(&copy(Device::Cpu).values[0]));
    }
}

//! What the machine can do at most: multiply matrices, and copy memory.

use crate::Result;
use crate::answer::{self, Turn};
use crate::setup::{On, Setup};
use stagediff::crosscoder::Precision;
use stagediff::tch::{self, Device, Kind, Tensor};

/// Does what each line says, `product` or `copy`: a process of its own, so that its tensors do not count as a side's memory.
///
/// # Errors
/// The device is not there, or a line is neither.
pub fn serve(setup: &Setup) -> Result<()> {
    tch::set_num_threads(setup.n_threads as i32);
    let device = setup.device.device()?;
    answer::serve("machine", |line| match line {
        "product" => Ok(matrix_product(setup, device)),
        "copy" => Ok(copy(device)),
        word => Err(format!("unknown request {word:?}").into()),
    })
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
fn matrix_product(setup: &Setup, device: Device) -> Turn {
    let n_rows = n_rows(setup.device);
    let kind = match setup.products {
        Precision::Float32 => Kind::Float,
        Precision::Bf16 => Kind::BFloat16,
    };
    let draw = || Tensor::rand([n_rows, n_rows], (Kind::Float, device)).to_kind(kind);
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
        for products in [Precision::Float32, Precision::Bf16] {
            let turn = matrix_product(&Setup { products, ..Setup::default() }, Device::Cpu);
            assert!(turn.wall_s > 0.0 && turn.values[0] > 0.0, "{turn:?}");
        }
        assert!((0.0..1.0).contains(&copy(Device::Cpu).values[0]));
    }
}

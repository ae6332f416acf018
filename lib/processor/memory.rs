//! A tensor's memory as a slice, for loops that libtorch has no operation for.

use tch::{Device, Kind, Tensor};

/// The values of a contiguous float32 tensor on the processor.
pub(crate) fn floats(tensor: &Tensor) -> &[f32] {
    check(tensor);
    // SAFETY: contiguous float32 on the processor (checked), alive as long as the borrow.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr() as *const f32, tensor.numel()) }
}

/// The same to write to. Other handles on the tensor see what is written.
pub(crate) fn floats_mut(tensor: &mut Tensor) -> &mut [f32] {
    check(tensor);
    // SAFETY: as above; the exclusive borrow keeps this handle from being used meanwhile.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr() as *mut f32, tensor.numel()) }
}

/// A copy of any tensor's values, as they lie in memory.
pub(crate) fn bytes(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let n_bytes = tensor.numel() * tensor.kind().elt_size_in_bytes();
    // SAFETY: contiguous on the processor, alive as long as it is read.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr() as *const u8, n_bytes) }.to_vec()
}

fn check(tensor: &Tensor) {
    assert!(
        tensor.is_contiguous() && tensor.kind() == Kind::Float && tensor.device() == Device::Cpu,
        "a contiguous float32 tensor on the processor, not {tensor:?}"
    );
}

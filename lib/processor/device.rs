//! Where tensors live: the processor, or a GPU where libtorch has its CUDA library.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use tch::Device;

/// The GPU if libtorch sees one, else the processor.
///
/// The linker drops libtorch's CUDA library, because no symbol of it is used; it is opened here, before libtorch is
/// first asked, so that one binary runs with and without a GPU.
pub fn best() -> Device {
    open_cuda_library();
    Device::cuda_if_available()
}

fn open_cuda_library() {
    let Some(dir) = libtorch_dir() else { return };
    let path = dir.join("libtorch_cuda.so");
    let Ok(path) = CString::new(path.into_os_string().into_encoded_bytes()) else { return };
    // SAFETY: `path` is a NUL-terminated string that outlives the call; a missing library gives a null handle.
    unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
}

/// The folder of the libtorch_cpu.so that this process has loaded.
fn libtorch_dir() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    let path = &line[line.find('/')?..];
    Some(Path::new(path).parent()?.to_path_buf())
}

/// A description for the run's manifest: `cpu (2 threads)` or `cuda:0`.
pub fn describe(device: Device) -> String {
    match device {
        Device::Cpu => format!("cpu ({} threads)", tch::get_num_threads()),
        Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

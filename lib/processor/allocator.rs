//! Settings of the C library's allocator, which gives libtorch its tensors' memory.

/// From now on the C library keeps what is freed, up to 32 MiB a piece. libtorch allocates every tensor anew; memory that
/// goes back to the system and comes again is cleared page by page, which took up to a tenth of a language model's step.
#[cfg(target_env = "gnu")]
pub fn keep_freed() {
    use std::ffi::c_int;
    use std::sync::Once;

    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_THRESHOLD: c_int = -3;
    unsafe extern "C" {
        fn mallopt(param: c_int, value: c_int) -> c_int;
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: sets two numbers of the allocator; one that it does not take changes nothing.
        unsafe {
            mallopt(M_MMAP_THRESHOLD, 32 << 20); // the most that glibc takes
            mallopt(M_TRIM_THRESHOLD, -1); // never
        }
    });
}

/// Other C libraries do as they do.
#[cfg(not(target_env = "gnu"))]
pub fn keep_freed() {}

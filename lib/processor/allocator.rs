//! Settings of the C library's allocator, which gives libtorch its tensors' memory.

/// From now on the C library keeps what is freed, up to 32 MiB a piece. For programs to call once, when they start: it
/// is the process's setting, so no function that computes makes it.
///
/// libtorch allocates every tensor anew; memory that goes back to the system and comes again is cleared page by page,
/// which took up to a tenth of a language model's step. C libraries other than GNU's do as they do.
pub fn keep_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets two numbers of the allocator; one that it does not take changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20); // the most that glibc takes
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1); // never
    }
}

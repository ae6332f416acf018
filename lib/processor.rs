//! Where tensors live, and what libtorch lacks on a processor: loops that vectorise, threads that are shared with it, a
//! tensor's memory as a slice, an allocator that keeps what is freed. And its generator of random numbers, for one thread
//! at a time.

pub mod allocator;
pub mod device;
pub mod generator;
pub(crate) mod memory;
pub(crate) mod parallel;
pub(crate) mod simd;

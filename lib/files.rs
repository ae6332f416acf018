//! Files that are whole or absent, their hashes, named tensors in other libraries' formats, and the hub's cache.

pub mod hash;
pub mod hub;
pub(crate) mod weights;
mod whole;

pub use weights::Weights;
pub use whole::write_whole;
pub(crate) use whole::write_whole_with;

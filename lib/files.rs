//! Files that are whole or absent, their hashes, named tensors in other libraries' formats, and the hub's cache.

pub mod hash;
pub mod hub;
mod pointer;
pub(crate) mod weights;
mod whole;

pub(crate) use pointer::refuse_pointer;
pub use weights::Weights;
pub use whole::write_whole;
pub(crate) use whole::write_whole_with;

//! Files that are whole or absent, their hashes, named tensors in other libraries' formats, and the hub's cache.

pub mod hash;
pub mod hub;
mod pointer;
mod regular;
pub(crate) mod weights;
mod whole;

pub(crate) use pointer::{read_text, refuse_pointer};
pub(crate) use regular::require_regular;
pub use weights::Weights;
pub(crate) use whole::{remove_left_over, write_whole_with};
pub use whole::{write_folder_whole, write_whole};

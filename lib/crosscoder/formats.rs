//! Crosscoders in files: our own ([`Crosscoder::save`](crate::crosscoder::Crosscoder::save)) and those of other libraries.
//!
//! Every tensor of a file is used, or the file is refused and the tensor named.

mod any;
mod hooks;
pub mod model_diffing;
mod native;
pub mod sae_lens;
mod tensors;

pub use any::load;

//! Crosscoders in files: our own ([`Crosscoder::save`](crate::crosscoder::Crosscoder::save)) and those of other libraries.

pub mod model_diffing;
mod native;
pub mod sae_lens;

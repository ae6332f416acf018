//! One training step of a crosscoder, by the way that is fastest for the batch at hand. In reading order:
//!
//! | | |
//! |---|---|
//! | `forward` | code, reconstruction and losses, in tensors |
//! | `general` | the backward pass in tensors, by the chain rule: any device, any precision |
//! | `terms` | the same formula for one (token, latent) pair, which both fast ways share |
//! | `encode` | the encoder's product, and the choice of the way on |
//! | `dense` | many latents fire: five products, and one pass over all pairs between them |
//! | `sparse`, `pairs` | few fire: the work goes with the pairs that are active |
//! | `optimiser` | Adam along the gradients |
//! | `together` | a step that several processes take |

mod decoder_rows;
mod dense;
mod encode;
mod forward;
mod general;
mod optimiser;
mod pairs;
mod report;
mod sparse;
mod terms;
mod together;
mod workspace;

pub use forward::total_loss;
pub use general::gradients;
pub use optimiser::Optimiser;
pub use report::{BatchGradients, StepReport};

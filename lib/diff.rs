//! Which latents turned between two dictionaries, and in which quadrant that puts them: numbers in, numbers out.
//!
//! ```
//! use stagediff::diff::{Cuts, Quadrant, cosines};
//! use tch::Tensor;
//!
//! let before = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0]).view([2, 2]); // [latent, hook · d_model]
//! let after = Tensor::from_slice(&[0.0f32, 1.0, 0.0, 1.0]).view([2, 2]);
//! let turned = cosines(&before, &after);
//! assert_eq!(Cuts::fixed(0.7).quadrants(&turned, &turned), [Quadrant::Both, Quadrant::Neither]);
//! ```

mod assignment;
mod quadrants;
mod rotation;

pub use assignment::assignment;
pub use quadrants::{
    Arms, Cuts, Population, Quadrant, Share, against_null, null_p_values, null_q_values, over_matched_null, shares,
};
pub use rotation::{DecoderSpace, cosine, cosines, cosines_without_each};

//! Models and texts of a user's own: two models, two kinds of text, and which latents changed between them.
//!
//! | | what it is |
//! |---|---|
//! | [`take_texts`] | both kinds of text, split into a part to train on and a held-out one |
//! | [`take_models`] | the models that are given; what is not is tuned here |
//! | [`pair_rows`] | what each model makes of each kind of text |
//! | [`changed_rows`] | the latents that turned furthest on both axes, and what they fire on |
//! | [`example`], [`given_or_example`] | the models and data of a run of this project as if they came from elsewhere |
//! | [`findings`] | the same in sentences |

mod changed;
mod example;
pub mod findings;
mod labels;
mod pair;
mod texts;

pub use changed::changed_rows;
pub use example::{example, given_or_example};
pub use pair::{pair_rows, take_models};
pub use texts::take_texts;

pub(super) use labels::all_labelled;

//! What a run is asked to be, and how it is said: by options, in one environment variable, as a place on the hub.
//!
//! For programs with and without libtorch: `cargo xtask` reads the command line before libtorch is there.
#![warn(missing_docs)]

mod error;
mod location;
pub mod openmp;
pub mod options;
mod settings;

pub use error::{Error, Result};
pub use location::{Kind, Location};
pub use settings::{BaseModel, PRESETS, RECIPES, STORY_COLUMN, Settings, VARIABLE, unknown};

//! What a run is asked to be, and how it is said: by options, in one environment variable, as a place on the hub; and
//! what the programs that do it are given when they start, and which notebooks they run.
//!
//! For programs with and without libtorch: `cargo xtask` reads the command line before libtorch is there.
#![warn(missing_docs)]

pub mod child;
mod error;
mod hub_cache;
mod location;
pub mod openmp;
pub mod options;
mod overrides;
mod series;
mod settings;

pub use error::{Error, Result};
pub use hub_cache::hub_cache;
pub use location::{Kind, Location};
pub use overrides::{Overrides, VARIABLE};
pub use series::Series;
pub use settings::{BaseModel, CROSSCODER, OWN, PRESETS, RECIPES, STORY_COLUMN, Settings, TEXT_COLUMN, unknown};

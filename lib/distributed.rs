//! One training on several processes, on one machine or several.
//!
//! `torchrun`, `srun` and `mpirun` start the same program several times and say to each which it is ([`Launch`]).
//! [`join`] brings them together as a [`ProcessGroup`], over the engine that libtorch has with it: c10d's store, and Gloo
//! for what is computed together. No process is more than another, but the first one writes the files.
//!
//! The engine is compiled with the feature `distributed`. Without it a program that is started several times says so.

#[cfg(not(feature = "distributed"))]
mod absent;
mod agree;
#[cfg(feature = "distributed")]
mod c10d;
mod group;
mod launch;

#[cfg(not(feature = "distributed"))]
use absent as engine;
#[cfg(feature = "distributed")]
use c10d as engine;

pub use group::{ProcessGroup, join};
pub use launch::{Launch, LocalRank};

/// What an engine gives, or what it says is wrong.
type Said<T> = std::result::Result<T, String>;

//! What every training needs: Adam, schedules, seeded orders of batches, checkpoints, an ear for who wants it to stop.

pub mod adam;
pub mod checkpoint;
pub(crate) mod notice;
pub(crate) mod pace;
pub mod schedule;
pub mod shuffle;
pub(crate) mod stop;

pub use pace::LogLine;

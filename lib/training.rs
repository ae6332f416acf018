//! What every training needs: Adam, schedules, seeded orders of batches, checkpoints.

pub mod adam;
pub mod checkpoint;
pub mod schedule;
pub mod shuffle;

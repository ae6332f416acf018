//! Which latents turned between two dictionaries, and in which quadrant that puts them: numbers in, numbers out.

pub mod quadrants;
pub mod rotation;

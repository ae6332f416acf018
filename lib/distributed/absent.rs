//! In the place of the engine, where it is not compiled: nobody joins.

use super::Said;
use super::launch::Launch;
use crate::{Error, Result};
use std::time::Duration;
use tch::Tensor;

/// What cannot be had.
pub(super) enum Engine {}

impl Engine {
    pub fn join(launch: &Launch, _start: Duration, _each: Duration) -> Result<Engine> {
        let expected = "expected 1, or a program with the engine: build it with `--features distributed`";
        Err(Error::setting("number of processes", launch.world_size, expected))
    }

    pub fn all_reduce(&self, _tensor: &mut Tensor, _takes_max: bool) -> Said<()> {
        match *self {}
    }

    pub fn broadcast(&self, _tensor: &mut Tensor) -> Said<()> {
        match *self {}
    }

    pub fn all_gather(&self, _all: &mut Tensor, _own: &mut Tensor) -> Said<()> {
        match *self {}
    }

    pub fn gather(&self, _all: &mut Tensor, _own: &mut Tensor) -> Said<()> {
        match *self {}
    }

    pub fn barrier(&self) -> Said<()> {
        match *self {}
    }

    pub fn say(&self, _key: &str, _text: &str) -> Said<()> {
        match *self {}
    }

    pub fn hear(&self, _key: &str) -> Said<String> {
        match *self {}
    }
}

//! Processes that compute together.

use super::Said;
use super::engine::Engine;
use super::launch::Launch;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::Cell;
use std::time::Duration;
use tch::{Device, Kind, Tensor};

/// Seconds in which all processes have to come.
const START: (&str, f64) = ("STAGEDIFF_START_S", 30.0);

/// Seconds that a process is waited for in a step. A process that has ended is known at once; this is for one that is
/// stopped, and for a network that is cut.
const EACH: (&str, f64) = ("STAGEDIFF_RANK_S", 9.0);

/// Processes that were started together. All call the same functions in the same order.
///
/// On the processor tensors are exchanged as they lie; those of a GPU go over the processor's memory.
pub struct ProcessGroup {
    launch: Launch,
    engine: Engine,
    pub(super) n_agreed: Cell<u64>,
}

/// The group that this process was started in; none where it is the only one.
///
/// # Errors
/// What the launcher says does not fit, a process does not come, another group uses the port, or the program was built
/// without the engine.
pub fn join() -> Result<Option<ProcessGroup>> {
    Launch::from_env()?.map(ProcessGroup::join).transpose()
}

impl ProcessGroup {
    /// Meets the other processes of a launch.
    ///
    /// # Errors
    /// As [`join`].
    pub fn join(launch: Launch) -> Result<ProcessGroup> {
        let engine = Engine::join(&launch, seconds(START)?, seconds(EACH)?)?;
        Ok(ProcessGroup { launch, engine, n_agreed: Cell::new(0) })
    }

    /// Which process this is, from 0.
    pub fn rank(&self) -> usize {
        self.launch.rank
    }

    /// How many there are.
    pub fn world_size(&self) -> usize {
        self.launch.world_size
    }

    /// Whether this is the one that writes files.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Sets a tensor to the sum of those of all processes, equal to the last bit in each.
    ///
    /// # Errors
    /// Another process has ended, or cannot be reached.
    pub fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        self.on_processor(tensor, "adding up", |tensor| self.engine.all_reduce(tensor, false))
    }

    /// Sets a tensor to the largest values of all processes.
    ///
    /// # Errors
    /// As [`ProcessGroup::sum`].
    pub fn max(&self, tensor: &mut Tensor) -> Result<()> {
        self.on_processor(tensor, "taking the largest", |tensor| self.engine.all_reduce(tensor, true))
    }

    /// Sets a tensor to that of the first process.
    ///
    /// # Errors
    /// As [`ProcessGroup::sum`].
    pub fn broadcast(&self, tensor: &mut Tensor) -> Result<()> {
        self.on_processor(tensor, "waiting for rank 0", |tensor| self.engine.broadcast(tensor))
    }

    /// The text of the first process.
    ///
    /// # Errors
    /// As [`ProcessGroup::sum`].
    pub fn broadcast_text(&self, text: &str) -> Result<String> {
        let mut n_bytes = Tensor::from(text.len() as i64);
        self.broadcast(&mut n_bytes)?;
        let mut bytes = Tensor::zeros([n_bytes.int64_value(&[])], (Kind::Uint8, Device::Cpu));
        if self.is_first() {
            bytes.copy_(&Tensor::from_slice(text.as_bytes()));
        }
        self.broadcast(&mut bytes)?;
        String::from_utf8(Vec::<u8>::try_from(&bytes)?).map_err(|error| self.launch.error(error.to_string()))
    }

    /// The first process's value of plain data.
    ///
    /// # Errors
    /// As [`ProcessGroup::sum`].
    pub fn of_first<T: Serialize + DeserializeOwned>(&self, value: &T) -> Result<T> {
        let unread = |error: serde_json::Error| self.error(format!("what rank 0 sends cannot be read ({error})"));
        let text = self.broadcast_text(&serde_json::to_string(value).map_err(unread)?)?;
        serde_json::from_str(&text).map_err(unread)
    }

    /// The signal that any process was sent, to be asked at the same step by all.
    ///
    /// # Errors
    /// As [`ProcessGroup::sum`].
    pub fn asked(&self, signal: Option<i32>) -> Result<Option<i32>> {
        Ok(Some(self.largest(signal.unwrap_or(0).into())? as i32).filter(|signal| *signal != 0))
    }

    /// The largest number of all processes.
    ///
    /// # Errors
    /// As [`ProcessGroup::sum`].
    pub fn largest(&self, number: i64) -> Result<i64> {
        let mut largest = Tensor::from_slice(&[number]);
        self.max(&mut largest)?;
        Ok(largest.int64_value(&[0]))
    }

    /// The tensors of all processes, which have one shape, one after the other.
    ///
    /// # Shapes
    /// [row, …] → [process · row, …]
    ///
    /// # Errors
    /// As [`ProcessGroup::sum`].
    pub fn gather(&self, own: &Tensor) -> Result<Tensor> {
        let mut size = own.size();
        size[0] *= self.world_size() as i64;
        let mut all = Tensor::empty(size, (own.kind(), Device::Cpu));
        let mut on_processor = own.to_device(Device::Cpu).contiguous();
        let gathered = self.engine.all_gather(&mut all, &mut on_processor);
        self.told("gathering", gathered)?;
        Ok(all.to_device(own.device()))
    }

    /// The same in the first process alone; none in the others.
    ///
    /// # Shapes
    /// [row, …] → [process · row, …]
    ///
    /// # Errors
    /// As [`ProcessGroup::sum`].
    pub fn gather_in_first(&self, own: &Tensor) -> Result<Option<Tensor>> {
        let mut size = own.size();
        size[0] *= if self.is_first() { self.world_size() as i64 } else { 0 };
        let mut all = Tensor::empty(size, (own.kind(), Device::Cpu));
        let mut on_processor = own.to_device(Device::Cpu).contiguous();
        let gathered = self.engine.gather(&mut all, &mut on_processor);
        self.told("gathering", gathered)?;
        Ok(self.is_first().then(|| all.to_device(own.device())))
    }

    /// Waits until all have come here.
    ///
    /// # Errors
    /// As [`ProcessGroup::sum`].
    pub fn barrier(&self) -> Result<()> {
        self.told("waiting for all", self.engine.barrier())
    }

    /// Leaves a text for the others, and hears theirs, by rank.
    pub(super) fn exchange(&self, key: &str, text: &str) -> Result<Vec<String>> {
        let of = |rank: usize| format!("{key}/{rank}");
        self.told("comparing", self.engine.say(&of(self.rank()), text))?;
        (0..self.world_size()).map(|rank| self.told("comparing", self.engine.hear(&of(rank)))).collect()
    }

    fn on_processor(&self, tensor: &mut Tensor, what: &str, act: impl Fn(&mut Tensor) -> Said<()>) -> Result<()> {
        if tensor.device() == Device::Cpu && tensor.is_contiguous() {
            return self.told(what, act(tensor));
        }
        let mut there = tensor.to_device(Device::Cpu).contiguous();
        self.told(what, act(&mut there))?;
        tensor.copy_(&there);
        Ok(())
    }

    fn told<T>(&self, what: &str, said: Said<T>) -> Result<T> {
        said.map_err(|said| {
            self.launch.error(format!(
                "another process has ended or cannot be reached (while {what}: {said}); started again, the training goes \
                 on from its checkpoint"
            ))
        })
    }

    /// An error of this process.
    pub fn error(&self, reason: impl Into<String>) -> Error {
        self.launch.error(reason)
    }
}

impl Launch {
    pub(super) fn error(&self, reason: impl Into<String>) -> Error {
        Error::Distributed { rank: self.rank, world_size: self.world_size, reason: reason.into() }
    }
}

fn seconds((name, default): (&str, f64)) -> Result<Duration> {
    let Ok(text) = std::env::var(name) else { return Ok(Duration::from_secs_f64(default)) };
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| Error::setting(name, text, "expected a number of seconds above 0"))
}

impl std::fmt::Debug for ProcessGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProcessGroup(rank {} of {})", self.rank(), self.world_size())
    }
}

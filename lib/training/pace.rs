//! How far a training is, how fast it goes, how long it still takes: in words, beside the lines of its log.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// A line of a training's log.
pub trait LogLine: Display {
    /// Steps done.
    fn step(&self) -> i64;

    /// Steps of the whole training, 0 where it is not known.
    fn n_steps(&self) -> i64;

    /// `step  80 of 4000`.
    fn place(&self) -> String {
        match self.n_steps() {
            0 => format!("step {:>6}", self.step()),
            n_steps => format!("step {:>1$} of {n_steps}", self.step(), n_steps.to_string().len()),
        }
    }
}

/// The pace of one training since its first line was seen.
#[derive(Debug)]
pub(crate) struct Pace {
    first_step: i64,
    began: Instant,
    /// Lines seen.
    pub n_lines: usize,
}

impl Pace {
    /// Begins with a line that was just written.
    pub fn new(first_step: i64) -> Pace {
        Pace { first_step, began: Instant::now(), n_lines: 0 }
    }

    /// `412 steps/s, 5 s left`; nothing at the first line.
    pub fn words(&self, line: &impl LogLine) -> String {
        words(line.step() - self.first_step, line.n_steps() - line.step(), self.began.elapsed())
    }
}

fn words(n_done: i64, n_left: i64, took: Duration) -> String {
    let per_s = n_done as f64 / took.as_secs_f64();
    if n_done <= 0 || !per_s.is_finite() {
        return String::new();
    }
    let pace = match per_s {
        per_s if per_s >= 10.0 => format!("{per_s:.0} steps/s"),
        per_s if per_s >= 0.5 => format!("{per_s:.1} steps/s"),
        per_s => format!("{:.1} s a step", 1.0 / per_s),
    };
    match n_left {
        ..=0 => pace,
        n_left => format!("{pace}, {} left", duration(n_left as f64 / per_s)),
    }
}

fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_and_time_left_are_words() {
        let second = Duration::from_secs(1);
        assert_eq!(words(400, 2000, second), "400 steps/s, 5 s left");
        assert_eq!(words(3, 600, second), "3.0 steps/s, 3 min 20 s left");
        assert_eq!(words(1, 3600, 4 * second), "4.0 s a step, 4 h 0 min left");
        assert_eq!(words(400, 0, second), "400 steps/s", "at the end nothing is left");
        assert_eq!(words(0, 400, second), "", "the first line has no pace yet");
    }
}

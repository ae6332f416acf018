//! What each kind of work has: facts known before it runs, and our side that does it.

/// What is known of a case before it runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What a step goes through.
    pub unit: &'static str,
    /// How many of them.
    pub items: f64,
    /// Floating-point operations that a step needs.
    pub flops: f64,
    /// Share of (activation, latent) pairs above threshold.
    pub active_frac: f64,
    /// Share of pairs below threshold in JumpReLU's window.
    pub window_frac: f64,
}

impl Facts {
    /// Of work without latents.
    pub fn new(unit: &'static str, items: f64, flops: f64) -> Facts {
        Facts { unit, items, flops, active_frac: f64::NAN, window_frac: f64::NAN }
    }
}

/// A case opened by one side.
pub trait Side {
    /// Does one step. A GPU may still be at it afterwards.
    fn step(&mut self);
    /// What the last step came to.
    fn values(&self) -> Vec<f64>;
}

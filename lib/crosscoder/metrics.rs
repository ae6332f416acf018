//! How well a crosscoder describes activations: shares of variance unexplained, sparsity, and what a reconstruction costs
//! the language model. Sums run over all tokens before dividing; there is no mean of ratios.

use tch::{Kind, Tensor};

/// Fraction of variance unexplained at each hook point, by three definitions.
#[derive(Debug, Clone, PartialEq)]
pub struct Fvu {
    /// Σ‖x − x̂‖² / Σ‖x − mean x‖² over tokens: 1 for the mean, 0 for perfection.
    pub fvu: Vec<f64>,
    /// mean Var_d(x − x̂) / mean Var_d(x), variance across d_model inside one vector: an older published one.
    pub fvu_across_d: Vec<f64>,
    /// As `fvu` with the mean taken at each position.
    pub fvu_per_position: Vec<f64>,
}

/// Sums from which [`Fvu`] is computed, taken up batch by batch in float64.
#[derive(Debug)]
pub struct FvuSums {
    n_sequences: i64,
    seq: i64,
    sum: Tensor,
    sum_squares: Tensor,
    sum_errors: Tensor,
    sum_var_d: Tensor,
    sum_error_var_d: Tensor,
}

impl FvuSums {
    /// Nothing counted yet.
    pub fn new(seq: i64, n_hooks: i64, d_model: i64) -> FvuSums {
        let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Double, tch::Device::Cpu));
        let by_hook = || zeros(&[n_hooks]);
        FvuSums {
            n_sequences: 0,
            seq,
            sum: zeros(&[seq, n_hooks, d_model]),
            sum_squares: by_hook(),
            sum_errors: by_hook(),
            sum_var_d: by_hook(),
            sum_error_var_d: by_hook(),
        }
    }

    /// Takes up a batch.
    ///
    /// # Shapes
    /// `acts`, `recon` [batch, seq, hook, d_model]
    pub fn add(&mut self, acts: &Tensor, recon: &Tensor) {
        let cpu = tch::Device::Cpu;
        let (acts, recon) = (acts.to_device(cpu).to_kind(Kind::Double), recon.to_device(cpu).to_kind(Kind::Double));
        let error = &acts - recon;
        let by_hook = |values: Tensor| values.sum_dim_intlist([0i64, 1].as_slice(), false, Kind::Double);
        let squares = |values: &Tensor| by_hook(values.square().sum_dim_intlist(3, false, Kind::Double));
        let var_d = |values: &Tensor| by_hook(values.var_dim([3i64].as_slice(), false, false));
        self.n_sequences += acts.size()[0];
        self.sum += acts.sum_dim_intlist(0, false, Kind::Double);
        self.sum_squares += squares(&acts);
        self.sum_errors += squares(&error);
        self.sum_var_d += var_d(&acts);
        self.sum_error_var_d += var_d(&error);
    }

    /// The three fractions, per hook point.
    pub fn fvu(&self) -> Fvu {
        let n_tokens = (self.n_sequences * self.seq) as f64;
        let squared_sum = |sum: &Tensor| sum.square().sum_dim_intlist(-1, false, Kind::Double);
        let total = self.sum.sum_dim_intlist(0, false, Kind::Double); // [hook, d_model]
        let about_mean = &self.sum_squares - squared_sum(&total) / n_tokens;
        let at_positions = squared_sum(&self.sum).sum_dim_intlist(0, false, Kind::Double) / self.n_sequences as f64;
        let about_position = &self.sum_squares - at_positions;
        let ratio = |part: &Tensor, whole: &Tensor| Vec::<f64>::try_from(&(part / whole)).expect("one value a hook");
        Fvu {
            fvu: ratio(&self.sum_errors, &about_mean),
            fvu_across_d: ratio(&self.sum_error_var_d, &self.sum_var_d),
            fvu_per_position: ratio(&self.sum_errors, &about_position),
        }
    }
}

/// Share of the loss, lost by zero-ablating a hook point, that a reconstruction recovers:
/// (zero-ablated − patched) / (zero-ablated − clean); 1 for the identity, 0 for zero ablation.
pub fn recovered_loss(clean_nats: f64, patched_nats: f64, zero_nats: f64) -> f64 {
    (zero_nats - patched_nats) / (zero_nats - clean_nats)
}

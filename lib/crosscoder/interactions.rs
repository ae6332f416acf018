//! What latents do to each other inside an MLP, through a crosscoder that reads what the MLP reads (arXiv 2606.09940).
//!
//! ```text
//! p_skj = f_sj (W_in · W_dec[j])_k        what latent j gives to the pre-activation of neuron k at token s
//! i     = argmax_j |p_skj|                the neuron's dominant latent there
//! I_k(i, j) = ‖W_out,k‖ / N · Σ_s |p_skj|  for j ≠ i: how much j meddles where i decides
//! ```
//! W_in is that of the normalised activations, the layer norm's weight in it, and `W_dec[j]` the direction of latent j there.

use crate::crosscoder::Crosscoder;
use crate::language_model::HookPoint;
use crate::language_model::gpt_neo::Block;
use tch::{Device, Kind, Tensor};

/// Tokens at once.
const CHUNK: i64 = 128;

/// An MLP's neurons as a crosscoder's latents drive them.
#[derive(Debug)]
pub struct Neurons {
    /// What a unit of each latent gives to each neuron, [latent, neuron].
    pub per_unit: Tensor,
    /// Pre-activations where no latent fires, `[neuron]`.
    pub constant: Tensor,
    /// ‖W_out,k‖, `[neuron]`.
    pub out_norms: Tensor,
}

/// What is given to the neurons at some tokens, by the latents that fire there.
#[derive(Debug)]
pub struct Contributions {
    /// The latents, as many as fire at once at most, [token, slot]. A slot that is not needed has a latent that does not
    /// fire.
    pub latents: Tensor,
    /// p, [token, slot, neuron].
    pub values: Tensor,
    /// The dominant latent's slot, [token, neuron].
    pub dominant: Tensor,
}

impl Neurons {
    /// The neurons of a block's MLP; `None` where the crosscoder does not read what the MLP reads.
    pub fn of(crosscoder: &Crosscoder, block: &Block) -> Option<Neurons> {
        let hook = HookPoint::Ln2Normalized(block.index());
        let place = crosscoder.hooks.iter().position(|&read| read == hook)? as i64;
        let (weight, bias) = block.c_fc_of_normalized();
        let scale = crosscoder.scale.get(place);
        let w_dec = crosscoder.w_dec_by_hook().select(1, place) / &scale; // [latent, d_model]
        let b_dec = crosscoder.b_dec.view([-1, crosscoder.d_model]).get(place) / scale;
        Some(Neurons {
            per_unit: w_dec.linear(&weight, None::<Tensor>),
            constant: b_dec.linear(&weight, Some(bias)),
            out_norms: block.mlp.c_proj.weight.norm_scalaropt_dim(2.0, [0i64].as_slice(), false),
        })
    }

    /// The same, in the processor's memory.
    pub fn on_processor(&self) -> Neurons {
        let [per_unit, constant, out_norms] =
            [&self.per_unit, &self.constant, &self.out_norms].map(|tensor| tensor.to_device(Device::Cpu));
        Neurons { per_unit, constant, out_norms }
    }

    /// What the latents that fire give to each neuron.
    ///
    /// # Shapes
    /// `codes` [token, latent]
    pub fn contributions(&self, codes: &Tensor) -> Contributions {
        let n_firing = codes.gt(0.0).sum_dim_intlist(1, false, Kind::Int64).max().int64_value(&[]).max(1);
        let (strengths, latents) = codes.topk(n_firing, 1, true, false);
        let per_unit = self.per_unit.index_select(0, &latents.flatten(0, 1)).unflatten(0, [-1, n_firing].as_slice());
        let values = per_unit * strengths.unsqueeze(2);
        let dominant = values.abs().argmax(1, false);
        Contributions { latents, values, dominant }
    }

    /// Pre-activations with what all latents give, and with what the dominant one alone gives.
    ///
    /// # Shapes
    /// `codes` [token, latent] → [token, neuron] twice
    pub fn pre_acts(&self, codes: &Tensor) -> [Tensor; 2] {
        let parts = chunks(codes).map(|codes| {
            let given = self.contributions(&codes);
            [given.values.sum_dim_intlist(1, false, Kind::Float), given.of_dominant()]
        });
        let parts: Vec<[Tensor; 2]> = parts.collect();
        [0, 1].map(|which| Tensor::cat(&parts.iter().map(|part| &part[which]).collect::<Vec<_>>(), 0) + &self.constant)
    }

    /// The share of the dominant latent in all that is given to a neuron, Σ |p|, averaged over tokens and neurons; NaN
    /// where no latent fires anywhere.
    ///
    /// # Shapes
    /// `codes` [token, latent]
    pub fn dominant_share(&self, codes: &Tensor) -> f64 {
        let (mut sum, mut n) = (0.0, 0);
        for codes in chunks(codes) {
            let given = self.contributions(&codes);
            let all = given.values.abs().sum_dim_intlist(1, false, Kind::Float);
            let is_given = all.gt(0.0);
            let shares = (given.of_dominant().abs() / &all).where_self(&is_given, &all.zeros_like());
            sum += shares.sum(Kind::Double).double_value(&[]);
            n += is_given.sum(Kind::Int64).int64_value(&[]);
        }
        if n == 0 { f64::NAN } else { sum / n as f64 }
    }

    /// I(i, j), summed over neurons: row i is the dominant latent.
    ///
    /// # Shapes
    /// `codes` [token, latent] → [latent, latent], float64
    pub fn interactions(&self, codes: &Tensor) -> Tensor {
        let (n_tokens, n_latents) = codes.size2().expect("codes [token, latent]");
        let mut sums = Tensor::zeros([n_latents * n_latents], (Kind::Double, codes.device()));
        for codes in chunks(codes) {
            let given = self.contributions(&codes);
            let dominant = given.latents.gather(1, &given.dominant, false); // [token, neuron]
            let pairs = dominant.unsqueeze(1) * n_latents + given.latents.unsqueeze(2); // [token, slot, neuron]
            let meddling = given.of_others() * &self.out_norms;
            let _ = sums.index_add_(0, &pairs.flatten(0, -1), &meddling.flatten(0, -1).to_kind(Kind::Double));
        }
        sums.view([n_latents, n_latents]) / n_tokens.max(1) as f64
    }

    /// What each token adds to the interactions among some latents: Σ_k ‖W_out,k‖ Σ_j≠i |p_skj| where both i and j are
    /// among them.
    ///
    /// # Shapes
    /// `codes` [token, latent], `among` `[latent]`, 1 or 0 → `[token]`
    pub fn token_scores(&self, codes: &Tensor, among: &Tensor) -> Tensor {
        let scores = chunks(codes).map(|codes| {
            let given = self.contributions(&codes);
            let is_among = among.index_select(0, &given.latents.flatten(0, 1)).view_as(&given.latents); // [token, slot]
            let decides = is_among.gather(1, &given.dominant, false); // [token, neuron]
            let meddling = (given.of_others() * is_among.unsqueeze(2)).sum_dim_intlist(1, false, Kind::Float);
            (meddling * decides).matmul(&self.out_norms)
        });
        Tensor::cat(&scores.collect::<Vec<Tensor>>(), 0)
    }

    /// What each token adds to I(i, j) of one pair.
    ///
    /// # Shapes
    /// `codes` [token, latent] → `[token]`
    pub fn pair_scores(&self, codes: &Tensor, (dominant, other): (i64, i64)) -> Tensor {
        let given = codes.select(1, other).unsqueeze(1) * self.per_unit.get(other); // [token, neuron]
        let scores = chunks(codes).zip(given.split(CHUNK, 0)).map(|(codes, given)| {
            let of_all = self.contributions(&codes);
            let decides = of_all.latents.gather(1, &of_all.dominant, false).eq(dominant);
            (given.abs() * decides).matmul(&self.out_norms)
        });
        Tensor::cat(&scores.collect::<Vec<Tensor>>(), 0)
    }
}

impl Contributions {
    /// What the dominant latent gives, [token, neuron].
    fn of_dominant(&self) -> Tensor {
        self.values.gather(1, &self.dominant.unsqueeze(1), false).squeeze_dim(1)
    }

    /// |p| of all but the dominant latent, [token, slot, neuron].
    fn of_others(&self) -> Tensor {
        let sizes = self.values.abs();
        let zeros = Tensor::zeros([1, 1, 1], (sizes.kind(), sizes.device())).expand_as(&self.dominant.unsqueeze(1));
        sizes.scatter(1, &self.dominant.unsqueeze(1), &zeros)
    }
}

fn chunks(codes: &Tensor) -> impl Iterator<Item = Tensor> {
    codes.split(CHUNK, 0).into_iter()
}

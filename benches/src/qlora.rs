//! A QLoRA step: adapters on NF4 weights, loss on the tokens after the header.

use crate::Result;
use crate::harvest::{block_flops, random_tokens, write_model};
use crate::side::{Facts, Side};
use serde::{Deserialize, Serialize};
use stagediff::files::Weights;
use stagediff::language_model::{GptNeo, LoraConfig, next_token_gradients, peft};
use stagediff::tch::{Device, Kind, Tensor};
use stagediff::training::adam::{Adam, AdamConfig};
use std::path::Path;

/// Model, tokens, and how many of them have no loss.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QloraWork {
    /// Whether the model is one of the published sizes with random weights, or that of preset `tiny`.
    pub random: bool,
    pub n_sequences: i64,
    /// Tokens a sequence.
    pub seq: i64,
    /// Tokens at the beginning of each that have no loss.
    pub n_header: i64,
}

/// The published highest learning rate.
const LR: f64 = 3e-4;

impl QloraWork {
    /// The published adapters, or those of preset `tiny`; without dropout, for no two libraries draw alike.
    fn adapters(&self) -> LoraConfig {
        let cfg = if self.random { LoraConfig::published() } else { LoraConfig::all_linear() };
        LoraConfig { dropout: 0.0, ..cfg }
    }

    /// Writes model, adapters and tokens.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<Facts> {
        let mut model = write_model(folder, self.random)?;
        let tokens = random_tokens(&model.config, self.n_sequences, self.seq);
        peft::attach(model.linears_mut(), &self.adapters());
        let adapters: Weights = peft::adapters(model.linears()).into_iter().collect();
        let n_adapter_params: usize = adapters.tensors.values().map(Tensor::numel).sum();
        peft::save(&folder.join("adapter"), &adapters, &self.adapters(), "model")?;
        let mut weights = Weights::new();
        weights.insert("tokens", &tokens);
        weights.insert("lr", &Tensor::from(LR));
        weights.write(folder.join("tensors.safetensors"))?;
        let items = (self.n_sequences * self.seq) as f64;
        let n_with_loss = (self.n_sequences * (self.seq - self.n_header)) as f64;
        let blocks = block_flops(&model.config, self.seq) * model.config.n_layers() as f64;
        let head = 2.0 * (model.config.d_model * model.config.n_vocab) as f64;
        // Forward and the gradient of inputs; adapters have the gradient of weights too.
        let flops = items * (2.0 * blocks + 6.0 * n_adapter_params as f64) + n_with_loss * 2.0 * head;
        Ok(Facts::new("tokens", items, flops))
    }
}

/// Our side.
pub struct Tuning {
    model: GptNeo,
    params: Vec<Tensor>,
    tokens: Tensor,
    with_loss: Tensor,
    adam: Adam,
    /// Loss and norm of the gradients.
    last: Option<[Tensor; 2]>,
}

impl Tuning {
    /// Reads model, adapters and tokens, and quantises.
    ///
    /// # Errors
    /// They are not there.
    pub fn open(work: &QloraWork, device: Device, folder: &Path) -> Result<Tuning> {
        let mut model = GptNeo::load(&folder.join("model"), device)?;
        model.quantise();
        peft::load(model.linears_mut(), &folder.join("adapter"))?;
        let params: Vec<Tensor> =
            peft::adapters(model.linears()).into_iter().map(|(_, tensor)| tensor.set_requires_grad(true)).collect();
        let tokens =
            Weights::read(folder.join("tensors.safetensors"), device)?.get("tokens", &[work.n_sequences, work.seq])?;
        let with_loss = Tensor::ones_like(&tokens).to_kind(Kind::Bool);
        let _ = with_loss.narrow(1, 0, work.n_header).fill_(0);
        let adam = Adam::new(&params, AdamConfig::default());
        Ok(Tuning { model, params, tokens, with_loss, adam, last: None })
    }
}

impl Side for Tuning {
    fn step(&mut self) {
        let step = next_token_gradients(&self.model, &self.params, &self.tokens, &self.with_loss, true);
        let norm = self.adam.step(&mut self.params, &step.grads, LR);
        self.last = Some([step.loss, norm]);
    }

    fn values(&self) -> Vec<f64> {
        self.last.iter().flatten().map(|value| value.double_value(&[])).collect()
    }
}

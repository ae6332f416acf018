//! GPT-Neo, the language model of the experiment, with hook points on its residual stream.
//!
//! Pre-LN blocks, attention without 1/√d_head, global and local in turn, tied head. Tensor names are those of Hugging
//! Face checkpoints, so the folder of a published GPT-Neo loads as it is.
//!
//! ```no_run
//! # fn main() -> stagediff::Result<()> {
//! use stagediff::language_model::gpt_neo::GptNeo;
//! use stagediff::language_model::hook::HookPoint;
//! use tch::{Device, Kind, Tensor};
//!
//! let model = GptNeo::load("TinyStories-Instruct-33M".as_ref(), Device::Cpu)?;
//! let tokens = Tensor::zeros([1, 128], (Kind::Int64, Device::Cpu));
//! let acts = model.acts(&tokens, &HookPoint::residual_stream(4)); // [1, 128, 5, 768]
//! # Ok(()) }
//! ```

mod block;
mod config;
mod generate;
mod published;

pub use block::{Attention, Block, LayerNorm, Mlp, Past};
pub use config::{GptNeoConfig, Reach};
pub use generate::{Sampling, generate};

use crate::files::weights::Weights;
use crate::files::write_whole;
use crate::language_model::hook::HookPoint;
use crate::language_model::lora::{self, LoraConfig};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// The language model.
pub struct GptNeo {
    /// Its sizes.
    pub config: GptNeoConfig,
    /// Token embedding and head, [vocab, d_model].
    pub wte: Tensor,
    /// Position embedding, [position, d_model].
    pub wpe: Tensor,
    /// The blocks.
    pub blocks: Vec<Block>,
    /// Before the head.
    pub ln_f: LayerNorm,
}

impl GptNeo {
    /// Fresh weights: normal with standard deviation 0.02, residual outputs divided by √(2 · blocks). Draws from
    /// libtorch's generator: seed it first.
    pub fn init(config: &GptNeoConfig, device: Device) -> GptNeo {
        let residual_std = 0.02 / (2.0 * config.n_layers() as f64).sqrt();
        let draw = |name: &str| -> std::result::Result<Tensor, std::convert::Infallible> {
            let shape = tensor_shape(config, name);
            let opts = (Kind::Float, device);
            Ok(if name.ends_with(".bias") {
                Tensor::zeros(&shape, opts)
            } else if name.contains("ln_") {
                Tensor::ones(&shape, opts)
            } else {
                let std = if name.contains("out_proj") || name.contains("c_proj") { residual_std } else { 0.02 };
                Tensor::empty(&shape, opts).normal_(0.0, std)
            })
        };
        match GptNeo::from_tensors(config, draw) {
            Ok(model) => model,
        }
    }

    fn from_tensors<E>(
        config: &GptNeoConfig,
        mut get: impl FnMut(&str) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<GptNeo, E> {
        let (wte, wpe) = (get("transformer.wte.weight")?, get("transformer.wpe.weight")?);
        let blocks = (0..config.n_layers())
            .map(|index| Block::from_tensors(config, index, &mut get))
            .collect::<std::result::Result<_, E>>()?;
        let (weight, bias) = (get("transformer.ln_f.weight")?, get("transformer.ln_f.bias")?);
        let ln_f = LayerNorm { weight, bias, eps: config.layer_norm_eps };
        Ok(GptNeo { config: config.clone(), wte, wpe, blocks, ln_f })
    }

    /// A model of its own with the same values. Adapters are not copied.
    pub fn copy(&self) -> GptNeo {
        let tensors: BTreeMap<String, Tensor> = self.tensors().into_iter().collect();
        let take =
            |name: &str| -> std::result::Result<Tensor, std::convert::Infallible> { Ok(tensors[name].detach().copy()) };
        match GptNeo::from_tensors(&self.config, take) {
            Ok(model) => model,
        }
    }

    /// Loads a Hugging Face folder as published: `config.json` with `model.safetensors` or `pytorch_model.bin`, in one
    /// file or in shards. Weights are held in float32.
    ///
    /// # Errors
    /// A file is missing or damaged, the config asks for something that is not implemented, or a tensor is missing, of
    /// another shape than the config asks for, or not of this model.
    pub fn load(dir: &Path, device: Device) -> Result<GptNeo> {
        let config = GptNeoConfig::read(&dir.join("config.json"))?;
        let weights = published::read(dir, device)?;
        let model = GptNeo::from_weights(&config, &weights)?;
        let taken: BTreeMap<String, Tensor> = model.tensors().into_iter().collect();
        match weights.tensors.keys().find(|name| !taken.contains_key(*name)) {
            None => Ok(model),
            Some(name) => {
                let reason =
                    format!("has tensor {name:?}, which a GPT-Neo of {} blocks does not have", config.n_layers());
                Err(Error::invalid(weights.path(), reason))
            }
        }
    }

    /// Takes the model out of named tensors.
    ///
    /// # Errors
    /// A tensor is missing or of another shape than `config` asks for.
    pub fn from_weights(config: &GptNeoConfig, weights: &Weights) -> Result<GptNeo> {
        GptNeo::from_tensors(config, |name| Ok(weights.get(name, &tensor_shape(config, name))?.to_kind(Kind::Float)))
    }

    /// Writes a Hugging Face folder, `config.json` and `model.safetensors`, with tensors of `kind` (`Kind::Half` for
    /// half the size). [`crate::language_model::pretrained::save`] adds the tokenizer.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save(&self, dir: &Path, kind: Kind, about: &[(&str, &str)]) -> Result<()> {
        let mut weights = Weights::new();
        weights.describe("format", "pt");
        for (key, value) in about {
            weights.describe(key, value);
        }
        for (name, tensor) in self.tensors() {
            weights.insert(name, &tensor.detach().to_kind(kind));
        }
        write_whole(&dir.join("config.json"), self.config.to_json(kind).as_bytes())?;
        weights.write(dir.join("model.safetensors"))
    }

    /// Every tensor of the checkpoint, by name. Adapters are not among them: see [`GptNeo::adapters`].
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let mut tensors = vec![
            ("transformer.wte.weight".to_string(), self.wte.shallow_clone()),
            ("transformer.wpe.weight".to_string(), self.wpe.shallow_clone()),
            ("transformer.ln_f.weight".to_string(), self.ln_f.weight.shallow_clone()),
            ("transformer.ln_f.bias".to_string(), self.ln_f.bias.shallow_clone()),
        ];
        for (index, block) in self.blocks.iter().enumerate() {
            let mut push = |name: &str, tensor: &Tensor| {
                tensors.push((format!("transformer.h.{index}.{name}"), tensor.shallow_clone()))
            };
            for (name, norm) in [("ln_1", &block.ln_1), ("ln_2", &block.ln_2)] {
                push(&format!("{name}.weight"), &norm.weight);
                push(&format!("{name}.bias"), &norm.bias);
            }
            for (name, linear) in block.linears() {
                push(&format!("{name}.weight"), &linear.weight);
                if let Some(bias) = &linear.bias {
                    push(&format!("{name}.bias"), bias);
                }
            }
        }
        tensors
    }

    /// Number of parameters, the tied head counted once and adapters not at all.
    pub fn n_parameters(&self) -> usize {
        self.tensors().iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// Runs the blocks; `edit` may read or replace the residual stream at each hook point, in order.
    ///
    /// # Shapes
    /// `tokens` [batch, seq]; each residual stream [batch, seq, d_model]
    pub fn resid(&self, tokens: &Tensor, train: bool, edit: &mut dyn FnMut(HookPoint, Tensor) -> Tensor) -> Tensor {
        self.resid_until(tokens, self.blocks.len(), train, edit)
    }

    fn resid_until(
        &self,
        tokens: &Tensor,
        n_blocks: usize,
        train: bool,
        edit: &mut dyn FnMut(HookPoint, Tensor) -> Tensor,
    ) -> Tensor {
        let mut resid = edit(HookPoint::ResidPre(0), self.embed(tokens, 0));
        for (index, block) in self.blocks.iter().take(n_blocks).enumerate() {
            resid = edit(HookPoint::ResidPost(index), block.forward(&resid, &mut None, train));
        }
        resid
    }

    /// The final residual stream at some positions, counted through the batch. The last block is not finished for others.
    ///
    /// # Shapes
    /// `tokens` [batch, seq], `positions` [position] → [position, d_model]
    pub fn resid_at(&self, tokens: &Tensor, positions: &Tensor, train: bool) -> Tensor {
        match self.blocks.split_last() {
            None => self.embed(tokens, 0).flatten(0, 1).index_select(0, positions),
            Some((last, before)) => {
                let resid = self.resid_until(tokens, before.len(), train, &mut |_, resid| resid);
                last.forward_at(&resid, positions, train)
            }
        }
    }

    /// The final residual stream of tokens that follow the `n_past` whose keys and values `past` holds, one pair a block.
    fn resid_after(&self, tokens: &Tensor, n_past: i64, past: &mut [Past]) -> Tensor {
        let blocks = self.blocks.iter().zip(past);
        blocks.fold(self.embed(tokens, n_past), |resid, (block, past)| block.forward(&resid, past, false))
    }

    /// Token embeddings plus those of the positions from `first` on.
    fn embed(&self, tokens: &Tensor, first: i64) -> Tensor {
        let (_, seq) = tokens.size2().expect("tokens [batch, seq]");
        assert!(
            first + seq <= self.config.n_positions,
            "sequence of {} tokens, the model has {} positions",
            first + seq,
            self.config.n_positions
        );
        Tensor::embedding(&self.wte, tokens, -1, false, false) + self.wpe.narrow(0, first, seq)
    }

    /// Activations at `hooks`, without gradients. Blocks after the last hook point are not run.
    ///
    /// # Shapes
    /// `tokens` [batch, seq] → [batch, seq, hook, d_model]
    pub fn acts(&self, tokens: &Tensor, hooks: &[HookPoint]) -> Tensor {
        let mut seen = Vec::new();
        self.visit(tokens, hooks, &mut |hook, resid| seen.push((hook, resid.shallow_clone())));
        seen.sort_by_key(|(hook, _)| *hook);
        let seen: Vec<Tensor> = seen.into_iter().map(|(_, acts)| acts).collect();
        Tensor::stack(&seen, 2)
    }

    /// Shows the residual stream at each of `hooks`, with the hook point's place in the list, as soon as it is there.
    /// Without gradients; blocks after the last hook point are not run.
    ///
    /// # Shapes
    /// `tokens` [batch, seq]; each residual stream [batch, seq, d_model]
    pub fn visit(&self, tokens: &Tensor, hooks: &[HookPoint], see: &mut dyn FnMut(usize, &Tensor)) {
        let n_blocks = hooks.iter().map(|hook| hook.n_blocks_before()).max().unwrap_or(0);
        assert!(n_blocks <= self.blocks.len(), "a hook point of a model of {} blocks: {hooks:?}", self.blocks.len());
        let _no_grad = tch::no_grad_guard();
        let _last = self.resid_until(tokens, n_blocks, false, &mut |point, resid| {
            let here = hooks.iter().enumerate().filter(|(_, hook)| hook.is_same_place(point));
            here.for_each(|(place, _)| see(place, &resid));
            resid
        });
    }

    /// Logits of the next token at every position.
    ///
    /// # Shapes
    /// `tokens` [batch, seq] → [batch, seq, vocab]
    pub fn logits(&self, tokens: &Tensor, train: bool) -> Tensor {
        self.unembed(&self.resid(tokens, train, &mut |_, resid| resid))
    }

    /// Final layer norm and head.
    ///
    /// # Shapes
    /// `resid` […, d_model] → […, vocab]
    pub fn unembed(&self, resid: &Tensor) -> Tensor {
        self.ln_f.forward(resid).linear(&self.wte, None::<Tensor>)
    }

    /// Quantises every linear layer of the blocks to NF4; embeddings, head, norms and biases stay float.
    pub fn quantise(&mut self) {
        self.blocks
            .iter_mut()
            .for_each(|block| block.linears_mut().into_iter().for_each(|(_, linear)| linear.quantise()));
    }

    /// Adds fresh adapters to the layers that `cfg` names, and freezes everything else.
    pub fn attach(&mut self, cfg: &LoraConfig) {
        for block in &mut self.blocks {
            for (name, linear) in block.linears_mut() {
                if cfg.targets.iter().any(|target| name.ends_with(target)) {
                    linear.attach(cfg);
                }
            }
        }
    }

    /// Adds each adapter's update to its layer's weight and drops the adapters.
    pub fn merge(&mut self) {
        self.blocks.iter_mut().for_each(|block| block.linears_mut().into_iter().for_each(|(_, linear)| linear.merge()));
    }

    /// The adapters' tensors under the names that PEFT gives them.
    pub fn adapters(&self) -> Vec<(String, Tensor)> {
        let mut tensors = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            for (name, linear) in block.linears() {
                let Some(lora) = &linear.lora else { continue };
                let layer = format!("transformer.h.{index}.{name}");
                tensors.push((lora::peft_name(&layer, "A"), lora.a.shallow_clone()));
                tensors.push((lora::peft_name(&layer, "B"), lora.b.shallow_clone()));
            }
        }
        tensors
    }

    /// Adds the adapters of a PEFT folder: `adapter_config.json` and `adapter_model.safetensors`. A folder that does not
    /// fit leaves the model as it was.
    ///
    /// # Errors
    /// A file is missing, or a tensor does not fit, or the file holds adapters for layers that are not there.
    pub fn load_adapter(&mut self, dir: &Path) -> Result<()> {
        let (cfg, weights) = lora::read_peft(dir, self.wte.device())?;
        let mut loras = Vec::new();
        let mut foreign: BTreeSet<&String> = weights.tensors.keys().collect();
        for (index, block) in self.blocks.iter().enumerate() {
            for (name, linear) in block.linears() {
                let (layer, size) = (format!("transformer.h.{index}.{name}"), linear.weight.size2().expect("a matrix"));
                loras.push(lora::from_peft(&weights, &layer, size, &cfg)?);
                foreign.retain(|name| ["A", "B"].iter().all(|half| **name != lora::peft_name(&layer, half)));
            }
        }
        if let Some(name) = foreign.first() {
            let n_taken = weights.tensors.len() - foreign.len();
            let reason = format!(
                "has {} tensors, this model takes {n_taken} of them and has no place for {name}",
                weights.tensors.len()
            );
            return Err(Error::invalid(weights.path(), reason));
        }
        let linears = self.blocks.iter_mut().flat_map(Block::linears_mut);
        linears.zip(loras).for_each(|((_, linear), lora)| linear.lora = lora);
        Ok(())
    }
}

/// The shape that a tensor of the checkpoint has under `config`.
fn tensor_shape(config: &GptNeoConfig, name: &str) -> Vec<i64> {
    let (d_model, d_mlp) = (config.d_model, config.d_mlp);
    let place = name.trim_end_matches(".weight").trim_end_matches(".bias");
    let part = place.rsplit('.').next().unwrap_or(place);
    match (part, name.ends_with(".bias")) {
        ("wte", _) => vec![config.n_vocab, d_model],
        ("wpe", _) => vec![config.n_positions, d_model],
        ("c_fc", false) => vec![d_mlp, d_model],
        ("c_fc", true) => vec![d_mlp],
        ("c_proj", false) => vec![d_model, d_mlp],
        ("q_proj" | "k_proj" | "v_proj" | "out_proj", false) => vec![d_model, d_model],
        _ => vec![d_model],
    }
}

impl std::fmt::Debug for GptNeo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let GptNeoConfig { n_vocab, d_model, n_heads, .. } = self.config;
        write!(
            f,
            "GptNeo({} blocks, d_model {d_model}, {n_heads} heads, vocabulary {n_vocab}, {} parameters)",
            self.blocks.len(),
            self.n_parameters()
        )
    }
}

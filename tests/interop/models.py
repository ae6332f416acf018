"""Small models of other families with random weights and a tokenizer, as folders of transformers.

usage: python models.py TOKENIZER_FOLDER FOLDER        (the test `interop_acts` starts this)
Ends with 77 where a package is not installed.
"""
import os
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
try:
    import safetensors  # noqa: F401  data/activations.py writes with it
    import torch
    from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, PreTrainedTokenizerFast
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

source, folder = map(Path, sys.argv[1:])
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(source / "tokenizer.json"))
end = {"bos_token_id": 0, "eos_token_id": 0, "vocab_size": len(tokenizer)}
inner = {"max_position_embeddings": 64, "num_attention_heads": 4}
configs = {
    "gpt2": GPT2Config(n_positions=64, n_embd=48, n_layer=3, n_head=4, **end),
    "gpt_neox": GPTNeoXConfig(hidden_size=64, num_hidden_layers=2, intermediate_size=128, **inner, **end),
    "llama": LlamaConfig(
        hidden_size=32, num_hidden_layers=2, intermediate_size=96, num_key_value_heads=2, **inner, **end
    ),
}
torch.manual_seed(0)
for name, config in configs.items():
    AutoModelForCausalLM.from_config(config).save_pretrained(folder / name)
    tokenizer.save_pretrained(folder / name)

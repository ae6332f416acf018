"""Do transformers, PEFT and SAELens read what stagediff writes, and give its numbers?

usage: python check.py FOLDER        (the test `interop` makes the folder and starts this)
Prints versions and the largest absolute error of each check. Ends with 77 where a package is not installed.
"""
import json
import os
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
try:
    import peft
    import sae_lens
    import torch
    import transformers
    from safetensors.torch import load_file
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

FOLDER = Path(sys.argv[1])
NUMBERS = load_file(FOLDER / "numbers.safetensors")
LOGITS = 4e-5  # 1792 terms: four blocks of width 32, 64 tokens
CROSSCODER = 1e-5  # 84 terms: 60 inputs, 24 latents
failed = []


def close(what, found, expected, share):
    """No error is larger than this share of the largest number: 8 √n u for n terms of sums in float32 on either side."""
    error = ((found.double() - expected.double()).abs().max() / expected.double().abs().max()).item()
    print(f"{what}: {error:.2e} of the largest (at most {share:.0e})")
    if found.shape != expected.shape or not error <= share:
        failed.append(what)


def equal(what, found, expected):
    print(f"{what}: {'equal' if found == expected else f'{found}, expected {expected}'}")
    if found != expected:
        failed.append(what)


def language_model(name, **options):
    model, report = transformers.GPTNeoForCausalLM.from_pretrained(
        FOLDER / name, output_loading_info=True, **options
    )
    left = {key: sorted(report[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    equal(f"{name}: tensors left over or missing", left, {key: [] for key in left})
    return model.eval()


def check_language_models():
    for name in ("float32", "bfloat16", "float16"):
        equal(f"{name}: dtype", str(language_model(name).dtype), f"torch.{name}")
        model = language_model(name, dtype=torch.float32)
        close(f"{name}: logits", model(NUMBERS["tokens"]).logits, NUMBERS[f"logits.{name}"], LOGITS)


def check_adapter():
    model = peft.PeftModel.from_pretrained(language_model("float32"), FOLDER / "adapter").eval()
    close("adapter: logits", model(input_ids=NUMBERS["tokens"]).logits, NUMBERS["logits.adapted"], LOGITS)
    merged = model.merge_and_unload()
    close("adapter: merged logits", merged(NUMBERS["tokens"]).logits, NUMBERS["logits.adapted"], LOGITS)


def check_crosscoder():
    sae = sae_lens.SAE.load_from_disk(str(FOLDER / "sae"))
    equal("crosscoder: class", type(sae).__name__, "JumpReLUSAE")
    acts = NUMBERS["acts"].flatten(1)
    latents = sae.encode(acts)
    close("crosscoder: latents", latents, NUMBERS["latents"], CROSSCODER)
    recon = NUMBERS["recon"].flatten(1)
    close("crosscoder: reconstruction", sae.decode(latents), recon, CROSSCODER)
    metadata = sae.cfg.metadata
    equal("crosscoder: hook points", len(metadata["crosscoder_hook_names"]), NUMBERS["acts"].shape[1])
    close("crosscoder: scale", torch.tensor(metadata["crosscoder_scale"]), NUMBERS["scale"], 0)


def check_tokenizer():
    expected = json.loads((FOLDER / "text.json").read_text())
    tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER / "with_tokenizer")
    equal("tokenizer: ids", [tokenizer(text)["input_ids"] for text in expected["texts"]], expected["ids"])
    model = language_model("with_tokenizer")
    prompt = tokenizer(expected["prompt"], return_tensors="pt")
    written = model.generate(**prompt, do_sample=False, max_new_tokens=expected["n_new"], eos_token_id=None)
    equal("tokenizer and model: greedy text", tokenizer.decode(written[0]), expected["continued"])
    equal("tokenizer: end of text", model.generation_config.eos_token_id, tokenizer.eos_token_id)


with torch.no_grad():
    check_language_models()
    check_adapter()
    check_crosscoder()
    check_tokenizer()
packages = (torch, transformers, peft, sae_lens)
print(", ".join(f"{package.__name__} {package.__version__}" for package in packages))
sys.exit(f"failed: {'; '.join(failed)}" if failed else 0)

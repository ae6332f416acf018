"""A QLoRA step by transformers, bitsandbytes' 4-bit layers and PEFT's adapters."""
import bitsandbytes
import peft
import torch
import transformers
from safetensors.torch import load_file


def open_case(work, folder):
    quantised = transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    model = transformers.GPTNeoForCausalLM.from_pretrained(
        folder / "model", quantization_config=quantised, dtype=torch.float32, device_map=work["device"]
    )
    model = peft.PeftModel.from_pretrained(model, folder / "adapter", is_trainable=True)
    model.train()
    tensors = load_file(folder / "tensors.safetensors", device=work["device"])
    tokens, labels = tensors["tokens"], tensors["tokens"].clone()
    labels[:, : work["n_header"]] = -100
    adapters = [param for param in model.parameters() if param.requires_grad]
    optimiser = torch.optim.AdamW(adapters, lr=tensors["lr"].item(), weight_decay=0.0)

    def step():
        loss = model(input_ids=tokens, labels=labels, use_cache=False).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(adapters, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        return lambda: [loss.item(), norm.item()]

    versions = (f"{package.__name__} {package.__version__}" for package in (peft, bitsandbytes, transformers, torch))
    return ", ".join(versions), step

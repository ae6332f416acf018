"""Activations of transformers' GPT-Neo without its head, centred, at the embedding and after each block."""
import torch
import transformers
from safetensors.torch import load_file


def open_case(work, folder):
    model = transformers.GPTNeoModel.from_pretrained(folder / "model").eval().to(work["device"])
    tokens = load_file(folder / "tensors.safetensors", device=work["device"])["tokens"]
    # The last of the hidden states has been through the final layer norm; this is before it.
    last = {}
    model.h[-1].register_forward_hook(lambda block, inputs, output: last.update(acts=first(output)))

    @torch.no_grad()
    def step():
        states = model(tokens, output_hidden_states=True, use_cache=False).hidden_states
        acts = torch.stack((*states[:-1], last["acts"]), dim=2).flatten(0, 1)  # [token, hook, d_model]
        acts = acts - acts.mean(-1, keepdim=True)
        return lambda: acts.square().mean((0, 2)).sqrt().tolist()

    return f"transformers {transformers.__version__}, torch {torch.__version__}", step


def first(output):
    return output[0] if isinstance(output, tuple) else output

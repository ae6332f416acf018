"""eai-sparsify's TopK training step, k the case's L0, with Adam: another objective, of the same size."""
import os
from importlib.metadata import version

os.environ["SPARSIFY_DISABLE_TRITON"] = "1"  # its kernels are for GPUs

import torch
from safetensors.torch import load_file
from sparsify import SparseCoder, SparseCoderConfig


def open_case(work, folder):
    tensors = load_file(folder / "tensors.safetensors", device=work["device"])
    config = SparseCoderConfig(num_latents=work["n_latents"], k=work["firing"]["L0"])
    sae = SparseCoder(work["d_model"], config, device=work["device"])
    with torch.no_grad():
        sae.encoder.weight.copy_(tensors["w_enc"])
        sae.encoder.bias.copy_(tensors["b_enc"])
        sae.W_dec.copy_(tensors["w_dec"])
    optimiser = torch.optim.Adam(sae.parameters(), lr=tensors["lr"].item())
    batches, n_done = tensors["acts"].flatten(1).split(work["batch"]), 0

    def step():
        nonlocal n_done
        sae.set_decoder_norm_to_unit_norm()
        with torch.autocast(work["device"], torch.bfloat16, enabled=work["products"] == "bf16"):
            output = sae(batches[n_done % len(batches)])
        output.fvu.backward()
        sae.remove_gradient_parallel_to_decoder_directions()
        torch.nn.utils.clip_grad_norm_(sae.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        n_done += 1
        return lambda: [output.fvu.item()]

    return f"eai-sparsify {version('eai-sparsify')}, torch {torch.__version__}", step

"""SAELens' JumpReLU training step with Anthropic's loss; the loop is that of its trainer."""
from importlib.metadata import version

import torch
from sae_lens.saes.jumprelu_sae import JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig
from sae_lens.saes.sae import TrainStepInput
from safetensors.torch import load_file


def open_case(work, folder):
    tensors = load_file(folder / "tensors.safetensors", device=work["device"])
    number = lambda name: tensors[name].item()
    sae = JumpReLUTrainingSAE(
        JumpReLUTrainingSAEConfig(
            device=work["device"],
            d_in=work["d_model"],
            d_sae=work["n_latents"],
            apply_b_dec_to_input=False,
            jumprelu_bandwidth=number("bandwidth"),
            jumprelu_sparsity_loss_mode="tanh",
            jumprelu_tanh_scale=number("tanh_scale"),
            l0_coefficient=number("lambda_s"),
        )
    )
    with torch.no_grad():
        sae.W_enc.copy_(tensors["w_enc"].T)
        sae.W_dec.copy_(tensors["w_dec"])
        sae.b_enc.copy_(tensors["b_enc"])
        sae.b_dec.copy_(tensors["b_dec"])
        sae.threshold.copy_(tensors["log_threshold"].exp())
    optimiser = torch.optim.Adam(sae.parameters(), lr=number("lr"))
    batches, n_done = tensors["acts"].flatten(1).split(work["batch"]), 0
    coefficients = {"l0": number("lambda_s")}

    def step():
        nonlocal n_done
        sae.train()
        with torch.autocast(work["device"], torch.bfloat16, enabled=work["products"] == "bf16"):
            output = sae.training_forward_pass(
                TrainStepInput(
                    sae_in=batches[n_done % len(batches)],
                    coefficients=coefficients,
                    dead_neuron_mask=None,
                    n_training_steps=n_done,
                    is_logging_step=False,
                )
            )
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(sae.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        n_done += 1
        return lambda: [output.loss.item()]

    return f"sae-lens {version('sae-lens')}, torch {torch.__version__}", step

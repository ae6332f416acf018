"""A crosscoder's training step in plain PyTorch: dense products, autograd, torch.optim.Adam."""
import torch
from safetensors.torch import load_file


class JumpReLU(torch.autograd.Function):
    """f = pre where pre > θ, else 0; the gradient of t = log θ by a rectangle of width ε around the threshold."""

    @staticmethod
    def forward(ctx, pre_acts, log_threshold, bandwidth):
        threshold = log_threshold.exp()
        ctx.save_for_backward(pre_acts, threshold)
        ctx.bandwidth = bandwidth
        return pre_acts * (pre_acts > threshold)

    @staticmethod
    def backward(ctx, upstream):
        pre_acts, threshold = ctx.saved_tensors
        in_window = (pre_acts - threshold).abs() < ctx.bandwidth / 2
        d_log_threshold = -(threshold**2 / ctx.bandwidth) * (upstream * in_window)
        return upstream * (pre_acts > threshold), d_log_threshold.sum(0), None


class Crosscoder(torch.nn.Module):
    """Weights by hook point, as crosscoders are usually written: W_enc [hook, d_model, latent], W_dec [latent, hook, d_model]."""

    def __init__(self, tensors, n_hooks):
        super().__init__()
        by_hook = lambda weight: weight.unflatten(1, (n_hooks, -1))
        self.w_enc = torch.nn.Parameter(by_hook(tensors["w_enc"]).permute(1, 2, 0).contiguous())
        self.w_dec = torch.nn.Parameter(by_hook(tensors["w_dec"]).contiguous())
        self.b_enc = torch.nn.Parameter(tensors["b_enc"])
        self.b_dec = torch.nn.Parameter(tensors["b_dec"].unflatten(0, (n_hooks, -1)))
        self.log_threshold = torch.nn.Parameter(tensors["log_threshold"])

    def loss(self, acts, lambda_s, lambda_p, tanh_scale, bandwidth):
        pre_acts = torch.einsum("bhd,hdl->bl", acts, self.w_enc) + self.b_enc
        latents = JumpReLU.apply(pre_acts, self.log_threshold, bandwidth)
        recon = torch.einsum("bl,lhd->bhd", latents, self.w_dec) + self.b_dec
        dec_norms = self.w_dec.norm(dim=2).sum(1)
        recon_loss = (acts - recon).square().sum((1, 2)).mean()
        sparsity = torch.tanh(tanh_scale * latents * dec_norms).sum(1).mean()
        pre_act = (torch.relu(self.log_threshold.exp() - pre_acts) * dec_norms).sum(1).mean()
        return recon_loss + lambda_s * sparsity + lambda_p * pre_act


def open_case(work, folder):
    tensors = load_file(folder / "tensors.safetensors", device=work["device"])
    constants = {name: tensors[name].item() for name in ("lambda_s", "lambda_p", "tanh_scale", "bandwidth")}
    crosscoder = Crosscoder(tensors, work["n_hooks"])
    optimiser = torch.optim.Adam(crosscoder.parameters(), lr=tensors["lr"].item())
    batches, n_done = tensors["acts"].split(work["batch"]), 0

    def step():
        nonlocal n_done
        with torch.autocast(work["device"], torch.bfloat16, enabled=work["products"] == "bf16"):
            loss = crosscoder.loss(batches[n_done % len(batches)], **constants)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(crosscoder.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        n_done += 1
        return lambda: [loss.item(), norm.item()]

    return f"torch {torch.__version__}", step

"""One peer's side of a case: steps when it is told to, and answers with a line of JSON.

usage: python serve.py MODULE FOLDER        (the benchmark starts this)

MODULE is a file beside this one with `open_case(work, folder)`, which returns the versions of its packages and a
function that does one step and returns another, which gives the numbers that the other side must come to as well: asked
for once a turn, so that a GPU need not wait between steps. `work` has `device` and `products` too. FOLDER holds the case:
`work.json`, `tensors.safetensors` and, for language models, `model` and `adapter`.
"""
import importlib
import json
import os
import sys
import time
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
# Packages print; the answers go out on a channel of their own.
ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def answer(**said):
    print(json.dumps(said), file=ANSWERS)


def peak_mib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def turn(torch, step, n_steps):
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(n_steps):
        values = step()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    values = values()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    answer(wall_s=wall, cpu_s=cpu, values=values, peak_mib=peak_mib())


def main(module, folder):
    work, setup = json.loads((folder / "work.json").read_text())
    try:
        import torch

        torch.set_num_threads(setup["n_threads"])
        versions, step = importlib.import_module(module).open_case(work | setup, folder)
    except ImportError as error:
        return answer(missing=str(error).splitlines()[0])
    answer(ready=versions)
    for line in sys.stdin:
        turn(torch, step, int(line.split()[1]))


main(sys.argv[1], Path(sys.argv[2]))

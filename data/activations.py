"""Writes the activations of a causal model of transformers on texts, for stagediff (data/README.md has the form).

The embedding and every block's output of a Llama on the paragraphs of a file, and two MLPs of a GPT-2 on Parquet:

    python data/activations.py path/to/llama notes.txt acts/base --paragraphs --residual --dtype bfloat16 --skip-first
    python data/activations.py gpt2 texts.parquet acts/gpt2 --modules transformer.h.4.mlp transformer.h.8.mlp

Needs torch, transformers and safetensors; pyarrow for Parquet. A text longer than --seq is cut into sequences.
"""
import argparse
import json
import sys
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder, or a name on the hub")
    parser.add_argument("texts", type=Path, help=".jsonl, .parquet, or UTF-8 with a text a line")
    parser.add_argument("folder", type=Path, help="is made")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--residual", action="store_true", help="the embedding and what every block leaves behind")
    where.add_argument("--modules", nargs="+", metavar="NAME", help="outputs of these modules, all of one width")
    parser.add_argument("--paragraphs", action="store_true", help="an empty line ends a text")
    parser.add_argument("--column", default="text", help="of .jsonl and .parquet (text)")
    parser.add_argument("--spans", metavar="COLUMN", help="of pairs [first character, end]: their tokens get label 1")
    parser.add_argument("--seq", type=int, default=128, help="tokens of a sequence at most (128)")
    parser.add_argument("--max-tokens", type=int, default=1_000_000, help="tokens at most (1000000)")
    parser.add_argument("--skip-first", action="store_true", help="leave out each sequence's first token, an outlier")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32", help="of the files")
    parser.add_argument("--centre", action="store_true", help="remove each vector's mean over d_model")
    parser.add_argument("--batch", type=int, default=8, help="sequences at once (8)")
    parser.add_argument("--shard-mb", type=int, default=500, help="megabytes of a file (500)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def records(args: argparse.Namespace) -> Iterator[dict]:
    """Each text, with its labelled spans if it has any."""
    if args.texts.suffix == ".parquet":
        from pyarrow.parquet import ParquetFile

        for batch in ParquetFile(args.texts).iter_batches(256):
            yield from batch.to_pylist()
        return
    with args.texts.open(encoding="utf-8") as lines:
        if args.texts.suffix == ".jsonl":
            yield from map(json.loads, lines)
        for is_empty, paragraph in groupby(lines, lambda line: args.paragraphs and not line.strip()):
            texts = ["".join(paragraph)] if args.paragraphs and not is_empty else paragraph
            yield from ({args.column: text.strip()} for text in texts)


def sequences(args: argparse.Namespace, tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[Tensor, Tensor]]:
    """Token ids and labels of sequences, until --max-tokens activations are kept."""
    n_left, has_spans = args.max_tokens, False
    for record in records(args):
        encoded = tokenizer(record[args.column], return_offsets_mapping=bool(args.spans), verbose=False)
        ids = torch.tensor(encoded["input_ids"], dtype=torch.int64)
        labels = torch.zeros(len(ids), dtype=torch.uint8)
        has_spans |= args.spans in record
        for token, (first, end) in enumerate(encoded.get("offset_mapping", [])):
            labels[token] = any(first < span[1] and span[0] < end for span in record.get(args.spans) or [])
        for piece in zip(ids.split(args.seq), labels.split(args.seq)):
            if (n_kept := min(len(piece[0]) - args.skip_first, n_left)) > 0:
                yield piece[0][: n_kept + args.skip_first], piece[1][: n_kept + args.skip_first]
                n_left -= n_kept
        if n_left == 0:
            break
    if args.spans and not has_spans:
        print(f"{args.texts}: none of the texts has {args.spans!r}, no token is labelled", file=sys.stderr)


def watch(model: PreTrainedModel, modules: list[str] | None) -> tuple[list[str], dict[str, Tensor]]:
    """The hook points in order, and what passed them in the last forward pass."""
    seen: dict[str, Tensor] = {}

    def see(name: str, passing: Tensor | tuple) -> None:
        seen[name] = passing if isinstance(passing, Tensor) else passing[0]

    lists = [module for module in model.base_model.modules() if isinstance(module, nn.ModuleList)]
    blocks = next((module for module in lists if len(module) == model.config.num_hidden_layers), [])
    if not modules and not blocks:
        sys.exit("found no list of blocks in this model: name modules with --modules")
    hooked = {f"blocks.{i}.hook_resid_post": block for i, block in enumerate(blocks)}
    if modules:
        hooked = {name: model.get_submodule(name) for name in modules}
    for name, module in hooked.items():
        module.register_forward_hook(lambda _, __, out, name=name: see(name, out))
    if modules:
        return list(hooked), seen
    embedding = "blocks.0.hook_resid_pre"
    reads = lambda _, given, named: see(embedding, given or named["hidden_states"])  # noqa: E731
    blocks[0].register_forward_pre_hook(reads, with_kwargs=True)
    return [embedding, *hooked], seen


def activations(model: PreTrainedModel, names: list[str], seen: dict[str, Tensor], batch: list[Tensor]) -> list[Tensor]:
    """Of each sequence, [token, hook, d_model]. Padding comes last, where a causal model does not look."""
    ids = nn.utils.rnn.pad_sequence(batch, batch_first=True).to(model.device)
    model.base_model(input_ids=ids, use_cache=False)
    if missing := [name for name in names if name not in seen]:
        sys.exit(f"nothing passed {', '.join(missing)}: expected modules within the model without its head")
    acts = torch.stack([seen[name].float() for name in names], dim=2).cpu()
    return [of_sequence[: len(tokens)] for of_sequence, tokens in zip(acts, batch)]


def write(args: argparse.Namespace) -> None:
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype="auto").to(args.device).eval()
    (names, seen), dtype, skipped = watch(model, args.modules), getattr(torch, args.dtype), int(args.skip_first)
    held, tokens, labels, offsets, shards = [], [], [], [0], []

    def flush() -> None:
        if not held:
            return
        shards.append({"file": f"acts-{len(shards):05}.safetensors", "n_tokens": sum(map(len, held))})
        save_file({"acts": torch.cat(held)}, args.folder / shards[-1]["file"])
        held.clear()

    source = sequences(args, tokenizer)
    while batch := list(islice(source, args.batch)):
        for acts, (ids, marks) in zip(activations(model, names, seen, [ids for ids, _ in batch]), batch):
            acts = (acts - acts.mean(-1, keepdim=True) if args.centre else acts)[skipped:].to(dtype)
            if not acts.isfinite().all():
                sys.exit(f"an activation of sequence {len(offsets) - 1} is not finite in {args.dtype}")
            held.append(acts)
            tokens.append(ids[skipped:].int())
            labels.append(marks[skipped:])
            offsets.append(offsets[-1] + len(acts))
        n_held = offsets[-1] - sum(shard["n_tokens"] for shard in shards)
        if n_held * held[0][0].nbytes >= args.shard_mb * 1_000_000:
            flush()
    if not tokens:
        sys.exit(f"{args.texts}: no tokens in it")
    flush()
    stored = {"tokens": torch.cat(tokens), "offsets": torch.tensor(offsets)}
    save_file(stored | ({"labels": torch.cat(labels)} if args.spans else {}), args.folder / "tokens.safetensors")
    texts = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    known = tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else json.dumps(texts)
    (args.folder / "tokenizer.json").write_text(known, encoding="utf-8")
    description = dict(format="stagediff activations 1", model=args.model, data=args.texts.name, hook_points=names)
    description |= dict(d_model=acts.shape[-1], dtype=args.dtype, centred=args.centre, n_tokens=offsets[-1])
    description |= dict(n_sequences=len(offsets) - 1, shards=shards, tokenizer="tokenizer.json")
    (args.folder / "activations.json").write_text(json.dumps(description, indent=1))
    print(f"{args.folder}: {offsets[-1]} tokens at {len(names)} hook points of width {acts.shape[-1]}")


if __name__ == "__main__":
    given = arguments()
    if (given.folder / "activations.json").exists():
        sys.exit(f"{given.folder} holds activations already: name another folder")
    given.folder.mkdir(parents=True, exist_ok=True)
    try:
        with torch.inference_mode():
            write(given)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        sys.exit(f"{given.texts}: {error}")
    except KeyError as error:
        sys.exit(f"{given.texts}: a text without {error}")

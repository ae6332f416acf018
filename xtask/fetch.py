"""Brings models and stories from the Hugging Face hub into the cache of its client. Started by `cargo xtask fetch`.

    python fetch.py hf://[datasets/]OWNER/NAME[@REVISION][/PATH]...

Of a model come configuration, tokenizer and weights; of a data set the file that PATH names, or the Parquet files of
the training split, or else its text file. A revision stands for the commit that it stood for at the first download.
The names of a place's files are left in the repository's folder of the cache, in stagediff/COMMIT.json: the library
looks them up there, so that it sees what an interrupted download has not brought. A cache that cannot be written to is
used as it is.
"""

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import quote

os.environ.setdefault("HF_HUB_DISABLE_SHARED_BLOBS", "1")  # all of a repository lies in its folder, which may be copied

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, parse_hf_uri

TOKENIZERS = [["tokenizer.json"], ["vocab.json", "merges.txt"]]
BESIDE = ["added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"]  # of a tokenizer, where there are any
WEIGHTS = [["model.safetensors"], ["model.safetensors.index.json"], ["pytorch_model.bin"], ["pytorch_model.bin.index.json"]]

UNREACHED = ": is the hub to be reached from this machine? (HF_ENDPOINT names a mirror, HTTPS_PROXY a proxy)"
CLOSED = ": the repository is private, asks for consent on its page, or is not there; HF_TOKEN names a token that may read it"
REMEDIES = {
    401: CLOSED,
    403: CLOSED,
    404: ": no such repository, revision or file; a data set is written hf://datasets/OWNER/NAME",
    429: ": the hub asks for a pause; with HF_TOKEN it allows more",
}


class Refused(Exception):
    """Why a place cannot be had, in words for a person."""


class Place:
    """A place on the hub, and its repository's folder in the cache."""

    def __init__(self, text):
        uri = parse_hf_uri(text)
        self.kind, self.repo, self.path = uri.type, uri.id, uri.path_in_repo
        self.revision = uri.revision or constants.DEFAULT_REVISION
        self.folder = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=uri.id, repo_type=uri.type))

    def known_commit(self):
        """The commit of the revision at an earlier download. A commit stands for itself."""
        ref = self.folder / "refs" / self.revision
        return ref.read_text().strip() if ref.is_file() else self.revision

    def snapshot(self, commit):
        return self.folder / "snapshots" / commit

    def notes(self, commit):
        """The names of the files of each path of a commit that was asked for before."""
        note = self.folder / f"stagediff/{commit}.json"
        return json.loads(note.read_text()) if note.is_file() else {}

    def missing(self, commit, names):
        return [name for name in names if not (self.snapshot(commit) / name).is_file()]

    def keep(self, commit, names):
        """Notes the names of this place's files, and the commit of its revision."""
        notes = {**self.notes(commit), self.path: names}
        try:
            write(self.folder / f"stagediff/{commit}.json", json.dumps(notes, indent=1))
            if self.revision != commit:
                write(self.folder / "refs" / self.revision, commit)
        except OSError:
            if self.missing(commit, names):
                raise

    def absent(self, what):
        variable = "HF_HUB_OFFLINE" if os.environ.get("HF_HUB_OFFLINE") else "TRANSFORMERS_OFFLINE"
        return Refused(f"{variable} is set and {what} is not in the cache: run once without {variable}, or copy"
                       f" {self.folder} from a machine that has it")


def write(path, text):
    """Writes a file that is whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


def in_cache(place, commit):
    """The commit and the names of its files in the cache."""
    folder = place.snapshot(commit)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if not names:
        raise place.absent("it")
    return commit, names


def on_hub(place, commit):
    """The commit of a place's revision and the names of its files; nothing if the hub is not reached or not asked, and
    the cache has files."""
    if constants.HF_HUB_OFFLINE:
        return None
    try:
        return repository(place, commit)
    except HTTPError as error:
        is_answer = isinstance(error, HfHubHTTPError) and error.response.status_code < 500
        if is_answer or not any(place.snapshot(commit).glob("*")):
            raise
        print(f"  the hub is not reached ({error}): the files of the cache are used", flush=True)
        return None


def repository(place, revision):
    """The commit and the names that the hub gives. Of its answer, which mirrors shorten, no more is read."""
    url = f"{constants.ENDPOINT}/api/{place.kind}s/{place.repo}/revision/{quote(revision, safe='')}"
    response = get_session().get(url, headers=build_hf_headers())
    hf_raise_for_status(response)
    try:
        info = response.json()
        return info["sha"], [file["rfilename"] for file in info["siblings"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"what {url} answers is no list of files ({error!r}): HF_ENDPOINT names a hub or a mirror") from error


def model_files(place, names):
    """Configuration, tokenizer, and the safest form of the weights: whole, or the index of their shards."""
    folder = f"{place.path}/" if place.path else ""

    def first(what, choices):
        for choice in choices:
            if all(folder + name in names for name in choice):
                return [folder + name for name in choice]
        raise Refused(f"it has no {what}; its files are {', '.join(names[:20])}")

    beside = [folder + name for name in BESIDE if folder + name in names]
    return [*first("config.json", [["config.json"]]), *first("tokenizer.json", TOKENIZERS), *beside,
            *first("model.safetensors or pytorch_model.bin", WEIGHTS)]


def story_files(place, names):
    """The file that the path names, or in its folder the Parquet files, or else the text, of the training split."""
    if place.path in names:
        return [place.path]

    def ending(end):
        inside = [name for name in names if name.endswith(end) and (not place.path or name.startswith(f"{place.path}/"))]
        return sorted(name for name in inside if "train" in name) or sorted(inside)

    parquet, texts = ending(".parquet"), ending(".txt")
    if not parquet and not texts:
        raise Refused(f"it has no Parquet or text file of stories; its files are {', '.join(names[:20])}")
    if not parquet and len(texts) > 1:
        raise Refused(f"it has several files: add one of them, as in …/{texts[0]} (there are {', '.join(texts)})")
    return whole(parquet) or texts


def whole(names):
    """The names and those of a numbered set, NAME-00000-of-00002.parquet, that are not among them."""
    parts = [re.fullmatch(r"(.*-)(\d{5})(-of-(\d{5})\..*)", name) for name in names]
    numbered = {f"{part[1]}{i:05}{part[3]}" for part in parts if part for i in range(int(part[4]))}
    return sorted({*names, *numbered})


def shards(place, commit, index):
    """The files that an index of weights names, beside it."""
    weight_map = json.loads(download(place, commit, index).read_text())["weight_map"]
    return sorted({Path(index).with_name(shard).as_posix() for shard in weight_map.values()})


def download(place, commit, name):
    """A file of the repository, from the cache if it is there."""
    path = place.snapshot(commit) / name
    if path.is_file():
        return path
    if constants.HF_HUB_OFFLINE:
        raise place.absent(name)
    if not sys.stderr.isatty():
        print(f"  {name}", flush=True)  # the client's bars are for terminals
    hf_hub_download(place.repo, name, repo_type=place.kind, revision=commit)
    check(path)
    return path


def check(path):
    """Removes a file whose SHA-256 is not the one that the hub says, after which its content in the cache is named."""
    blob = path.parent / os.readlink(path) if path.is_symlink() else path
    if len(blob.name) != 64:
        return  # a small file, named after git's hash
    digest = hashlib.sha256()
    with blob.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != blob.name:
        path.unlink()
        blob.unlink()
        raise Refused(f"what came of {path.name} has the SHA-256 {digest.hexdigest()}, the hub says {blob.name}; it was"
                      " removed: try again")


def fetch(place):
    """Downloads what is missing of a place; returns its commit and the names of its files."""
    commit = place.known_commit()
    names = place.notes(commit).get(place.path)
    if names is None:
        listed = on_hub(place, commit)
        commit, there = listed or in_cache(place, commit)
        names = model_files(place, there) if place.kind == "model" else story_files(place, there)
        if names[-1].endswith(".index.json"):
            names += shards(place, commit, names[-1])
        if listed:
            place.keep(commit, names)
    for name in names:
        download(place, commit, name)
    return commit, names


def reason(error):
    """What went wrong and what to do about it."""
    if isinstance(error, HfHubHTTPError):
        return f"{error}{REMEDIES.get(error.response.status_code, '')}"
    return f"{error}{UNREACHED}" if isinstance(error, HTTPError) else str(error)


def main():
    for text in sys.argv[1:]:
        try:
            place = Place(text)
            commit, names = fetch(place)
            print(f"{text}: {len(names)} files of commit {commit} in {place.snapshot(commit)}", flush=True)
        except (Refused, HTTPError, OSError, ValueError) as error:
            sys.exit(f"cannot get {text}: {reason(error)}")
        except KeyboardInterrupt:
            sys.exit("interrupted; files that are whole are kept")


if __name__ == "__main__":
    main()

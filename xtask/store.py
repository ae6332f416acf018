"""Brings runs to object storage and back. Started by `cargo xtask push`, `pull` and `run --run s3://BUCKET/NAME`.

    python store.py check|pull|push URL FOLDER

URL is the run's own place: s3://BUCKET/PATH/NAME, gs://, az:// or file:///. A run lies there file by file under the names
that it has in its folder, so that Polars, DuckDB or transformers read tables and models where they are; what is there is
said by the index `.stored.json`, with the SHA-256 of each file, which is written last. The folder keeps the index as it
was at the last exchange: of a file that changed on one side alone that side is taken, one that changed on both is
refused by name. obstore does the transfers (the Rust crate object_store); its variables hold: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL and the others of its documentation.
"""

import hashlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import from_url

INDEX = ".stored.json"
PROBE = ".stagediff-probe"
HERE_ALONE = ("lock", ".lock", INDEX)  # locks are of a machine
MADE_AGAIN = "tokens/"  # from the stories, in seconds
N_AT_ONCE = 8


class Refused(Exception):
    """Why something was not exchanged, in words for a person."""


class Place:
    """A run's place in object storage."""

    def __init__(self, url):
        self.url = url
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        options = {"connect_timeout": "5s", "timeout": "300s", **({"allow_http": True} if plain else {})}
        retries = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}
        is_file = urlsplit(url).scheme == "file"
        self.store = from_url(url, mkdir=True) if is_file else from_url(url, client_options=options, retry_config=retries)

    def index(self):
        """The files that are there by the index, and the index's own tag; nothing where there is no run yet."""
        try:
            answer = obstore.get(self.store, INDEX)
            return json.loads(bytes(answer.bytes())), answer.meta["e_tag"]
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise
            return {}, None

    def probe(self):
        """Whether it can be written to, before anything is computed for it."""
        obstore.put(self.store, PROBE, b"")
        obstore.delete(self.store, PROBE)

    def put(self, path, name):
        obstore.put(self.store, name, path)

    def get(self, name, known, path):
        """Downloads a file that is whole or absent."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part, digest = path.with_name(f".{path.name}.{os.getpid()}.part"), hashlib.sha256()
        try:
            with part.open("wb") as file:
                for chunk in obstore.get(self.store, name):
                    file.write(chunk)
                    digest.update(chunk)
            if digest.hexdigest() != known:
                raise Refused(f"{name} is not what the index of {self.url} says: a push was broken off, or is under way;"
                              " push again from where the run was made")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def put_index(self, files, tag):
        """Writes the index, unless somebody else has written one since it was read."""
        text = json.dumps(files, indent=1, sort_keys=True).encode()
        try:
            mode = "create" if tag is None else {"e_tag": tag}
            obstore.put(self.store, INDEX, text, mode="overwrite" if urlsplit(self.url).scheme == "file" else mode)
        except (AlreadyExistsError, PreconditionError) as error:
            raise Refused(f"somebody else has pushed to {self.url} meanwhile: pull, then push again") from error


def sha256(path):
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def files_of(folder):
    """The SHA-256 of every file of a run's folder that is worth keeping."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in paths]
    kept = [name for name in names if name not in HERE_ALONE and not name.startswith(MADE_AGAIN) and not name.endswith(".part")]
    return {name: sha256(folder / name) for name in kept}


def last_exchange(folder):
    path = folder / INDEX
    return json.loads(path.read_text()) if path.exists() else {}


def remember(folder, files):
    part = folder / f"{INDEX}.part"
    part.write_text(json.dumps(files, indent=1, sort_keys=True))
    part.replace(folder / INDEX)


def merged(here, there, before, place):
    """What the run consists of after an exchange; refuses what changed on both sides."""
    changed = {name for name in {*here, *there} if here.get(name) != there.get(name)}
    ours = {name for name in changed if there.get(name) == before.get(name)}
    theirs = {name for name in changed if here.get(name) == before.get(name)}
    if both := sorted(changed - ours - theirs):
        raise Refused(f"{', '.join(both[:3])}{' and others' if both[3:] else ''} changed both here and in {place.url}:"
                      " name another run, or remove one of the two")
    files = {**there, **{name: here[name] for name in ours if name in here}}
    return {name: known for name, known in files.items() if not (name in ours and name not in here)}, ours, theirs


def at_once(act, names):
    with ThreadPoolExecutor(N_AT_ONCE) as pool:
        list(pool.map(act, names))


def pull(place, folder):
    """Takes what changed there since the last exchange."""
    there, _ = place.index()
    if not there:
        return print(f"{place.url} holds no run yet", flush=True)
    here, before = files_of(folder), last_exchange(folder)
    _, _, theirs = merged(here, there, before, place)
    taken = sorted(theirs & there.keys())
    for names in [filter(lambda name: not vouches(name), taken), filter(vouches, taken)]:
        at_once(lambda name: place.get(name, there[name], folder / name), names)
    for name in theirs - there.keys():
        (folder / name).unlink(missing_ok=True)
    remember(folder, there)
    print(f"{place.url}: {len(taken)} of {len(there)} files taken into {folder}", flush=True)


def vouches(name):
    """Whether a file says of others that they are whole, and so comes after them."""
    return name.startswith("steps/") or name == "run.json"


def push(place, folder):
    """Brings what changed here since the last exchange; the index at the end."""
    here, before = files_of(folder), last_exchange(folder)
    if not here:
        raise Refused(f"{folder} is no run: there is nothing in it")
    there, tag = place.index()
    files, ours, theirs = merged(here, there, before, place)
    if theirs:
        raise Refused(f"{place.url} has changed since the last exchange ({', '.join(sorted(theirs)[:3])}): pull first")
    brought = sorted(ours & here.keys())
    at_once(lambda name: place.put(folder / name, name), brought)
    place.put_index(files, tag)
    gone = sorted(ours - here.keys())
    if gone:
        obstore.delete(place.store, gone)
    remember(folder, files)
    print(f"{place.url}: {len(brought)} of {len(files)} files brought from {folder}", flush=True)


def reason(error, url):
    """What went wrong, in one line, and what to do about it."""
    said = " ".join(str(error).split("\n\nDebug source")[0].split())[:400]
    bucket = "/".join(url.split("/")[:3])
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or "403" in said or "InvalidAccessKeyId" in said:
        return f"no right to do this in {bucket}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY name who may ({said})"
    if isinstance(error, FileNotFoundError) or "NoSuchBucket" in said:
        return f"there is no {bucket}, or no such file in it ({said})"
    return f"{said}; AWS_ENDPOINT_URL and AWS_REGION name where {bucket} is"


def main():
    action, url, folder = sys.argv[1:]
    try:
        place = Place(url)
        {"check": lambda: place.probe(), "pull": lambda: pull(place, Path(folder)),
         "push": lambda: push(place, Path(folder))}[action]()
    except Refused as error:
        sys.exit(f"cannot {action} {url}: {error}")
    except (BaseError, OSError, ValueError) as error:
        sys.exit(f"cannot {action} {url}: {reason(error, url)}")
    except KeyboardInterrupt:
        sys.exit("interrupted; files that are whole are kept")


if __name__ == "__main__":
    main()

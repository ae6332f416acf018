"""Executes notebooks one after another through Jupyter, and says where it is. Started by `cargo xtask run`.

    python execute.py [--in-place] [--expect FILE]... OUT NOTEBOOK...

Each executed notebook goes to OUT, with an HTML page beside it, in the place of those of an earlier execution;
OUT/../durations.json keeps the seconds of each cell. Each FILE of --expect holds the durations of an earlier run; the first that knows a notebook is believed.
With --in-place the outputs are written into the given notebooks too, free of times and of this machine's paths,
and the durations into the first FILE.
A failing cell, Ctrl-C or SIGTERM ends the execution with exit code 1. The notebook so far is then kept as
OUT/NAME.failed.ipynb, with its page, and what is there of an earlier execution stays.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import nbformat
from jupyter_core.utils import ensure_async, ensure_event_loop
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter

import rust_parameters

HEARTBEAT_S = 30
STOPS = [signal.SIGINT, signal.SIGTERM]
LET_GO_S = 20  # a training may end its step and write its checkpoint
START_S = 600  # the first kernel may have to compile the library
GUESS_S = 3.0  # for a cell that was never timed
TRUSTED_S = 10.0  # so long durations of earlier runs are taken at their word
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# A page of one notebook is one file: what nbconvert would take from a network is left away. Figures are pictures there.
ALONE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js_requirejs %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
"""


class CellFailed(Exception):
    """A cell that failed, in words for a person."""


class Progress:
    """Says where the execution is, and how long it may still take."""

    def __init__(self, expected_s):
        self.expected_s = expected_s
        self.unscaled_s = sum(sum(cells) for cells in expected_s.values())
        self.timed_s = [TRUSTED_S, TRUSTED_S]  # expected, taken
        self.lock = threading.Lock()
        self.open_line = False
        self.last_word = ""
        self.running = None

    @property
    def left_s(self):
        """What is expected of the cells to come, times how much slower than expected this machine was at those before."""
        expected_s, taken_s = self.timed_s
        return self.unscaled_s * taken_s / expected_s

    def say(self, text, end="\n"):
        with self.lock:
            if self.open_line:
                print()
            print(text, end=end, flush=True)
            self.open_line = end == ""

    def start(self, where, what, expected_s):
        self.last_word = ""
        self.say(f"  {where}  {what:<60} ", end="")
        self.running = (time.monotonic(), expected_s)

    def stop(self):
        began, expected_s = self.running
        self.running = None
        took_s = time.monotonic() - began
        self.unscaled_s = max(0.0, self.unscaled_s - expected_s)
        self.timed_s = [self.timed_s[0] + expected_s, self.timed_s[1] + took_s]
        with self.lock:
            lead = "" if self.open_line else "      done "
            print(f"{lead}{duration(took_s):>9}   {duration(self.left_s)} left", flush=True)
            self.open_line = False
        return took_s

    def beat(self):
        """Speaks up from time to time while a cell runs."""
        while True:
            time.sleep(1)
            running = self.running
            ran_s = time.monotonic() - running[0] if running else 0
            if ran_s > 1 and ran_s // HEARTBEAT_S > (ran_s - 1) // HEARTBEAT_S:
                self.say(f"      {duration(ran_s)}  {self.last_word[:100]}".rstrip())


class Client(NotebookClient):
    """A client that tells each line of output at once, and when what was there is cleared."""

    heard = forgotten = None

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "stream" and self.heard is not None:
            self.heard(msg["content"]["text"])
        elif msg["msg_type"] == "clear_output" and self.forgotten is not None:
            self.forgotten()
        return super().process_message(msg, cell, cell_index)


def duration(seconds):
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def first_words(cell):
    """The line that says best what a cell does: its first that is no `use`, no comment and no bracket."""
    lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("//", "use ", "}", "{"))]
    return (telling or lines or [""])[0][:60]


def errors(cell):
    """What a cell failed with, in the kernel's words."""
    texts = ["\n".join(out.traceback) or out.evalue for out in cell.outputs if out.output_type == "error"]
    return ANSI.sub("", "\n".join(dict.fromkeys(texts)))


def execute_cell(client, cell, index):
    try:
        was_told = ensure_event_loop().run_until_complete(finish_or_let_go(client, cell, index))
    except CellExecutionError as error:
        raise CellFailed(errors(cell) or ANSI.sub("", str(error))) from None
    except DeadKernelError:
        raise CellFailed("the kernel died; too little memory?") from None
    if was_told:
        raise KeyboardInterrupt


async def finish_or_let_go(client, cell, index):
    """Executes a cell. Told to stop meanwhile, it interrupts the cell and waits for it, so that a training keeps its checkpoint
    before the kernel ends, and returns true."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in STOPS:
        loop.add_signal_handler(number, told.set)
    executed, stopped = asyncio.create_task(client.async_execute_cell(cell, index)), asyncio.create_task(told.wait())
    try:
        await asyncio.wait([executed, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not executed.done():
            await ensure_async(client.km.interrupt_kernel())
            await asyncio.wait([executed], timeout=LET_GO_S)
        if not told.is_set():
            await executed
        elif executed.done():
            executed.exception()
    finally:
        stopped.cancel()
        executed.cancel()
        for number in STOPS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.default_int_handler)
    return told.is_set()


def execute(path, notebook, progress, took_s):
    """Executes a notebook's cells in a kernel of its own; appends each cell's seconds to `took_s`."""
    client = Client(notebook, timeout=None, startup_timeout=START_S, record_timing=False, coalesce_streams=True,
                    kernel_name="rust", resources={"metadata": {"path": str(path.parent)}})
    client.heard = lambda text: setattr(progress, "last_word", (text.strip().splitlines() or [progress.last_word])[-1])
    client.forgotten = lambda: setattr(progress, "last_word", "")
    cells = [(index, cell) for index, cell in enumerate(notebook.cells)
             if cell.cell_type == "code" and cell.source.strip()]
    expected_s = list(progress.expected_s[path.stem])
    for number, (_, cell) in enumerate(cells):
        if cell.get("id") == "injected":
            expected_s.insert(number, GUESS_S)
    with client.setup_kernel():
        for number, (index, cell) in enumerate(cells):
            progress.start(f"{number + 1:>3} of {len(cells)}", first_words(cell), expected_s[number])
            try:
                execute_cell(client, cell, index)
            except CellFailed as failed:
                progress.stop()
                raise CellFailed(f"{path.name}, cell {number + 1} of {len(cells)}\n\n{cell.source}\n\n{failed}") from None
            ran_s = round(progress.stop(), 1)
            if cell.get("id") != "injected":
                took_s.append(ran_s)


PLOT = "application/vnd.plotly.v1+json"


def write_whole(path, text):
    """Writes a file beside its place and then moves it there: one that is there stays until the new one is whole."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    os.replace(beside, path)


def inject(notebook):
    """Puts a cell below the parameters that says what was given on the command line, if that changes anything."""
    given = json.loads(os.environ.get("STAGEDIFF_SETTINGS", "{}"))
    at = next((at for at, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])), None)
    if at is None or not given:
        return
    name = given.get("preset", "")
    if f'Settings::new("{name}")' in notebook.cells[at].source and given == {"preset": name, "run": name}:
        return
    code = rust_parameters.cell(given, "given to `cargo xtask run`")
    injected = nbformat.v4.new_code_cell(code, metadata={"tags": ["injected-parameters"]})
    injected.id = "injected"
    notebook.cells.insert(at + 1, injected)


def written(notebook):
    """A notebook as text: as nbformat writes it, but each interactive figure in one line. Number by number on lines of their own,
    indented, they would be more than half of it."""
    plots = []

    def in_one_line(data):
        plots.append(json.dumps(data.pop(PLOT), ensure_ascii=False, sort_keys=True, separators=(",", ":")))
        return {**data, PLOT: f"plot {len(plots) - 1}"}

    small = nbformat.from_dict({**notebook, "cells": [
        {**cell, "outputs": [
            {**out, "data": in_one_line(dict(out["data"]))} if PLOT in out.get("data", {}) else out
            for out in cell["outputs"]]} if "outputs" in cell else cell
        for cell in notebook.cells]})
    return re.sub(rf'("{re.escape(PLOT)}": )"plot (\d+)"', lambda found: found[1] + plots[int(found[2])], nbformat.writes(small)) + "\n"


def linked(html, pages):
    """A page with its links to notebooks as links to their pages, and as words where there is no page."""
    def link(found):
        stem, anchor, words = found.groups()
        return f'<a href="{stem}.html{anchor or ""}">{words}</a>' if stem in pages else words

    return re.sub(r'<a href="(?:\./)?(\d\d_\w+)\.ipynb(#[^"]*)?">(.*?)</a>', link, html)


def keep(notebook, out, stem, pages=()):
    """Writes a notebook and an HTML page of it, with links to those pages that there are or will be; returns the page's path."""
    html, _ = HTMLExporter(raw_template=ALONE).from_notebook_node(notebook, {"metadata": {"name": stem}})
    write_whole(out / f"{stem}.ipynb", written(notebook))
    page = out / f"{stem}.html"
    there = {path.stem for path in out.glob("*.html")}
    write_whole(page, linked(html, there | set(pages)))
    return page


def without_paths(value, root):
    """Output as it may be committed: no absolute path of this machine."""
    if isinstance(value, str):
        return value.replace(f"{root}/", "").replace(str(root), ".").replace(str(Path.home()), "~")
    if isinstance(value, list):
        return [without_paths(item, root) for item in value]
    if isinstance(value, dict):
        return nbformat.from_dict({key: without_paths(item, root) for key, item in value.items()})
    return value


def write_back(notebook, path):
    root = path.parent.parent
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [without_paths(out, root) for out in cell.outputs]
            cell.metadata.pop("execution", None)
    notebook.metadata = {"kernelspec": {"display_name": "Rust", "language": "rust", "name": "rust"},
                         "language_info": {"file_extension": ".rs", "mimetype": "text/rust", "name": "Rust"}}
    write_whole(path, written(notebook))


def read_expected(files, notebooks):
    """Seconds of each code cell, from the first file that knows the notebook."""
    known = [json.loads(file.read_text()) for file in files if file.is_file()]
    expected_s = {}
    for stem, notebook in notebooks.items():
        n_cells = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
        timed = next((table[stem] for table in known if stem in table), [])
        expected_s[stem] = (timed + [GUESS_S] * n_cells)[:n_cells]
    return expected_s


def keep_durations(file, stem, timed):
    """Writes a notebook's durations among those that are committed."""
    table = json.loads(file.read_text()) if file.is_file() else {}
    lines = [f'  "{name}": {cells}' for name, cells in sorted({**table, stem: timed}.items())]
    file.parent.mkdir(exist_ok=True)
    write_whole(file, "{\n" + ",\n".join(lines) + "\n}\n")


def execute_all(args):
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in args.notebooks}
    durations_path = args.out.parent / "durations.json"
    progress = Progress(read_expected([durations_path, *args.expect], notebooks))
    took_s = json.loads(durations_path.read_text()) if durations_path.is_file() else {}
    threading.Thread(target=progress.beat, daemon=True).start()
    args.out.mkdir(parents=True, exist_ok=True)
    for path in args.notebooks:
        notebook, timed = notebooks[path.stem], []
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        if not args.in_place:
            inject(notebook)
        progress.say(f"\n{path.stem}  ({duration(progress.left_s)} left in all)")
        try:
            execute(path, notebook, progress, timed)
        except (CellFailed, KeyboardInterrupt) as stop:
            page = keep(notebook, args.out, f"{path.stem}.failed", notebooks)
            raise type(stop)(f"{stop}\n\nthe notebook so far: {page}") from None
        keep(notebook, args.out, path.stem, notebooks)
        for old in args.out.glob(f"{path.stem}.failed.*"):
            old.unlink()
        took_s[path.stem] = timed
        write_whole(durations_path, json.dumps(took_s))
        if args.in_place:
            write_back(notebook, path)
            keep_durations(args.expect[0], path.stem, timed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--in-place", action="store_true")
    parser.add_argument("--expect", type=Path, action="append", default=[])
    parser.add_argument("out", type=Path)
    parser.add_argument("notebooks", type=Path, nargs="+")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        execute_all(args)
    except CellFailed as failed:
        sys.exit(f"\nfailed: {failed}")
    except KeyboardInterrupt as interrupted:
        sys.exit(f"\ninterrupted{interrupted}")


if __name__ == "__main__":
    main()

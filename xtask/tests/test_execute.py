"""What becomes of pages when a notebook fails. No kernel runs: `execute.execute` is replaced."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from unittest import mock

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

from processes import wait_for

XTASK = Path(__file__).parent.parent
PROGRAM = """\
import sys, time
from nbformat.v4 import new_output
sys.path.insert(0, sys.argv.pop(1))
import execute
def stand_in(path, notebook, progress, took_s):
    word = notebook.cells[0].source
    notebook.cells[0].outputs = [new_output("stream", text="said " + word)]
    if word == "fails":
        raise execute.CellFailed("no such thing")
    if word == "sleeps":
        print("sleeping", flush=True)
        time.sleep(60)
    took_s.append(1.0)
execute.execute = stand_in
execute.main()
"""


class Left(unittest.TestCase):
    def test_the_time_left_follows_what_cells_took(self):
        sys.path.insert(0, str(XTASK))
        import execute
        progress = execute.Progress({"01_a": [60.0, 60.0, 120.0]})
        self.assertEqual(progress.left_s, 240.0)
        with mock.patch.object(execute.time, "monotonic", side_effect=[0.0, 130.0, 130.0, 260.0]), redirect_stdout(StringIO()):
            for cell in range(2):
                progress.start(f"{cell + 1} of 3", "cell", 60.0)
                progress.stop()
        self.assertEqual(progress.left_s, 120.0 * 270.0 / 130.0)


class Links(unittest.TestCase):
    def test_a_notebook_without_a_page_is_words(self):
        sys.path.insert(0, str(XTASK))
        import execute
        html = '<a href="09_recipes.ipynb">Recipes</a>, <a href="./08_rotation.ipynb#check">08</a>, <a href="https://a.org">a</a>'
        there = 'Recipes, <a href="08_rotation.html#check">08</a>, <a href="https://a.org">a</a>'
        self.assertEqual(execute.linked(html, {"08_rotation"}), there)


class Written(unittest.TestCase):
    def test_an_interactive_figure_stands_in_one_line(self):
        sys.path.insert(0, str(XTASK))
        import execute
        plot = {"data": [{"x": [0.5, 1], "hovertext": ['"plot 0"', "·é"]}], "layout": {}}
        texts = {"image/svg+xml": "<svg>\n</svg>", "text/plain": "Figure", execute.PLOT: plot}
        output = new_output("display_data", texts)
        notebook = new_notebook(cells=[new_code_cell("figure", outputs=[output, new_output("stream", text="plot 0")])])
        text = execute.written(notebook)
        again = nbformat.reads(text, as_version=4)
        self.assertEqual(again.cells[0].outputs[0].data[execute.PLOT], plot)
        self.assertEqual(again.cells[0].outputs, notebook.cells[0].outputs)
        lines = [line for line in text.splitlines() if "hovertext" in line]
        self.assertEqual(len(lines), 1)
        self.assertLess(len(lines[0]), 130)
        nbformat.validate(again)


class Pages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "run/notebooks"

    def start(self, word, *options, given=None):
        parameters = new_code_cell('let settings: Settings = Settings::new("tiny");', metadata={"tags": ["parameters"]})
        notebook = new_notebook(cells=[new_code_cell(word), parameters])
        nbformat.write(notebook, self.folder / "01_a.ipynb")
        words = [sys.executable, "-c", PROGRAM, XTASK, *options, self.out, self.folder / "01_a.ipynb"]
        env = {name: value for name, value in os.environ.items() if name != "STAGEDIFF_SETTINGS"}
        env |= {"STAGEDIFF_SETTINGS": json.dumps(given)} if given else {}
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def execute(self, word, *options, given=None):
        process = self.start(word, *options, given=given)
        _, said = process.communicate(timeout=60)
        return process.returncode, said

    def files(self):
        return {path.name: path.read_bytes() for path in self.out.iterdir()}

    def test_pages_of_a_notebook_that_fails_stand_beside_the_good_ones(self):
        self.assertEqual(self.execute("works")[0], 0)
        good = self.files()
        self.assertEqual(sorted(good), ["01_a.html", "01_a.ipynb"])
        status, said = self.execute("fails")
        self.assertEqual(status, 1)
        self.assertIn("no such thing", said)
        self.assertIn(str(self.out / "01_a.failed.html"), said)
        now = self.files()
        self.assertEqual({name: now[name] for name in good}, good)
        self.assertEqual(sorted(set(now) - set(good)), ["01_a.failed.html", "01_a.failed.ipynb"])
        self.assertIn(b"said fails", now["01_a.failed.ipynb"])
        self.assertEqual(self.execute("succeeds")[0], 0)
        self.assertEqual(sorted(self.files()), sorted(good))
        self.assertIn(b"said succeeds", self.files()["01_a.ipynb"])

    def test_a_page_takes_nothing_from_a_network(self):
        self.assertEqual(self.execute("works")[0], 0)
        page = self.files()["01_a.html"].decode()
        self.assertIn("said works", page)
        taken = re.findall(r'(?:src|href)="(https?:[^"]*)"|(?:from|import|url)[ (]*["\'](https?:[^"\']*)', page)
        self.assertEqual(taken, [])

    def test_a_notebook_that_fails_is_not_written_back(self):
        durations = self.folder / "durations.json"
        status, _ = self.execute("fails", "--in-place", "--expect", durations)
        self.assertEqual((status, durations.exists()), (1, False))
        self.assertEqual(nbformat.read(self.folder / "01_a.ipynb", 4).cells[0].outputs, [])

    def test_an_injected_cell_shows_what_was_given(self):
        given = {"preset": "smoke", "run": "a\"#b", "set": {"stories.column": "x"}}
        for injected, words in [(None, {}), (None, {"preset": "tiny", "run": "tiny"}), (given, given)]:
            self.assertEqual(self.execute("works", given=words)[0], 0)
            cells = nbformat.read(self.out / "01_a.ipynb", 4).cells
            found = [cell.source for cell in cells if "injected-parameters" in cell.metadata.get("tags", [])]
            self.assertEqual(len(found), 1 if injected else 0, words)
            if injected:
                self.assertEqual(cells[2].source, found[0])
                text = re.search(r'given\(r##"(.*)"##\)\?;$', found[0])[1]
                self.assertEqual(json.loads(text), injected)
            self.assertEqual(json.loads((self.folder / "run/durations.json").read_text())["01_a"], [1.0])
        self.assertEqual(self.execute("works", "--in-place", "--expect", self.folder / "d.json", given=given)[0], 0)
        self.assertEqual(len(nbformat.read(self.folder / "01_a.ipynb", 4).cells), 2, "not in the notebook itself")

    def test_being_told_to_end_is_an_interruption(self):
        self.assertEqual(self.execute("works")[0], 0)
        good = self.files()
        process = self.start("sleeps")
        self.assertTrue(wait_for(lambda: "sleeping" in process.stdout.readline(), 30))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertIn(f"interrupted\n\nthe notebook so far: {self.out / '01_a.failed.html'}", said)
        now = self.files()
        self.assertEqual({name: now[name] for name in good}, good)


if __name__ == "__main__":
    unittest.main()

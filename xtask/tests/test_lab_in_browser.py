"""JupyterLab in headless Chromium, stepped by keyboard on a machine that is set up; XTASK names the program. A training is
interrupted in it and taken up again, cells fail, names complete. It has limits of time, so it is run where it is asked for,
on a machine that is not busy: `STAGEDIFF_LAB=1 cargo xtask test`."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import chromium
from processes import wait_for

ROOT = Path(__file__).parent.parent.parent
XTASK = os.environ.get("XTASK")
TOKEN = "trial"
OPTIONS = ["--no-browser", "--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}"]
FIRST_RESULT_S = 10.0
CELL_S = 1.5
# JupyterLab's own object, where --expose-app-in-browser is given
NOTEBOOK = "jupyterapp.shell.currentWidget"
CELLS = f"[...document.querySelectorAll('.jp-Notebook .jp-Cell')]"


@unittest.skipUnless(XTASK and "STAGEDIFF_LAB" in os.environ, "minutes of a machine that is set up: `STAGEDIFF_LAB=1 cargo xtask test`")
@unittest.skipIf(chromium.MISSING, chromium.MISSING)
class Lab(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(dir=ROOT / "target", prefix="lab-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "data").mkdir()
        env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"), "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
               "JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces"),
               "STAGEDIFF_DATA": str(self.folder / "data")}
        env.pop("STAGEDIFF_SETTINGS", None)
        settings = ["--preset", "smoke", "--set", "base=train", "--set", "pretrain.n_steps=1500"]
        words = [XTASK, "lab", *settings, "--", *OPTIONS, f"--ServerApp.root_dir={self.folder}", "--expose-app-in-browser"]
        self.log = open(self.folder / "lab.log", "w")
        self.addCleanup(self.log.close)
        self.lab = subprocess.Popen(words, env=env, stdout=self.log, stderr=self.log, cwd=ROOT, start_new_session=True)
        self.addCleanup(self.end)
        self.server = self.folder / f"runtime/jpserver-{self.lab.pid}.json"
        self.assertTrue(wait_for(self.server.is_file, 120), (self.folder / "lab.log").read_text()[-2000:])
        self.page = chromium.Page(asks_server=True)
        self.addCleanup(self.page.close)
        self.page.size(1280, 1600)

    def end(self):
        self.lab.kill()
        self.lab.wait()

    def open(self, name, cells):
        """Opens a notebook of these cells; returns the seconds until its kernel is there."""
        dep = f":dep stagediff = {{ path = {json.dumps(str(ROOT))} }}"
        cells = [dep if cell.startswith(":dep") else cell for cell in cells]
        notebook = {"cells": [{"cell_type": "code", "id": f"c{at}", "metadata": {}, "execution_count": None, "outputs": [], "source": cell}
                              for at, cell in enumerate(cells)],
                    "metadata": {"kernelspec": {"display_name": "Rust", "language": "rust", "name": "rust"}},
                    "nbformat": 4, "nbformat_minor": 5}
        (self.folder / f"{name}.ipynb").write_text(json.dumps(notebook))
        url = json.loads(self.server.read_text())["url"]
        began = time.monotonic()
        self.page.visit(f"{url}lab/tree/{name}.ipynb?token={TOKEN}&reset")
        self.page.until("globalThis.jupyterapp?.shell?.currentWidget?.context?.path?.endsWith('.ipynb')", 90)
        self.page.until(f"{NOTEBOOK}.sessionContext?.session?.kernel?.status === 'idle'", 90)
        self.page.until(f"{CELLS}.length === {len(cells)}")
        self.page.js(f"{NOTEBOOK}.content.activeCellIndex = 0; {NOTEBOOK}.content.mode = 'command'; {NOTEBOOK}.content.node.focus()")
        return time.monotonic() - began

    def of_notebook(self, name):
        cells = json.loads((ROOT / f"notebooks/{name}.ipynb").read_text())["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]

    def prompt(self, at):
        return self.page.js(f"{NOTEBOOK}.content.widgets[{at}].prompt")

    def output(self, at):
        return self.page.js(f"{NOTEBOOK}.content.widgets[{at}].outputArea.node.textContent")

    def outputs(self, at):
        return self.page.js(f"{NOTEBOOK}.content.widgets[{at}].model.outputs.toJSON()")

    def failed(self, at):
        return any(output["output_type"] == "error" for output in self.outputs(at))

    def is_done(self, at):
        return self.prompt(at) not in ("", "*") and self.page.js(f"{NOTEBOOK}.sessionContext.session.kernel.status === 'idle'")

    def step(self, at, limit_s=300):
        """Executes the active cell by keyboard, as a person does, and waits for it; the seconds that it took."""
        self.assertEqual(self.page.js(f"{NOTEBOOK}.content.activeCellIndex"), at)
        self.page.js(f"{NOTEBOOK}.content.widgets[{at}].model.executionCount = null")
        began = time.monotonic()
        self.page.press("Enter", "Shift")
        self.assertTrue(wait_for(lambda: self.is_done(at), limit_s), self.output(at))
        return time.monotonic() - began

    def go(self, at):
        self.page.js(f"{NOTEBOOK}.content.mode = 'command'; {NOTEBOOK}.content.activeCellIndex = {at}; {NOTEBOOK}.content.node.focus()")

    def step_all(self, n_cells, first=0):
        took_s = []
        for at in range(first, n_cells):
            took_s.append(self.step(at))
            self.assertFalse(self.failed(at), self.output(at))
        return took_s

    def test_stepping_to_the_figure_and_an_interrupt_on_the_way(self):
        stories = self.of_notebook("01_stories")
        opened_s = self.open("01_stories", stories)
        took_s = self.step_all(len(stories))
        first_s = sum(took_s[:4])
        print(f"\n01 in JupyterLab: opened with a kernel in {opened_s:.1f} s, first result after {first_s:.1f} s more, "
              f"a cell {statistics.median(took_s[4:]):.1f} s (median of {len(took_s) - 4}); {[round(s, 1) for s in took_s]}")
        for at in range(len(stories)):
            self.assertNotIn({"text/plain": "()"}, [output.get("data") for output in self.outputs(at)])
        self.page.until("!document.querySelector('.jp-Notebook .jp-RenderedText[data-mime-type*=stderr]')")
        self.assertNotIn("about JupyterLab news", self.page.js("document.body.textContent"))
        if os.environ.get("STAGEDIFF_TIMES"):
            self.assertLessEqual(first_s, FIRST_RESULT_S)
            self.assertLessEqual(statistics.median(took_s[4:]), CELL_S)

        model = self.of_notebook("02_language_model")
        self.open("02_language_model", model)
        self.step_all(4)
        self.page.press("Enter", "Shift")
        self.assertTrue(wait_for(lambda: "base" in self.output(4), 300), "the training's first line")
        self.assertRegex(self.output(4), r"step +\d+ of 1500 .* steps/s, .* left")
        self.go(4)
        began = time.monotonic()
        self.page.press("i")
        self.page.press("i")
        self.assertTrue(wait_for(lambda: self.is_done(4), 60), self.output(4))
        print(f"an interrupted training ended after {time.monotonic() - began:.1f} s")
        self.assertRegex(self.output(4), r"stopped at step \d+ of 1500 by an interrupt: run the cell again to go on")
        self.assertTrue(self.failed(4))
        self.assertTrue(list(self.folder.glob("data/runs/smoke/checkpoints/**/*.safetensors")), "a checkpoint")
        self.go(4)
        self.step_all(len(model), 4)
        self.assertRegex(self.output(4), r"base goes on at step \d+ of 1500")
        self.page.until(f"{CELLS}[5].querySelector('.js-plotly-plot, svg, img')")

    def test_cells_that_fail_and_names_that_complete(self):
        cells = [":dep", "use stagediff::experiment::{Run, Settings};",
                 'let settings: Settings = Settings::new("smoke");',
                 "let run: Run = Run::open(settings.or_env()?)?;", 'let n: i32 = "x".parse::<i32>()?;',
                 'println!("after it");', "let v: Vec<i32> = vec![1];\nprintln!(\"{}\", v[3]);", "println!(\"{}\", nosuch);",
                 "std::thread::sleep(std::time::Duration::from_secs(60));", "println!(\"{}\", run.preset.name);",
                 "let story: String = String::from(\"once\\nEVCXR_BEGIN_CONTENT text/html\\n<b class=theirs>x</b>\\nEVCXR_END_CONTENT\");\nprintln!(\"{story}\");",
                 "let name = run.preset.name.len();\nprintln!(\"{name}\");", "run."]
        self.open("failing", cells)
        self.page.js("jupyterapp.commands.execute('notebook:run-all-cells')")
        self.assertTrue(wait_for(lambda: self.failed(4), 120))
        self.assertTrue(wait_for(lambda: self.page.js(f"{NOTEBOOK}.sessionContext.session.kernel.status === 'idle'"), 30))
        self.assertIn("invalid digit", self.output(4))
        self.assertEqual(self.output(5), "", "Run All stops at a cell that fails")

        self.go(5)
        self.step(5)
        self.assertIn("after it", self.output(5))
        self.step(6)
        self.assertIn("panicked: index out of bounds: the len is 1 but the index is 3", self.output(6))
        self.assertNotIn("rust_begin_unwind", self.output(6))
        self.step(7)
        self.assertIn("cannot find value `nosuch`", self.output(7))
        self.assertIn("Run that one first", self.output(7))

        self.page.press("Enter", "Shift")
        time.sleep(6)
        self.go(8)
        self.page.press("i")
        self.page.press("i")
        self.assertTrue(wait_for(lambda: self.is_done(8), 30), self.output(8))
        self.assertIn("run cells [3] and [4] again", self.output(8))
        self.go(9)
        self.step(9)
        self.assertIn("run cell [4] again", self.output(9))
        for at in [2, 3]:
            self.go(at)
            self.step(at)
        self.go(9)
        self.step(9)
        self.assertIn("smoke", self.output(9))

        self.step(10)
        self.assertIn("<b class=theirs>", self.output(10))
        self.assertFalse(self.page.js("Boolean(document.querySelector('.theirs'))"), "a story puts nothing on the page")
        took_s = self.step(11)
        self.assertIn("5", self.output(11))
        print(f"\na cell whose variable has no type: {took_s:.1f} s, the first time the library is read")
        self.go(12)
        self.page.press("Enter")
        self.page.press("End", "Control")
        began = time.monotonic()
        self.page.press("Tab")
        self.page.until("document.querySelector('.jp-Completer-item')", 30)
        print(f"names complete after {time.monotonic() - began:.1f} s")
        self.assertIn("recipe", self.page.js("document.querySelector('.jp-Completer').textContent"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv)

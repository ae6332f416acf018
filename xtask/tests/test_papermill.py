"""Parameters that papermill is given, as the injected cell of a notebook. Papermill itself is asked where it is installed."""

import importlib.util
import json
import re
import sys
import tempfile
import unittest
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

sys.path.insert(0, str(Path(__file__).parent.parent))

import rust_parameters

GIVEN = {"preset": "smoke", "seed": 3, "stage_s.n_steps": 50, "base": "train", "hooks": ["blocks.0.hook_resid_pre"]}


def given_in(code):
    return json.loads(re.search(r'settings\.given\(r(#+)"(.*)"\1\)\?;$', code)[2])


class Parameters(unittest.TestCase):
    def test_any_text_comes_through_the_cell(self):
        for text in ["x", 'a"b', 'a"#b"##c', "\\n", "ü\n"]:
            self.assertEqual(given_in(rust_parameters.cell({"run": text}, "given")), {"run": text})

    @unittest.skipUnless(importlib.util.find_spec("papermill"), "papermill is not installed")
    def test_papermill_injects_settings(self):
        import papermill
        import papermill_rust  # as its entry point does
        parameters = new_code_cell("let settings: Settings = Settings::new(\"tiny\");", metadata={"tags": ["parameters"]})
        notebook = new_notebook(cells=[parameters], metadata={"kernelspec": {"name": "rust", "language": "rust", "display_name": "Rust"}})
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder) / "a.ipynb", Path(folder) / "b.ipynb"
            nbformat.write(notebook, path)
            papermill.execute_notebook(path, out, GIVEN, prepare_only=True)
            cell = nbformat.read(out, 4).cells[1]
        self.assertEqual(cell.metadata["tags"], ["injected-parameters"])
        self.assertEqual(given_in(cell.source), {
            "preset": "smoke", "seed": 3,
            "set": {"stage_s.n_steps": "50", "base": "train", "hooks": '["blocks.0.hook_resid_pre"]'}})
        self.assertTrue(issubclass(papermill_rust.Engine, papermill.engines.NBClientEngine))


if __name__ == "__main__":
    unittest.main()

"""JupyterLab and plain Jupyter on a machine that is set up. `cargo xtask test` runs these; XTASK names its program."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

from processes import environment, kernels_of, wait_for

ROOT = Path(__file__).parent.parent.parent
XTASK = os.environ.get("XTASK")
SETTINGS = "STAGEDIFF_SETTINGS"
OPTIONS = ["--no-browser", "--ServerApp.port=0", "--IdentityProvider.token=trial"]


def compiled():
    """Every compiled library of the target folder, with the time at which it was."""
    target = Path((ROOT / "target/kernel/target-folder").read_text())
    return {path: path.stat().st_mtime_ns for path in target.glob("**/deps/lib*.rlib")}


@unittest.skipUnless(XTASK, "needs a machine that is set up: `cargo xtask test`")
class Lab(unittest.TestCase):
    def start(self, *given):
        """Starts JupyterLab as `cargo xtask lab` does and a kernel in it; its process and the kernel's environment."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        env = {name: value for name, value in os.environ.items() if name != SETTINGS}
        env["JUPYTER_RUNTIME_DIR"] = folder.name
        lab = subprocess.Popen([XTASK, "lab", *given, "--", *OPTIONS], env=env, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True)
        self.addCleanup(self.end, lab)
        server = Path(folder.name) / f"jpserver-{lab.pid}.json"
        self.assertTrue(wait_for(server.is_file, 120), "JupyterLab runs as the very process that was started")
        url = json.loads(server.read_text())["url"]
        request = urllib.request.Request(f"{url}api/kernels", data=b'{"name": "rust"}',
                                         headers={"Authorization": "token trial"})
        wait_for(lambda: self.answers(request), 60)
        self.assertTrue(wait_for(lambda: self.evcxr(lab.pid), 60))
        return lab, environment(self.evcxr(lab.pid)[0])

    @staticmethod
    def answers(request):
        try:
            return urllib.request.urlopen(request, timeout=60).status == 201
        except OSError:
            return False

    @staticmethod
    def evcxr(client):
        return [pid for pid in kernels_of(client) if "evcxr" in Path(f"/proc/{pid}/comm").read_text()]

    @staticmethod
    def end(lab):
        lab.kill()
        lab.wait()

    def test_being_told_to_end_it_ends_with_its_kernels_and_nothing_given_is_nothing_handed_on(self):
        lab, env = self.start()
        self.assertNotIn(SETTINGS, env)
        lab.terminate()
        lab.wait(60)
        self.assertTrue(wait_for(lambda: not kernels_of(lab.pid), 10))

    def test_killed_it_takes_its_kernels_along_and_what_is_given_alone_is_handed_on(self):
        lab, env = self.start("--seed", "3")
        self.assertEqual(json.loads(env[SETTINGS]), {"seed": 3})
        lab.kill()
        lab.wait()
        self.assertTrue(wait_for(lambda: not kernels_of(lab.pid), 10))


@unittest.skipUnless(XTASK, "needs a machine that is set up: `cargo xtask test`")
class PlainJupyter(unittest.TestCase):
    def test_plain_jupyter_and_cargo_in_turns_compile_nothing(self):
        before = compiled()
        self.assertTrue(any("libstagediff-" in path.name for path in before))
        with tempfile.TemporaryDirectory() as out:
            plain = {name: os.environ[name] for name in ["HOME", "PATH"]}
            words = [sys.executable, ROOT / "xtask/execute.py", out, ROOT / "target/kernel/trial/in/trial.ipynb"]
            subprocess.run(words, env=plain, check=True, stdout=subprocess.DEVNULL)
            self.assertIn("42", (Path(out) / "trial.ipynb").read_text())
        self.assertEqual(compiled(), before, "plain Jupyter")
        subprocess.run([XTASK, "setup"], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(compiled(), before, "cargo xtask after it")


if __name__ == "__main__":
    unittest.main()

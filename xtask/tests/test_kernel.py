"""The kernel's start: what it hands on, and with whom it ends. A script stands in for evcxr."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from jupyter_client.connect import write_connection_file

from processes import environment, runs, wait_for

KERNEL = Path(__file__).parent.parent / "kernel/start.py"
EVCXR = "#!/bin/sh\nsleep 60 & echo $! > cell\necho $$ > evcxr\necho $PPID > kernel\nwait\n"
CLIENT = """\
import os, subprocess, sys, time
own = {} if sys.argv[2] == "independent" else {"JPY_PARENT_PID": str(os.getpid())}
subprocess.Popen([sys.executable, sys.argv[1], "connection.json"], env={**os.environ, **own},
                 start_new_session=sys.argv[2] != "one group")
time.sleep(60)
"""


class Kernel(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        evcxr = self.folder / "program"
        evcxr.write_text(EVCXR)
        evcxr.chmod(0o755)
        write_connection_file(str(self.folder / "connection.json"))

    def start(self, kind, **variables):
        """Starts a client that starts a kernel; its process, the pids of the kernel, of evcxr and of a cell."""
        env = {name: value for name, value in os.environ.items() if name != "JPY_PARENT_PID"}
        env |= {"EVCXR_JUPYTER": str(self.folder / "program"), **variables}
        client = subprocess.Popen([sys.executable, "-c", CLIENT, KERNEL, kind], cwd=self.folder, env=env,
                                  start_new_session=True)
        self.assertTrue(wait_for(lambda: (self.folder / "kernel").is_file(), 20))
        pids = [int((self.folder / name).read_text()) for name in ["kernel", "evcxr", "cell"]]
        self.addCleanup(self.end, client, *pids)
        return client, *pids

    @staticmethod
    def end(client, *pids):
        for pid in [client.pid, *pids]:
            if runs(pid):
                os.kill(pid, signal.SIGKILL)
        client.wait()

    def test_a_client_that_is_killed_takes_kernel_and_cell_along(self):
        for kind in ["session", "one group"]:
            with self.subTest(kind):
                (self.folder / "kernel").unlink(missing_ok=True)
                client, *pids = self.start(kind)
                client.kill()
                self.assertTrue(wait_for(lambda: not any(map(runs, pids)), 10))

    def test_a_kernel_that_is_killed_takes_its_cell_along_and_leaves_its_client(self):
        client, kernel, *others = self.start("one group")
        os.kill(kernel, signal.SIGKILL)
        self.assertTrue(wait_for(lambda: not any(map(runs, others)), 10))
        self.assertIsNone(client.poll())

    def test_a_kernel_that_is_meant_to_outlives_its_client(self):
        client, kernel, *_ = self.start("independent")
        client.kill()
        client.wait()
        self.assertFalse(wait_for(lambda: not runs(kernel), 1))

    def test_what_a_cargo_says_to_its_children_reaches_no_kernel(self):
        said = {"CARGO": "c", "CARGO_PKG_NAME": "x", "CARGO_MANIFEST_DIR": "/", "CARGO_ENCODED_RUSTFLAGS": "-Cx",
                "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS": "-Cx", "CARGO_BUILD_TARGET": "x", "OUT_DIR": "/"}
        kept = {"CARGO_TARGET_DIR": "/t", "CARGO_HOME": os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))}
        _, _, evcxr, _ = self.start("session", **said, **kept)
        found = environment(evcxr)
        self.assertEqual([name for name in said if name in found], [])
        self.assertEqual({name: found.get(name) for name in kept}, kept)


if __name__ == "__main__":
    unittest.main()

"""The kernel between Jupyter and evcxr, with Python's kernel in the place of evcxr: what is asked and answered."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.connect import write_connection_file

START = Path(__file__).parent.parent / "kernel/start.py"
STAND_IN = f"#!/bin/sh\nexec {sys.executable} -m ipykernel_launcher -f \"$2\"\n"
FAILS = "import sys; print('a warning\\n\\x01error\\nno such\\nsetting\\n\\x01end', file=sys.stderr)"


@unittest.skipUnless(importlib.util.find_spec("ipykernel"), "no ipykernel to stand in for evcxr")
class Serve(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        program = self.folder / "program"
        program.write_text(STAND_IN)
        program.chmod(0o755)
        file = str(self.folder / "connection.json")
        write_connection_file(file)
        env = {**os.environ, "EVCXR_JUPYTER": str(program), "STAGEDIFF_KERNEL": "light",
               "JPY_PARENT_PID": str(os.getpid())}  # so that what it started ends with it
        self.kernel = subprocess.Popen([sys.executable, "-B", START, file], cwd=self.folder, env=env, stderr=subprocess.DEVNULL)
        self.addCleanup(self.end)
        self.client = BlockingKernelClient(connection_file=file)
        self.client.load_connection_file()
        self.client.start_channels()
        self.addCleanup(self.client.stop_channels)
        self.client.wait_for_ready(timeout=60)

    def end(self):
        self.kernel.kill()
        self.kernel.wait()

    def execute(self, code):
        heard = []
        reply = self.client.execute_interactive(code, timeout=60, output_hook=heard.append, stop_on_error=False)
        seen = [message for message in heard if message["msg_type"] not in ("status", "execute_input", "clear_output")]
        return reply["content"], [(message["msg_type"], message["content"]) for message in seen
                                  if not str(message["content"].get("text", "")).startswith("starting")]

    def test_cells_are_counted_from_one_and_units_are_not_shown(self):
        self.assertEqual(self.execute("()")[1], [])
        reply, seen = self.execute("6 * 7")
        self.assertEqual(reply["execution_count"], 2)
        self.assertEqual(seen[0][1]["data"], {"text/plain": "42"})
        self.assertEqual(seen[0][1]["execution_count"], 2)

    def test_what_evcxr_calls_a_success_fails_its_cell(self):
        reply, seen = self.execute(FAILS)
        self.assertEqual((reply["status"], reply["evalue"]), ("error", "no such\nsetting"))
        self.assertEqual([kind for kind, _ in seen], ["stream", "error"])
        self.assertEqual(seen[1][1]["traceback"], ["no such", "setting"])
        self.assertEqual(self.execute("print(1)")[0]["status"], "ok")

    def test_cells_that_wait_after_one_that_fails_are_not_executed(self):
        sent = [self.client.execute(code, stop_on_error=stop) for code, stop in
                [("import time; time.sleep(1)", True), (FAILS, True), ("print('ran')", True)]]
        replies = {}
        while len(replies) < len(sent):
            message = self.client.get_shell_msg(timeout=60)
            replies[message["parent_header"]["msg_id"]] = message["content"]["status"]
        self.assertEqual([replies[identity] for identity in sent], ["ok", "error", "aborted"])
        self.assertEqual(self.execute("1")[0]["status"], "ok")

    def test_questions_are_answered_while_a_cell_is_executed(self):
        cell = self.client.execute("import time; time.sleep(3)")
        question = self.client.kernel_info()
        answered = [self.client.get_shell_msg(timeout=60)["parent_header"]["msg_id"] for _ in range(2)]
        self.assertEqual(answered, [question, cell])
        self.assertEqual(self.client.complete("prin", reply=True, timeout=60)["content"]["matches"], [], "light: no analysis")

    def test_a_program_that_does_not_start_is_the_failure_of_a_cell(self):
        (self.folder / "program").write_text("#!/bin/sh\necho no libtorch >&2; exit 1\n")
        self.execute("1")
        self.end()
        file = str(self.folder / "connection.json")
        env = {**os.environ, "EVCXR_JUPYTER": str(self.folder / "program"), "STAGEDIFF_KERNEL": "light",
               "JPY_PARENT_PID": str(os.getpid())}  # so that what it started ends with it
        self.kernel = subprocess.Popen([sys.executable, "-B", START, file], cwd=self.folder, env=env, stderr=subprocess.DEVNULL)
        self.client.wait_for_ready(timeout=60)
        reply, _ = self.execute("1")
        self.assertEqual(reply["status"], "error")
        self.assertIn("no libtorch", reply["evalue"])


if __name__ == "__main__":
    unittest.main()

"""Runs in object storage, against a server of it on this machine. `cargo xtask test` runs these; MOTO names the folder of
its programs."""

import os
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from processes import wait_for

STORE = Path(__file__).parent.parent / "store.py"
MOTO = os.environ.get("MOTO")
TABLE = "tables/a.parquet"
MAKE_BUCKET = """import boto3, sys
boto3.client("s3", endpoint_url=sys.argv[1]).create_bucket(Bucket="runs")"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@unittest.skipUnless(MOTO, "needs a server of object storage: `cargo xtask test`")
class ObjectStorage(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.env |= {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}

    def serve(self, **variables):
        """Starts the server with a bucket `runs`."""
        port = free_port()
        self.env["AWS_ENDPOINT_URL"] = endpoint = f"http://127.0.0.1:{port}"
        server = subprocess.Popen([f"{MOTO}/moto_server", "-H", "127.0.0.1", "-p", str(port)], env=self.env | variables,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        make = [f"{MOTO}/python", "-c", MAKE_BUCKET, endpoint]
        self.assertTrue(wait_for(lambda: answers(port), 60))
        subprocess.run(make, env=self.env, check=True)

    def store(self, action, folder, url="s3://runs/all/mine"):
        return subprocess.run([f"{MOTO}/python", STORE, action, url, self.folder / folder], env=self.env,
                              capture_output=True, text=True, timeout=60)

    def done(self, action, folder):
        said = self.store(action, folder)
        self.assertEqual(said.returncode, 0, said.stderr)
        return said.stdout

    def refused(self, action, folder, *parts, url="s3://runs/all/mine"):
        start = time.monotonic()
        said = self.store(action, folder, url).stderr
        self.assertLess(time.monotonic() - start, 30)
        for part in parts:
            self.assertIn(part, said)
        self.assertNotIn("Traceback", said)

    def write(self, folder, files):
        for name, text in files.items():
            path = self.folder / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def test_a_run_comes_back_as_it_was_and_only_what_changed_is_exchanged(self):
        self.serve()
        kept = {TABLE: "one", "steps/s.json": "record", "weights/s.safetensors": "w" * 10_000_000, "run.json": "{}"}
        self.write("here", {**kept, "tokens/a.i32": "made again in seconds", "lock": "process 1"})
        self.done("check", "here")
        self.assertIn("4 of 4 files brought", self.done("push", "here"))
        self.assertIn("4 of 4 files taken", self.done("pull", "there"))
        for name, text in kept.items():
            self.assertEqual((self.folder / "there" / name).read_text(), text)
        self.assertFalse((self.folder / "there/tokens").exists() or (self.folder / "there/lock").exists())
        self.write("there", {TABLE: "two"})
        (self.folder / "there/steps/s.json").unlink()
        self.assertIn("1 of 3 files brought", self.done("push", "there"))
        self.assertIn("1 of 3 files taken", self.done("pull", "here"))
        self.assertEqual((self.folder / "here/tables/a.parquet").read_text(), "two")
        self.assertFalse((self.folder / "here/steps/s.json").exists())
        self.assertIn("0 of 3 files brought", self.done("push", "here"))

    def test_what_changed_on_both_sides_is_refused_and_nothing_is_lost(self):
        self.serve()
        self.write("here", {TABLE: "one"})
        self.done("push", "here")
        self.done("pull", "there")
        self.write("there", {TABLE: "theirs"})
        self.done("push", "there")
        self.write("here", {"tables/b.parquet": "new"})
        self.refused("push", "here", "has changed since the last exchange", "tables/a.parquet", "pull first")
        self.write("here", {TABLE: "ours"})
        for action in ["push", "pull"]:
            self.refused(action, "here", "tables/a.parquet", "changed both here and in s3://runs/all/mine")
        self.assertEqual((self.folder / "here/tables/a.parquet").read_text(), "ours")
        self.write("unrelated", {TABLE: "another run"})
        self.refused("push", "unrelated", "changed both here and in")

    def test_a_push_that_broke_off_is_seen_by_who_pulls(self):
        self.serve()
        self.write("here", {TABLE: "one"})
        self.done("push", "here")
        put = "import obstore, sys; from obstore.store import from_url;" \
              "obstore.put(from_url('s3://runs/all/mine', client_options={'allow_http': True}), 'tables/a.parquet', b'half')"
        subprocess.run([f"{MOTO}/python", "-c", put], env=self.env, check=True)
        self.refused("pull", "there", "tables/a.parquet is not what the index", "push again")
        self.assertEqual([path.name for path in (self.folder / "there").rglob("*") if path.is_file()], [])

    def test_a_bucket_without_rights_that_is_not_there_or_not_reached_is_named_within_seconds(self):
        self.serve(INITIAL_NO_AUTH_ACTION_COUNT="1")  # making the bucket; after it nobody may
        self.write("here", {TABLE: "one"})
        for action in ["check", "push", "pull"]:
            self.refused(action, "here", f"cannot {action} s3://runs/all/mine: no right to do this in s3://runs")
        self.env["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{free_port()}"
        self.refused("check", "here", "cannot check s3://runs/all/mine", "AWS_ENDPOINT_URL")

    def test_a_bucket_that_is_not_there_is_named(self):
        self.serve()
        for action in ["check", "pull"]:
            self.refused(action, "here", "there is no s3://other", url="s3://other/mine")
        self.refused("push", "here", "is no run", url="s3://runs/mine")


if __name__ == "__main__":
    unittest.main()

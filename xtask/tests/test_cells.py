"""What the kernel reads from cells and from what they leave on stderr, without a kernel."""

import asyncio
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "kernel"))

import stop
import variables
from cells import Cells
from evcxr import listens_to_interrupts
from output import Stderr

PANIC = """
thread '<unnamed>' (77) panicked at cells2/src/lib.rs:140:13:
index out of bounds: the len is 1
but the index is 3
stack backtrace:
   0: __rustc::rust_begin_unwind
             at /rustc/4a4ef493/library/std/src/panicking.rs:689:5
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
"""


def heard(text):
    """What a person sees of stderr, and what the cell failed with."""
    shown = []
    stderr = Stderr(shown.append)
    for line in text.splitlines():
        stderr.take(line)
    stderr.finish()
    return "".join(shown), stderr.failure


class Outputs(unittest.TestCase):
    def test_an_error_is_the_failure_of_its_cell_in_its_own_words(self):
        shown, failure = heard("[W1 a warning]\n\x01error\nno such\nsetting\n\x01end\n")
        self.assertEqual((shown, failure), ("[W1 a warning]\n", ("Error", "no such\nsetting")))

    def test_a_panic_is_told_without_the_runtime(self):
        shown, failure = heard(PANIC + "\x01panic\n")
        self.assertEqual(shown, "")
        self.assertEqual(failure, ("Panic", "panicked: index out of bounds: the len is 1\nbut the index is 3"))
        _, failure = heard(PANIC.replace("cells2/src/lib.rs", "lib/table.rs") + "\x01panic\n")
        self.assertIn("(in lib/table.rs)", failure[1])

    def test_a_panic_that_was_caught_fails_nothing(self):
        shown, failure = heard(PANIC)
        self.assertIsNone(failure)
        self.assertIn("the len is 1", shown)
        self.assertNotIn("rust_begin_unwind", shown)

    def test_what_a_cell_prints_on_stderr_is_shown_and_no_failure(self):
        self.assertEqual(heard("a\n\nb\n"), ("a\n\nb\n", None))


class Variables(unittest.TestCase):
    CODE = """\
let x = f("let y = {", '}');
let mut a: Vec<f64> = vec![1.0];
let (p, mut q) = (1, "a"); for i in 0..3 { let z = 1; }
let Some(w) = foo::bar(1) else { panic!() };
let c: u8 = if a == b { 1 } else { 2 }; // let k = 1;
let n = 5; /* let m = 2; */
use x as let_y;
"""

    def test_those_that_outlive_a_cell(self):
        self.assertEqual(variables.names(self.CODE), ["x", "a", "p", "q", "w", "c", "n"])

    def test_those_without_a_type_get_it(self):
        untyped = [name for statement in variables.untyped(self.CODE) for _, name in statement.names]
        self.assertEqual(untyped, ["x", "p", "q", "w"])
        types = {"x": "X", "p": "i32", "q": "&'static str", "w": "W"}
        typed = variables.with_types(self.CODE, types)
        self.assertIn("""let x = f("let y = {", '}'); let x: X = x;\n""", typed)
        self.assertIn("""(1, "a"); let p: i32 = p; let mut q: &'static str = q; for""", typed)
        self.assertEqual(len(typed.splitlines()), len(self.CODE.splitlines()), "errors keep their lines")

    def test_a_cell_that_is_not_finished_is_no_endless_search(self):
        for code in ["let x = \"", "let", "let (a", "let x = {", "let x: = 3", "'", "r#\"", "/*"]:
            variables.with_types(code, dict.fromkeys("xa", "T"))


class Losses(unittest.TestCase):
    def test_cells_to_run_again_are_named_and_those_after_them_ask_for_them(self):
        cells = Cells()
        for key, number, code in [("a", 1, ":dep x"), ("b", 2, "use y::z;"), ("c", 3, "let s: S = s();"),
                                  ("d", 4, "let r: R = r();"), ("e", 5, "println!();"), ("c", 6, "let s: S = t();")]:
            cells.note(key, number, code)
        self.assertEqual(cells.commands(), [":dep x"])
        self.assertEqual(cells.text().count("let s"), 1, "a cell that was executed again stands once")
        said = cells.lose()
        self.assertIn("run cells [4] and [6] again", said)
        self.assertIn("run cell [6] again", cells.missing("s"))
        self.assertIn("cell above", cells.missing("t"))
        cells.note("c", 7, "let s: S = t();")
        self.assertIn("cell above", cells.missing("s"))
        self.assertIn("no variable was lost", Cells().lose())


class Process:
    """Stands in for evcxr: one process of cells, no compiler."""

    def __init__(self, program):
        self.process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def cell(self):
        return self.process.pid if self.process.poll() is None else None

    def compiler(self):
        return None


class Interrupts(unittest.TestCase):
    LISTENS = ("import signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(7))\n"
               "print(flush=True)\ntime.sleep(60)")
    DEAF = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\nprint(flush=True)\ntime.sleep(60)"

    def stop(self, program, times):
        cell, stopping = Process(program), stop.Stopping()
        self.addCleanup(cell.process.stdout.close)
        self.addCleanup(cell.process.kill)

        async def interrupt():
            for _ in range(times):
                await stopping.stop(cell, lambda: cell.process.poll() is None)
        began = time.monotonic()
        asyncio.run(interrupt())
        return cell.process.wait(10), time.monotonic() - began, stopping

    def test_who_listens_is_told(self):
        status, _, stopping = self.stop(self.LISTENS, 1)
        self.assertEqual((status, stopping.was_told), (7, True))

    def test_who_does_not_listen_has_time_and_then_ends(self):
        status, took_s, stopping = self.stop(self.DEAF, 1)
        self.assertEqual(status, -signal.SIGKILL)
        self.assertGreater(took_s, stop.PATIENCE_S - 0.5)
        self.assertIn("nothing in this cell stops", stopping.how_it_ended("signal: 9 (SIGKILL)"))

    def test_asked_again_it_ends_at_once(self):
        ignores = self.LISTENS.replace("sys.exit(7)", "None")
        status, took_s, _ = self.stop(ignores, 2)
        self.assertEqual(status, -signal.SIGKILL)
        self.assertLess(took_s, stop.PATIENCE_S)

    def test_a_process_that_was_killed_from_outside_may_have_lacked_memory(self):
        stopping = stop.Stopping()
        self.assertIn("memory", stopping.how_it_ended("Subprocess terminated with status: signal: 9 (SIGKILL)"))
        self.assertIn("signal: 6", stopping.how_it_ended("Subprocess terminated with status: signal: 6 (SIGABRT)"))

    def test_a_handler_is_seen(self):
        cell = Process(self.LISTENS)
        self.addCleanup(cell.process.stdout.close)
        self.addCleanup(cell.process.kill)
        self.assertTrue(listens_to_interrupts(cell.cell()))


if __name__ == "__main__":
    unittest.main()

"""What becomes of the lines that a cell leaves on stderr: failures that evcxr calls successes, and panics in brief.

`prelude.rs` marks them: `\\x01error`, the words of the error, `\\x01end`; and `\\x01panic` after what a panic prints.
"""

import re

ERROR, END, PANIC = "\x01error", "\x01end", "\x01panic"
PANICKED = re.compile(r"^thread '.*' (?:\(\d+\) )?panicked at ")
RUNTIME = re.compile(r"^(\s*\d+: |\s+at |stack backtrace:|note: |\s*$)")
PLACE = re.compile(r"^thread '.*' (?:\(\d+\) )?panicked at (\S+?):\d+:\d+:$")
# the crate that evcxr makes of a cell
CELL = re.compile(r"^(cells\d+/)?src/lib\.rs$")


class Stderr:
    """Takes stderr line by line; `text` is handed what a person is to see, `failure` is what the cell failed with."""

    def __init__(self, show):
        self.show = show
        self.failure = None
        self.error = None
        self.panic = None
        self.blank = 0  # blank lines held back: a panic begins with one

    def take(self, line):
        if line == ERROR:
            self.error = []
        elif line == END:
            self.failure, self.error = ("Error", "\n".join(self.error or [])), None
        elif line == PANIC:
            self.failure, self.panic = ("Panic", self.words_of_panic()), None
        elif self.error is not None:
            self.error.append(line)
        elif self.panic is not None or PANICKED.match(line):
            self.panic, self.blank = (self.panic or []) + [line], 0
        elif not line.strip():
            self.blank += 1
        else:
            self.show("\n" * self.blank + line + "\n")
            self.blank = 0

    def finish(self):
        """Shows what a panic said that something in the cell has caught, and an error that nothing ended."""
        if self.panic:
            self.show(self.words_of_panic() + "\n")
        if self.error:
            self.failure = ("Error", "\n".join(self.error))
        self.error = self.panic = None

    def words_of_panic(self):
        lines = [line for line in self.panic or [] if not RUNTIME.match(line)]
        place = PLACE.match(lines[0]) if lines else None
        if place:
            where = "" if CELL.match(place[1]) else f" (in {place[1]})"
            lines = [f"panicked{where}: " + "\n".join(lines[1:])]
        return "\n".join(lines) or "panicked"

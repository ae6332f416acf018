"""An interrupt: a training is told and ends at a step; a compiler ends; where nothing listens, the process of the cells
ends, as with evcxr alone."""

import asyncio
import contextlib
import os
import re
import signal

from evcxr import listens_to_interrupts

PATIENCE_S = 3.0  # how long a cell may take to come to an end, or to a training, by itself
SIGNAL = re.compile(r"signal: (\d+)")


class Stopping:
    def __init__(self):
        self.begin()

    def begin(self):
        """A cell begins."""
        self.was_asked = self.was_told = False

    async def stop(self, evcxr, is_running):
        """Stops the cell that is executed; asked again, at once."""
        again, self.was_asked = self.was_asked, True
        end = asyncio.get_running_loop().time() + (0 if again else PATIENCE_S)
        while is_running():
            cell, compiler = evcxr.cell(), evcxr.compiler()
            with contextlib.suppress(ProcessLookupError):
                if compiler is not None:
                    os.kill(compiler, signal.SIGTERM)
                    return
                if cell is None:
                    return
                if not again and listens_to_interrupts(cell):
                    os.kill(cell, signal.SIGINT)
                    self.was_told = True
                    return
                if asyncio.get_running_loop().time() >= end:
                    os.kill(cell, signal.SIGKILL)
                    return
            await asyncio.sleep(0.1)

    def how_it_ended(self, text):
        """A sentence on a process of cells that ended."""
        if self.was_asked:
            return "Interrupted: nothing in this cell stops between two steps, so the process of the cells ended."
        found = SIGNAL.search(text)
        if found and int(found[1]) == signal.SIGKILL:
            return "The process of the cells was killed; too little memory?"
        return f"The process of the cells ended: {text.strip()}."

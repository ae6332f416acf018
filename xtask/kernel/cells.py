"""What was executed so far: the text that completion sees before a cell, and which cells to run again after a loss."""

import variables


class Cells:
    def __init__(self):
        self.done = {}  # by the cell's place in the notebook, or its text: (number, text), in order of execution
        self.lost = {}  # by a variable's name: the number of the cell that made it

    def note(self, key, number, code):
        """A cell that was executed to its end."""
        self.done.pop(key, None)
        self.done[key] = (number, code)
        for name in variables.names(code):
            self.lost.pop(name, None)

    def text(self):
        """The code of all cells, without evcxr's commands."""
        codes = ["\n".join("" if line.startswith(":") else line for line in code.splitlines())
                 for _, code in self.done.values()]
        return "".join(f"{code}\n;\n" for code in dict.fromkeys(codes) if code.strip())

    def commands(self):
        """The `:dep` lines of all cells."""
        lines = (line for _, code in self.done.values() for line in code.splitlines())
        return list(dict.fromkeys(line for line in lines if line.startswith(":dep ")))

    def lose(self):
        """The process of the cells has ended: a sentence that names those to run again."""
        kept = [(number, variables.names(code)) for number, code in self.done.values() if variables.names(code)]
        for number, names in kept:
            self.lost.update({name: number for name in names})
        self.done = {key: cell for key, cell in self.done.items() if not variables.names(cell[1])}
        if not kept:
            return "The kernel goes on; no variable was lost."
        numbers = [f"[{number}]" for number, _ in kept]
        cells = f"cells {', '.join(numbers[:-1])} and {numbers[-1]}" if len(numbers) > 1 else f"cell {numbers[0]}"
        return f"The kernel goes on, its variables are lost: run {cells} again, then this one."

    def missing(self, name):
        """What to do about a variable that the compiler does not find."""
        if name in self.lost:
            return f"`{name}` was lost when the process of the cells ended: run cell [{self.lost[name]}] again"
        return f"is `{name}` made in a cell above? Run that one first"

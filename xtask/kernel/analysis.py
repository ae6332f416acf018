"""Completion, documentation and types of variables, by a second evcxr that executes nothing.

To see the library evcxr's analysis reads all its dependencies, which takes most of a minute. The evcxr that executes cells
does without (`light`, see start.py), so that nobody waits; this one reads them in the background.
"""

import asyncio
import time

import variables

NICE = 15


class Analysis:
    def __init__(self, make):
        self.make = make
        self.evcxr = None
        self.ready = None
        self.began = None
        self.known = []
        self.lock = asyncio.Lock()

    def begin(self, commands):
        """Starts it, once."""
        if self.ready is None and self.make is not None:
            self.began = time.monotonic()
            self.ready = asyncio.create_task(self.read(commands))

    async def read(self, commands):
        self.evcxr = self.make(NICE)
        await self.evcxr.start()
        await self.learn(commands)
        # infers once, so that the first who asks does not wait for it
        await self.evcxr.ask("complete_request", {"code": "let a = vec![1]; a.", "cursor_pos": 19})

    async def learn(self, commands):
        for command in commands:
            if command not in self.known:
                await self.evcxr.execute(command, lambda *_: None)
                self.known.append(command)

    def is_ready(self):
        return self.ready is not None and self.ready.done() and self.ready.exception() is None

    def is_there(self):
        return self.make is not None and not (self.ready is not None and self.ready.done() and self.ready.exception())

    async def ask(self, kind, cells, content):
        """The reply to a request about a cell: the cells before it stand before its text."""
        await asyncio.shield(self.ready)
        async with self.lock:
            await self.learn(cells.commands())
            before = cells.text()
            moved = {**content, "code": before + content["code"], "cursor_pos": content["cursor_pos"] + len(before)}
            reply = await self.evcxr.ask(kind, moved)
        if "cursor_start" in reply:
            reply["cursor_start"] -= len(before)
            reply["cursor_end"] -= len(before)
            for item in reply.get("metadata", {}).get("_jupyter_types_experimental", []):
                item["start"] -= len(before)
                item["end"] -= len(before)
        return reply

    async def types(self, cells, code):
        """The types of the variables of a cell that are written without; those that were found."""
        statements = variables.untyped(code)
        found = {}
        for statement in statements:
            for _, name in statement.names:
                found[name] = await self.type_of(cells, code[:statement.end], name)
        return {name: kind for name, kind in found.items() if kind is not None}

    async def type_of(self, cells, code, name):
        """rust-analyzer offers a variable's type where one is to be written, beside what it offers there in any case."""
        counts = []
        for value in [name, "loop {}"]:
            text = f"{code}\nlet evcxr_asked: "
            content = {"code": f"{text} = {value};", "cursor_pos": len(text)}
            reply = await self.ask("complete_request", cells, content)
            counts.append(list(reply.get("matches", [])))
        for match in counts[1]:
            if match in counts[0]:
                counts[0].remove(match)
        offered = [match for match in counts[0] if match not in (name, "evcxr_asked")]
        return offered[0] if len(offered) == 1 else None

    def end(self):
        if self.evcxr is not None:
            self.evcxr.end()

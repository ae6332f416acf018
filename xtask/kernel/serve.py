"""The kernel that Jupyter talks to. Cells go to an evcxr behind it, completion to another; what evcxr leaves open is done
here:

| | evcxr alone | here |
|---|---|---|
| `?` returns an error, a panic | the cell is a success | an error of that cell, in its own words |
| an interrupt | kills the process and all variables | a training stops at a step and keeps its checkpoint (stop.py) |
| reading the dependencies for completion | each first cell waits for it | in the background (analysis.py) |
| `()` of a cell that ends in a block | shown | not shown |
| cells that wait after one that failed | are executed | are not, as in other kernels |
"""

import asyncio
import os
import re
import time

import zmq
import zmq.asyncio
from jupyter_client.session import Session

import stop
import variables
from analysis import Analysis
from cells import Cells
from evcxr import Ended, Evcxr
from output import Stderr

WORD_AFTER_S = 1.5  # how long a person waits before a line says what for
PAUSE_S = 3.0  # after which the dependencies are read: who steps on at once has the processors
NOT_FOUND = re.compile(r"cannot find value `(\w+)`")
COMPILING = re.compile(r"^\s+Compiling (\S+)")
INFO = {
    "status": "ok", "protocol_version": "5.3", "implementation": "evcxr_jupyter", "implementation_version": "0.22.0",
    "banner": "Rust, by evcxr", "help_links": [{"text": "Rust std docs", "url": "https://doc.rust-lang.org/std/"}],
    "language_info": {"name": "Rust", "version": "", "mimetype": "text/rust", "file_extension": ".rs",
                      "pygments_lexer": "rust", "codemirror_mode": "rust"},
}


class Kernel:
    def __init__(self, connection, make, make_analysis, in_background):
        self.connection, self.make, self.in_background = connection, make, in_background
        self.session = Session(key=connection["key"].encode(), signature_scheme=connection["signature_scheme"])
        self.analysis, self.cells = Analysis(make_analysis), Cells()
        self.evcxr = self.started = self.running = None
        self.stopping = stop.Stopping()
        self.number, self.waiting, self.aborted_until = 0, asyncio.Queue(), 0.0
        self.sockets, self.tasks, self.ended = {}, set(), asyncio.Event()

    async def serve(self):
        context = zmq.asyncio.Context()
        for name, kind in [("shell", zmq.ROUTER), ("control", zmq.ROUTER), ("stdin", zmq.ROUTER), ("iopub", zmq.PUB), ("hb", zmq.REP)]:
            socket = self.sockets[name] = context.socket(kind)
            socket.linger = 1000
            socket.bind(f"{self.connection['transport']}://{self.connection['ip']}:{self.connection[name + '_port']}")
        self.started = asyncio.create_task(self.start())
        for task in [self.beat(), self.listen("shell"), self.listen("control"), self.execute_all()]:
            self.spawn(task)
        self.send("iopub", "status", {"execution_state": "starting"}, None)
        await self.ended.wait()
        self.evcxr and self.evcxr.end()
        self.analysis.end()
        context.destroy(linger=500)

    def spawn(self, task):
        task = asyncio.create_task(task)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def start(self):
        self.evcxr = self.make(0)
        await self.evcxr.start()

    async def beat(self):
        while True:
            await self.sockets["hb"].send(await self.sockets["hb"].recv())

    async def listen(self, name):
        while True:
            parts = await self.sockets[name].recv_multipart()
            try:
                idents, parts = self.session.feed_identities(parts)
                message = self.session.deserialize(parts)
            except ValueError as error:
                print(f"a message that is none: {error}", flush=True)
                continue
            message["idents"], message["channel"] = idents, name
            if message["msg_type"] == "execute_request":
                message["came"] = time.monotonic()
                self.waiting.put_nowait(message)
            else:
                self.spawn(self.answer(message))

    def send(self, name, kind, content, parent, idents=None):
        ident = [kind.encode()] if name == "iopub" else idents
        self.session.send(self.sockets[name], kind, content, parent=parent, ident=ident)

    def reply(self, message, content):
        kind = message["msg_type"].replace("_request", "_reply")
        self.send(message["channel"], kind, content, message, message["idents"])

    def status(self, state, parent):
        self.send("iopub", "status", {"execution_state": state}, parent)

    async def answer(self, message):
        """Anything but a cell: at once, also while one is executed."""
        answers = {"kernel_info_request": self.info, "complete_request": self.complete, "inspect_request": self.inspect,
                   "is_complete_request": self.is_complete, "interrupt_request": self.interrupt,
                   "shutdown_request": self.shut_down, "history_request": self.history, "comm_info_request": self.comms}
        answer = answers.get(message["msg_type"])
        self.status("busy", message)
        try:
            if answer is not None:
                self.reply(message, await answer(message["content"]))
            elif message["msg_type"] == "comm_open":
                self.send("iopub", "comm_close", {"comm_id": message["content"].get("comm_id"), "data": {}}, message)
        except (Ended, OSError) as error:
            self.reply(message, {"status": "error", "ename": "Error", "evalue": str(error), "traceback": []})
        self.status("idle", message)
        if self.running is not None:
            # the state that a client shows is that of the cell
            self.status("busy", self.running)
        if message["msg_type"] == "shutdown_request":
            self.ended.set()

    async def info(self, _):
        return INFO

    async def is_complete(self, _):
        return {"status": "complete"}

    async def history(self, _):
        return {"status": "ok", "history": []}

    async def comms(self, _):
        return {"status": "ok", "comms": {}}

    async def shut_down(self, content):
        return {"status": "ok", "restart": content.get("restart", False)}

    async def interrupt(self, _):
        if self.running is not None:
            self.spawn(self.stopping.stop(self.evcxr, lambda: self.running is not None))
        return {"status": "ok"}

    async def complete(self, content):
        nothing = {"status": "ok", "matches": [], "cursor_start": content["cursor_pos"],
                   "cursor_end": content["cursor_pos"], "metadata": {}}
        self.analysis.begin(self.cells.commands())
        if not self.analysis.is_there():
            return nothing
        return await self.analysis.ask("complete_request", self.cells, content)

    async def inspect(self, content):
        self.analysis.begin(self.cells.commands())
        if not self.analysis.is_there():
            return {"status": "ok", "found": False, "data": {}, "metadata": {}}
        # evcxr reads up to the cursor: to the end of the word that it is in
        code, end = content["code"], content["cursor_pos"]
        while end < len(code) and (code[end].isalnum() or code[end] == "_"):
            end += 1
        return await self.analysis.ask("inspect_request", self.cells, {**content, "cursor_pos": end})

    async def execute_all(self):
        """One cell after another."""
        while True:
            message = await self.waiting.get()
            self.running = message
            self.status("busy", message)
            if message["came"] < self.aborted_until:
                content = {"status": "aborted"}
            else:
                content = await Execution(self, message).run()
                if content["status"] == "error" and message["content"].get("stop_on_error", True):
                    self.aborted_until = time.monotonic()
            self.running = None
            self.reply(message, content)
            self.status("idle", message)
            if self.in_background:
                asyncio.get_running_loop().call_later(PAUSE_S, self.begin_in_pause, self.number)

    def begin_in_pause(self, number):
        if self.running is None and self.number == number:
            self.analysis.begin(self.cells.commands())


class Execution:
    """One cell."""

    def __init__(self, kernel, message):
        self.kernel, self.message = kernel, message
        self.code = message["content"]["code"]
        self.stderr = Stderr(lambda text: self.show("stream", {"name": "stderr", "text": text}))
        self.errors, self.word = [], None

    def show(self, kind, content):
        if self.word is not None:
            # what was said while a person waited goes when there is something to see
            self.word = None
            self.kernel.send("iopub", "clear_output", {"wait": False}, self.message)
        self.kernel.send("iopub", kind, content, self.message)

    def say(self, text):
        """A line on what goes on, in the place of the one before."""
        if text == self.word:
            return
        if self.word is not None:
            self.kernel.send("iopub", "clear_output", {"wait": True}, self.message)
        self.word = text
        self.kernel.send("iopub", "stream", {"name": "stdout", "text": text + "\n"}, self.message)

    def say_nothing(self):
        if self.word is not None:
            self.word = None
            self.kernel.send("iopub", "clear_output", {"wait": False}, self.message)

    async def run(self):
        """The content of the reply."""
        kernel = self.kernel
        kernel.number += 1
        self.number = kernel.number
        kernel.send("iopub", "execute_input", {"code": self.code, "execution_count": self.number}, self.message)
        teller = asyncio.create_task(self.tell())
        try:
            failure = await self.attempt()
        except Ended as ended:
            failure = ("Error", f"the kernel cannot start, or has ended; restart it\n\n{ended}")
        finally:
            teller.cancel()
        self.say_nothing()
        if failure is None:
            kernel.cells.note(self.key(), self.number, self.code)
            return {"status": "ok", "execution_count": self.number, "payload": [], "user_expressions": {}}
        content = {"ename": failure[0], "evalue": failure[1], "traceback": failure[2:] or failure[1].splitlines()}
        if not self.errors:
            self.show("error", content)
        return {"status": "error", "execution_count": self.number, **content}

    def key(self):
        return self.message["metadata"].get("cellId") or self.code

    async def attempt(self):
        """Executes the cell; what it failed with: a name, a message and perhaps lines of traceback."""
        kernel = self.kernel
        await kernel.started
        code = await self.with_types()
        kernel.stopping.begin()
        content = await kernel.evcxr.execute(code, self.hear, self.ask_input if self.message["content"].get("allow_stdin") else None)
        self.stderr.finish()
        if self.stderr.failure is not None:
            return self.stderr.failure
        if content["status"] == "error":
            return self.failure_of_evcxr()
        return None

    def failure_of_evcxr(self):
        """It did not compile, or its process ended."""
        text = "\n".join(error["evalue"] for error in self.errors)
        if "Subprocess terminated" in text:
            self.errors.clear()
            how = self.kernel.stopping.how_it_ended(text)
            return ("Interrupted" if self.kernel.stopping.was_asked else "Error", f"{how} {self.kernel.cells.lose()}")
        if self.kernel.stopping.was_asked:
            self.errors.clear()
            return ("Interrupted", "interrupted before it ran; all variables are as they were")
        words = [error for error in self.errors if not error["evalue"].startswith(variables.WRITE)]
        for error in words or self.errors:
            found = NOT_FOUND.search(error["evalue"])
            last = [self.kernel.cells.missing(found[1])] if found else []
            self.show("error", {**error, "traceback": [*error["traceback"], *last]})
        return ("Error", text)

    async def with_types(self):
        """The cell's code, with types where evcxr could not find them without the analysis."""
        if not variables.untyped(self.code) or not self.kernel.analysis.is_there():
            return self.code
        analysis = self.kernel.analysis
        analysis.begin(self.kernel.cells.commands())
        types = await analysis.types(self.kernel.cells, self.code)
        wanted = [name for statement in variables.untyped(self.code) for _, name in statement.names]
        if all(name in types for name in wanted):
            return variables.with_types(self.code, types)
        # As evcxr would, it says whether the cell compiles: the compiler's words, else that a type is missing.
        return variables.checked(self.code, [name for name in wanted if name not in types])

    async def tell(self):
        """Says what goes on where that takes a person's time."""
        await asyncio.sleep(WORD_AFTER_S)
        while True:
            word = self.what_goes_on()
            if word is not None:
                self.say(word)
            elif self.word is not None:
                self.say_nothing()
            await asyncio.sleep(0.3)

    def what_goes_on(self):
        kernel = self.kernel
        if not kernel.started.done():
            compiled = [found[1] for found in map(COMPILING.match, kernel.evcxr.words if kernel.evcxr else []) if found]
            return f"compiling the library, which was changed: {compiled[-1]} …" if compiled else "starting Rust …"
        analysis = kernel.analysis
        if analysis.ready is not None and not analysis.ready.done() and variables.untyped(self.code):
            names = ", ".join(f"`{name}`" for statement in variables.untyped(self.code) for _, name in statement.names)
            return (f"finding the type of {names}: the library is being read, once, {time.monotonic() - analysis.began:.0f} s "
                    "of about 60 (a type that is written needs no finding: let x: f64 = …)")
        if kernel.evcxr.compiler() is not None:
            return "compiling the cell …"
        return None

    def hear(self, kind, content):
        """Hands on what evcxr says of the cell."""
        if kind == "stream" and content["name"] == "stderr":
            for line in content["text"].splitlines():
                self.stderr.take(line)
        elif kind == "stream":
            self.show(kind, content)
        elif kind == "error":
            self.errors.append(content)
        elif kind == "execute_result" and content["data"] != {"text/plain": "()"}:
            self.show(kind, {**content, "execution_count": self.number})
        elif kind == "display_data":
            self.show(kind, content)

    async def ask_input(self, content):
        kernel = self.kernel
        kernel.send("stdin", "input_request", content, self.message, self.message["idents"])
        parts = await kernel.sockets["stdin"].recv_multipart()
        _, parts = kernel.session.feed_identities(parts)
        return kernel.session.deserialize(parts)["content"]["value"]


def serve(connection, program, environment, with_analysis):
    """Serves until it is told to shut down. `environment(light)` lays out the workspace of one more evcxr."""
    def make(light, nice):
        return Evcxr(program, environment(light), nice)

    make_analysis = (lambda nice: make(False, nice)) if with_analysis else None
    # A server says which notebook a kernel belongs to; what executes notebooks headless does not.
    in_background = "JPY_SESSION_NAME" in os.environ

    async def main():
        await Kernel(connection, lambda nice: make(True, nice), make_analysis, in_background).serve()

    asyncio.run(main())

"""One evcxr_jupyter, and a client of it."""

import asyncio
import collections
import contextlib
import fcntl
import json
import os
import signal
import struct
import termios
import tempfile
from pathlib import Path

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.connect import write_connection_file

N_LINES = 60
QUIET_S = 0.03  # how long after a cell's end evcxr may still hand on what it printed
SENT_AFTER_S = 2


class Ended(Exception):
    """evcxr is not there any more; with its last words."""


class Evcxr:
    def __init__(self, program, environment, nice=0):
        self.program, self.environment, self.nice = program, environment, nice
        self.process = self.client = None
        self.words = collections.deque(maxlen=N_LINES)
        self.replies, self.heard, self.asked_input = {}, {}, None
        self.last_heard = 0.0
        self.has_ended = False
        self.tasks = []

    async def start(self):
        """Starts it and waits until it answers.

        # Raises
        Ended, if it cannot start: the library does not compile, say.
        """
        handle, file = tempfile.mkstemp(suffix=".json", prefix="evcxr-")
        os.close(handle)
        file, connection = write_connection_file(file, ip="127.0.0.1", key=os.urandom(16).hex().encode())
        self.process = await asyncio.create_subprocess_exec(
            self.program, "--control_file", file, env=self.environment, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE, preexec_fn=(lambda: os.nice(self.nice)) if self.nice else None)
        self.client = AsyncKernelClient()
        self.client.load_connection_file(file)
        self.client.start_channels(hb=False)
        self.tasks = [asyncio.create_task(task) for task in
                      [self.read_words(), self.read_shell(), self.read_iopub(), self.read_stdin()]]
        try:
            await self.ask("kernel_info_request", {})
        finally:
            Path(file).unlink(missing_ok=True)

    async def read_words(self):
        """What it, and cargo under it, says on its own stderr."""
        async for line in self.process.stderr:
            text = line.decode(errors="replace").rstrip()
            self.words.append(text)
            print(text, file=os.sys.stderr, flush=True)
        await self.process.wait()
        self.has_ended = True
        for reply in self.replies.values():
            if not reply.done():
                reply.set_exception(self.ended())

    def ended(self):
        """The error, with its last words: they are read to the end before anyone is told."""
        return Ended("\n".join(self.words).strip() or "evcxr ended")

    async def read_shell(self):
        while True:
            message = await self.client.get_shell_msg()
            reply = self.replies.pop(message["parent_header"].get("msg_id"), None)
            if reply is not None and not reply.done():
                reply.set_result(message["content"])

    async def read_iopub(self):
        while True:
            message = await self.client.get_iopub_msg()
            self.last_heard = asyncio.get_running_loop().time()
            heard = self.heard.get(message["parent_header"].get("msg_id"))
            if heard is not None:
                heard(message["msg_type"], message["content"])

    async def read_stdin(self):
        while True:
            message = await self.client.get_stdin_msg()
            value = await self.asked_input(message["content"]) if self.asked_input else ""
            self.client.input(value)

    def send(self, kind, content):
        """Sends a request; a future of the reply's content, and the request's id."""
        message = self.client.session.msg(kind, content)
        reply = asyncio.get_running_loop().create_future()
        self.replies[message["header"]["msg_id"]] = reply
        if self.has_ended:
            reply.set_exception(self.ended())
        self.client.shell_channel.send(message)
        return reply, message["header"]["msg_id"]

    async def ask(self, kind, content):
        """The content of the reply to a request."""
        return await self.send(kind, content)[0]

    async def execute(self, code, heard, ask_input=None):
        """Executes a cell; the reply's content, once all that the cell printed was heard."""
        self.asked_input = ask_input
        reply, identity = self.send("execute_request", {
            "code": code, "silent": False, "store_history": False, "user_expressions": {},
            "allow_stdin": ask_input is not None, "stop_on_error": False})
        self.heard[identity] = heard
        try:
            content = await reply
            await self.all_heard()
            return content
        finally:
            del self.heard[identity]

    async def all_heard(self):
        """Waits for what the cell left on stderr: evcxr's reply does not."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SENT_AFTER_S
        while loop.time() < end and self.unread():
            await asyncio.sleep(0.005)
        self.last_heard = loop.time()
        while loop.time() < end and loop.time() - self.last_heard < QUIET_S:
            await asyncio.sleep(0.005)

    def unread(self):
        """How many bytes of the cells' stderr evcxr has not read yet."""
        cell = self.cell()
        with contextlib.suppress(OSError):
            pipe, folder = os.readlink(f"/proc/{cell}/fd/2"), Path(f"/proc/{self.process.pid}/fd")
            for entry in folder.iterdir():
                if os.readlink(entry) == pipe:
                    end = os.open(entry, os.O_RDONLY | os.O_NONBLOCK)
                    try:
                        return struct.unpack("i", fcntl.ioctl(end, termios.FIONREAD, b"\0" * 4))[0]
                    finally:
                        os.close(end)
        return 0

    def children(self):
        """Its children: the process of the cells and, while one is compiled, a cargo."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, IndexError):
                fields = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
                if fields[1] == str(self.process.pid) and fields[0] != "Z":
                    found.append(int(name))
        return found

    def cell(self):
        """The process in which cells run."""
        return next((pid for pid in self.children() if is_runtime(pid)), None)

    def compiler(self):
        """The cargo that compiles a cell, while one does."""
        return next((pid for pid in self.children() if not is_runtime(pid)), None)

    def end(self):
        for task in self.tasks:
            task.cancel()
        if self.client is not None:
            self.client.stop_channels()
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                for pid in [*self.children(), self.process.pid]:
                    os.kill(pid, signal.SIGKILL)


def is_runtime(pid):
    try:
        return b"EVCXR_IS_RUNTIME=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def listens_to_interrupts(pid):
    """Whether a process has a handler for SIGINT, as it has while a training runs (lib/training/stop.rs)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    caught = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:")), 0)
    return bool(caught >> (signal.SIGINT - 1) & 1)

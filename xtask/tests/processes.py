"""Which processes there are, read from /proc."""

import os
import time
from pathlib import Path


def runs(pid):
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def environment(pid):
    """The variables that a process was started with."""
    lines = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def kernels_of(client):
    """The processes whose kernel was started by a client, and which cargo or cell it started."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if runs(name) and environment(name).get("JPY_PARENT_PID") == str(client):
                found.append(int(name))
        except OSError:
            continue
    return found


def wait_for(what, seconds):
    """Waits until `what()` is true, at most so long; returns it."""
    end = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.05)
    return found

"""Starts the notebook kernel. `cargo xtask setup` copies this folder beside the kernel spec.

evcxr builds each cell as a crate in a folder of its own. Left alone it forgets Cargo.lock at every start and
compiles all dependencies again. So before each start this file lays out a workspace around that folder,
target/kernel/N in the checkout that the notebook lies in:

    Cargo.toml      members cellsN and pins; the profiles of the checkout's Cargo.toml
    Cargo.lock      a copy of the checkout's: cells resolve to exactly its versions, without a network
    cellsN/         evcxr's folder; cellsN/target leads to the checkout's target folder
    pins/           names stagediff, so that cargo keeps the lock when evcxr asks for no dependencies
    config/         evcxr's settings

N is 1, or the next number whose lock is free: several notebooks may be open at once.

    python start.py CONNECTION_FILE     becomes the kernel (serve.py)
    python start.py --lay-out           only lays out target/kernel/settings, the workspace of the program that checks
                                        settings, and prints it: built there, the library is where cells find it

Cells are executed by an evcxr whose own analysis sees no dependencies (`light`), which saves most of a minute; a second
evcxr reads them for completion and types (analysis.py): in the background where a server started the kernel, else when a
cell needs it. With STAGEDIFF_KERNEL=light there is no second one.
"""

import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from serve import serve

SETTINGS_MANIFEST = """\
[package]
name = "check-settings"
version = "0.0.0"
edition = "2024"

[[bin]]
name = "check-settings"
path = "{root}/notebooks/src/bin/settings.rs"

[dependencies]
stagediff = {{ path = "{root}" }}

[workspace]
resolver = "3"

"""

CELLS_MANIFEST = """\
[package]
name = "ctx"
version = "1.0.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]
path = "src/lib.rs"

[dependencies]
stagediff = {{ path = "{root}" }}
"""

# As in xtask/settings/src/child.rs.
CARGOS = re.compile(r"CARGO_(PKG|MANIFEST|BIN)_|(CARGO|CARGO_(CRATE_NAME|PRIMARY_PACKAGE|TARGET_TMPDIR)|OUT_DIR)$"
                    r"|CARGO_BUILD_TARGET$|.*RUSTFLAGS$")

# The platform that is never: in the lock, yet no work for evcxr's analysis.
PINS_MANIFEST = """\
[package]
name = "pins"
version = "0.0.0"
edition = "2024"

[target.'cfg(any())'.dependencies]
stagediff = {{ path = "{root}" }}
"""


def find_checkout():
    """The checkout around the current folder: Jupyter starts a kernel in its notebook's folder."""
    here = Path.cwd()
    return next((folder for folder in [here, *here.parents] if (folder / "xtask/Cargo.toml").is_file()), None)


def find_target(root):
    """The target folder: $CARGO_TARGET_DIR, or the one of the last setup, or the checkout's own."""
    named = root / "target/kernel/target-folder"
    if "CARGO_TARGET_DIR" in os.environ:
        return root / os.environ["CARGO_TARGET_DIR"]
    return Path(named.read_text()) if named.is_file() else root / "target"


def claim_slot(target):
    """The lowest number that no living kernel holds, for as long as this program and what it starts live."""
    target.mkdir(parents=True, exist_ok=True)
    for number in range(1, 100):
        lock = os.open(target / f"kernel-{number}.lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        os.set_inheritable(lock, True)
        return number
    sys.exit("99 kernels are running: shut some down")


def profiles(manifest):
    """The [profile] tables of a manifest, as they stand there."""
    kept, keep = [], False
    for line in manifest.splitlines():
        if line.startswith("["):
            keep = line.startswith("[profile.")
        if keep and not line.startswith("#"):
            kept.append(line)
    return "\n".join(kept) + "\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def lay_out(root, target, number):
    """Writes the workspace of one kernel and returns the folder of its cells."""
    folder = root / f"target/kernel/{number}"
    cells = folder / f"cells{number}"
    manifest = (root / "Cargo.toml").read_text()
    members = f'[workspace]\nmembers = ["{cells.name}", "pins"]\nresolver = "3"\n\n'
    write(folder / "Cargo.toml", members + profiles(manifest))
    shutil.copyfile(root / "Cargo.lock", folder / "Cargo.lock")
    write(folder / "pins/Cargo.toml", PINS_MANIFEST.format(root=root))
    write(folder / "pins/src/lib.rs", "")
    write(cells / "src/lib.rs", "")
    write(cells / "Cargo.toml", CELLS_MANIFEST.format(root=root))
    link = cells / "target"
    if not link.is_symlink() or Path(os.readlink(link)) != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    write(folder / "config/evcxr.toml", "[evcxr]\noffline_mode = true\n")
    # Errors of `?` in their own words, and the linker that the dependencies were built for.
    linker = "" if shutil.which("mold") else ":linker system\n"
    write(folder / "config/init.evcxr", ":efmt {}\n" + linker)
    write(folder / "config/prelude.rs", (Path(__file__).parent / "prelude.rs").read_text())
    return cells


def lay_out_settings(root):
    """Writes the workspace of the program that checks settings and returns its folder."""
    folder = root / "target/kernel/settings"
    write(folder / "Cargo.toml", SETTINGS_MANIFEST.format(root=root) + profiles((root / "Cargo.toml").read_text()))
    shutil.copyfile(root / "Cargo.lock", folder / "Cargo.lock")
    return folder


def set_analysis(folder, light):
    """Lets evcxr's analysis see the dependencies, or not.

    It asks cargo from the workspace's folder and, told that rustc is missing, does without; evcxr's own builds
    start in cellsN and name their rustc.
    """
    config = folder / ".cargo/config.toml"
    if light:
        write(config, '[build]\nrustc = "no-analysis-of-dependencies"\n')
    else:
        config.unlink(missing_ok=True)


def end_with_client():
    """Leaves a process behind that ends the kernel, and all that it started, when its client has ended.

    The client names itself in JPY_PARENT_PID, unless the kernel is meant to outlive it. The process waits for both, so
    that what the kernel started (a cell, a cargo) ends with the kernel, too.
    """
    kernel = os.getpid()
    try:
        ends = [os.pidfd_open(int(os.environ["JPY_PARENT_PID"])), os.pidfd_open(kernel)]
    except (AttributeError, KeyError, OSError, ValueError):
        return
    if os.getpgrp() != kernel:
        os.setpgid(0, 0)
    if os.fork() != 0:
        return
    os.setsid()
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in ends:
            with contextlib.suppress(OSError):
                os.close(int(name))
    select.select(ends, [], [])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(kernel, signal.SIGKILL)
    os._exit(0)


def forget_cargos():
    """Drops what a cargo says to what it starts, and flags: with them a cell would not find what is compiled."""
    for name in filter(CARGOS.match, list(os.environ)):
        del os.environ[name]


def find_rust():
    """Puts cargo on PATH, and Rust's own shared library where a cell finds it."""
    if shutil.which("cargo") is None:
        os.environ["PATH"] += os.pathsep + os.environ.get("STAGEDIFF_CARGO_BIN", "")
    library = subprocess.run(["rustc", "--print", "target-libdir"], capture_output=True, text=True).stdout.strip()
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [os.environ.get("LD_LIBRARY_PATH"), library]))


def environment(root, target, light):
    """The variables of one evcxr, whose workspace is laid out."""
    # Else it installs its own kernel spec over one of that name there.
    env = {**os.environ, "JUPYTER_PATH": os.devnull}
    if root is None:
        return env
    cells = lay_out(root, target, claim_slot(target))
    set_analysis(cells.parent, light)
    return {**env, "EVCXR_TMPDIR": str(cells), "EVCXR_CONFIG_DIR": str(cells.parent / "config")}


def main():
    root = find_checkout()
    if sys.argv[1] == "--lay-out":
        print(lay_out_settings(root))
        return
    end_with_client()
    forget_cargos()
    program = os.environ.get("EVCXR_JUPYTER", "evcxr_jupyter")
    find_rust()
    target = root and find_target(root)
    connection = json.loads(Path(sys.argv[1]).read_text())
    with_analysis = os.environ.get("STAGEDIFF_KERNEL") != "light"
    serve(connection, program, lambda light: environment(root, target, light), with_analysis)


if __name__ == "__main__":
    main()

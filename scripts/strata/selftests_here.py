# SPDX-License-Identifier: GPL-2.0
"""`make kselftest`: the selftests on the running kernel instead of a VM, the way onto real hardware.

Builds for the kernel of this machine, loads, runs, prints KTAP, and unloads
whatever happens.  KDIR names a build tree other than the kernel's own, KSRC a
kernel source for the selftests' harness where the tree has none.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import platform
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import choice, console, initramfs, kconfig, modules, paths, say, selftests
from .sysroot import Sysroot

_HARNESS = Path("tools/testing/selftests/kselftest_harness.h")
_DEBUGFS = Path("/sys/kernel/debug")
_PR_SET_CHILD_SUBREAPER = 36
_TOOLS = ("make", "gcc", "rustc", "bindgen", "rsync")
_NEEDED = {"RUST": "y", "MODULES": "y", "MODULE_UNLOAD": "y", "DEBUG_FS": "y", "MMU_NOTIFIER": "y"}


@dataclass(frozen=True)
class Machine:
    """What decides whether the selftests can run here."""

    root: bool
    release: str
    build: Path
    config: dict[str, str] = field(default_factory=dict)
    is_tree: bool = True
    metadata: bool = True
    tree_release: str = ""
    loaded: frozenset[str] = frozenset()
    lockdown: str = ""
    debugfs: bool = True


def look() -> Machine:
    """This machine."""
    release = platform.release()
    build = Path(os.environ.get("KDIR") or f"/lib/modules/{release}/build")
    config = build / "include" / "config" / "auto.conf"
    return Machine(root=os.geteuid() == 0, release=release, build=build,
                   config=kconfig.parse(_text(config)), is_tree=config.exists(),
                   metadata=(build / "rust" / "libkernel.rmeta").exists(),
                   tree_release=_text(build / "include" / "config" / "kernel.release").strip(),
                   loaded=frozenset(line.split()[0] for line in _text(Path("/proc/modules")).splitlines()),
                   lockdown=_text(Path("/sys/kernel/security/lockdown")),
                   debugfs=_DEBUGFS.is_mount())


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def refusal(machine: Machine) -> str | None:
    """Why the selftests cannot run on this machine and what to do, or None. The first obstacle counts."""
    series = choice.SERIES["stock"]
    if not machine.root:
        return "Loading modules takes root: run `sudo make kselftest`."
    if _series(machine.release) < _series(series):
        return (f"This machine runs Linux {machine.release}, and Strata needs {series} or newer with CONFIG_RUST=y. "
                "`make demo` and `make check` boot such a kernel in a VM on any Debian 12 or 13.")
    if not machine.is_tree:
        return (f"{machine.build} is not the build tree of a kernel. Install the headers of Linux {machine.release} "
                "(linux-headers on Debian, kernel-devel on Fedora), or name a tree: `make kselftest KDIR=...`.")
    lacking = [f"CONFIG_{name}" for name, value in _NEEDED.items() if machine.config.get(name) != value]
    if lacking:
        return f"Linux {machine.release} was built without {', '.join(lacking)}, which Strata and its selftests need."
    if not machine.metadata:
        return (f"{machine.build} has no Rust metadata (rust/libkernel.rmeta), so nothing in Rust can be built for "
                f"Linux {machine.release} with it. Where the distribution leaves it out, as Debian does, "
                "`make kernel-tree` makes a tree that has it, for `make kselftest KDIR=...`.")
    if machine.tree_release != machine.release:
        return (f"{machine.build} is the tree of Linux {machine.tree_release or '?'}, and {machine.release} is "
                "running: its modules would not load.")
    return _not_now(machine)


def _not_now(machine: Machine) -> str | None:
    """Obstacles that are not the kernel's."""
    if present := sorted(machine.loaded & set(selftests.MODULES)):
        return (f"{', '.join(present)} is loaded already, and the selftests load and unload it many times. "
                f"Unload it first: rmmod {' '.join(m for m in reversed(selftests.MODULES) if m in present)}")
    if re.search(r"\[(integrity|confidentiality)\]", machine.lockdown):
        return ("The kernel is locked down and loads no unsigned modules. Disable Secure Boot for this test, or boot "
                "with lockdown=none.")
    if not machine.debugfs:
        return f"debugfs is not mounted: mount -t debugfs debugfs {_DEBUGFS}"
    return None


def _series(release: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def main(arguments: Sequence[str]) -> int:
    """kselftest: the selftests on this machine instead of a VM; results as KTAP on the standard output."""
    argparse.ArgumentParser(prog="scripts/run kselftest", description=main.__doc__).parse_args(arguments)
    return running_machine()


def running_machine() -> int:
    """The status of the kernel's runner; 1 too where the kernel reported anything, or a module stayed."""
    machine = look()
    if why := refusal(machine):
        raise say.Refusal(why)
    source = _source(machine.build)
    run = _builder(machine.build)
    folder = _build_modules(machine, run)
    # The C library's copy of the kernel's headers is enough for these tests.
    install = selftests.build_at(folder / "kselftest", source, Path("/"), run)
    with _kernel_log() as reports, _loaded(folder) as left:
        status = subprocess.run([install / "run_kselftest.sh", "-c", selftests.COLLECTION],
                                env={**os.environ, "STRATA_MODULES": str(folder)}, check=False).returncode
    for report in reports:
        say.line(f"# The kernel reported: {report.title}")
        say.line("\n".join(f"#     {line}" for line in report.text.splitlines()))
    for module in left:
        say.warn(f"{module} could not be unloaded: something still uses it (lsmod says how much).")
    return status or (1 if reports or left else 0)


def _source(build: Path) -> Path:
    """A kernel source with the selftests' harness."""
    given = os.environ.get("KSRC")
    for place in ([Path(given)] if given else [build / "source", build]):
        if (place / _HARNESS).exists():
            return place.resolve()
    raise say.Refusal(f"{given or build} has no {_HARNESS}: name a kernel source with `make kselftest KSRC=...`; "
                      "its version need not be exactly that of the running kernel.")


def _builder(build: Path) -> Callable:
    """What runs make: the sysroot for a tree that was made with its compilers, this machine for any other."""
    if build.resolve().is_relative_to(paths.CACHE):
        return Sysroot.get().run
    if lacking := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        raise say.Refusal(f"To build for Linux {platform.release()} this machine lacks {', '.join(lacking)}. "
                          "Install what the kernel's Documentation/rust/quick-start.rst asks for, and rsync.")
    return _on_this_machine


def _on_this_machine(argv: Sequence[str | Path], *, log: Path | None = None, step: say.Step | None = None,
                     title: str | None = None, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """As Sysroot.run, without a sysroot."""
    if capture or log is None:
        return subprocess.run([str(word) for word in argv], check=True, text=True, capture_output=True)
    tail = say.call(argv, log=log, step=step, title=title)
    return subprocess.CompletedProcess([str(word) for word in argv], 0, "\n".join(tail))


def _build_modules(machine: Machine, run: Callable) -> Path:
    folder = paths.OUT / machine.release
    folder.mkdir(parents=True, exist_ok=True)
    log = modules.LOGS / f"modules-{machine.release}.log"
    llvm = ["LLVM=1"] if machine.config.get("CC_IS_CLANG") == "y" else []
    with say.step(f"Building the modules for {machine.release}", log=log) as step:
        run(["make", "-C", machine.build, f"M={paths.TOP}", f"MO={folder}", f"-j{os.cpu_count()}", *llvm,
             "STRATA_TESTS=y", "modules"], log=log, step=step, title=step.title)
    return folder


@contextlib.contextmanager
def _kernel_log() -> Iterator[list[console.Report]]:
    """What the kernel reports while the block runs; the list is filled when it ends."""
    mark = f"strata kselftest {time.monotonic_ns():x}"
    Path("/dev/kmsg").write_text(f"<6>{mark}\n")
    reports: list[console.Report] = []
    yield reports
    text = subprocess.run(["dmesg"], check=True, text=True, capture_output=True, errors="replace").stdout
    # Without the mark the log has wrapped around: all of it is since then.
    reports += selftests.unasked(console.parse(text.rpartition(mark)[2]))


@contextlib.contextmanager
def _loaded(folder: Path) -> Iterator[list[str]]:
    """The modules loaded; gives a list that, after the block, names those that could not be unloaded."""
    left: list[str] = []
    others = _children()
    with _interruptible(), _reaper():
        try:
            for name in selftests.MODULES:
                _load(folder / f"{name}.ko")
            yield left
        finally:
            _end_descendants(others)
            left += [name for name in reversed(selftests.MODULES) if not _unload(name)]


def _load(module: Path) -> None:
    ours = set(selftests.MODULES)
    for need in initramfs.depends(module.read_bytes()):
        if need not in ours:
            subprocess.run(["modprobe", need], check=False)
    done = subprocess.run(["insmod", module], check=False, text=True, capture_output=True)
    if done.returncode:
        raise say.Refusal(f"{done.stderr.strip() or f'{module} does not load'}; dmesg says why.")


def _unload(module: str, seconds: float = 10) -> bool:
    """Whether the module is gone. What still runs may need a moment to let go of it."""
    deadline = time.monotonic() + seconds
    while re.search(rf"^{module} ", _text(Path("/proc/modules")), re.MULTILINE):
        if time.monotonic() > deadline:
            return False
        if subprocess.run(["rmmod", module], check=False, capture_output=True).returncode:
            time.sleep(0.2)
    return True


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that modules are unloaded."""
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _reaper() -> Iterator[None]:
    """Orphans among our descendants become our children: a test that lost its parent can be found."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _end_descendants(others: set[int]) -> None:
    """Kill all that the tests started and left, which would keep the modules busy; not the `others`."""
    while children := _children() - others:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> set[int]:
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in _text(task / "children").split()}

# SPDX-License-Identifier: GPL-2.0
"""A VM on the user's own terminal, with our modules loaded and a prompt.

The guest's console is the terminal, so kernel messages appear where they
happen.  The second serial line stays with us, and tells the guest when the
terminal's window changes its size.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from . import console, vm
from .guest import without_marks
from .initramfs import Content
from .qemu import Qemu
from .say import Refusal

WELCOME = """
This is the {name} kernel in a virtual machine. You are root; nothing here is kept.
{loaded}
You are in the folder of the modules: `rmmod NAME` and `insmod NAME.ko` work, and
`modprobe NAME` brings what it needs. `dmesg` shows the kernel's log.
{programs}To leave: `exit`, Ctrl-D, or (should the guest hang) Ctrl-A and then x.

"""

# What a program does, where its name does not tell.
NOTES = {"run_kselftest.sh": "all selftests; `-t strata:pool` for one"}

# What a shell in the VM knows.  Leaving QEMU is a reset, see init.sh.
PROFILE = """\
alias poweroff='reboot -f' halt='reboot -f' reboot='reboot -f' ll='ls -l'
"""


def need_terminal() -> None:
    """Refuses where nobody could type. To be asked before anything is built."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refusal("The shell needs a terminal. To run one command in a VM: scripts/run vm -- COMMAND")


def start(kernel: vm.Bootable, *, modules: Sequence[vm.Named] = (), insmod: Sequence[Path] = (),
          files: Mapping[str, Content] | None = None, machine: str = "microvm",
          memory: str = "1G", cpus: int = 2, append: str = "", swap: str = "") -> list[console.Report]:
    """Runs the VM until its user leaves; returns what the kernel reported meanwhile."""
    need_terminal()
    files = dict(files or {})
    setup = vm.Setup(kernel, modules, insmod, files, machine, memory, cpus, append, swap=swap)
    welcome = _welcome(kernel.name, insmod, files)
    size = os.get_terminal_size()
    boot = setup.boot("shell", {
        "etc/strata/welcome": welcome,
        "etc/strata/profile": PROFILE,
        "etc/strata/terminal": f"{size.lines} {size.columns} {os.environ.get('TERM', 'linux')}\n",
    })
    with _terminal(), Qemu(setup.hardware(), boot, interactive=True) as qemu:
        _follow(qemu, size)
        text = without_marks(qemu.console().decode(errors="replace"))
    return console.parse(text)


def _welcome(name: str, insmod: Sequence[Path], files: Mapping[str, Content]) -> str:
    own = " ".join(path.name for path in insmod)
    programs = ", ".join(sorted(_named(PurePosixPath(guest).name)
                                for guest, content in files.items() if _program(guest, content)))
    return WELCOME.format(name=name, loaded=f"Loaded: {own}" if own else "No module of ours is loaded.",
                          programs=f"Programs to try: {programs}\n" if programs else "")


def _program(guest: str, content: Content) -> bool:
    """Whether it lies in the guest's PATH, and can be run. The selftests lie elsewhere: their runner calls them."""
    in_path = PurePosixPath(guest.strip("/")).parent == PurePosixPath("strata")
    return in_path and not (isinstance(content, Path) and not os.access(content, os.X_OK))


def _named(program: str) -> str:
    return f"`{program}` ({NOTES[program]})" if program in NOTES else f"`{program}`"


def _follow(qemu: Qemu, size: os.terminal_size) -> None:
    """Waits for the end, and hands each change of the window's size on."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            qemu.wait(0.3)
            return
        now = os.get_terminal_size()
        if now != size:
            size = now
            resize = f"stty -F /dev/ttyS0 rows {now.lines} cols {now.columns}"
            vm.Session(qemu).run(resize, timeout=5)


@contextlib.contextmanager
def _terminal() -> Iterator[None]:
    """QEMU puts the terminal into raw mode; whatever ends it, we put it back."""
    before = termios.tcgetattr(sys.stdin)
    handlers = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        print()


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)

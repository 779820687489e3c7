# SPDX-License-Identifier: GPL-2.0
"""User-mode Linux: a kernel as a program, which boots and runs one command at the host's own speed.

It takes what `vm.run` takes of a kernel, of modules and of a command, and gives
the same Result. There is no machine to emulate, one processor, and the clock
and the caches are the host's: for what takes time and not instructions.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from . import console, guest, initramfs, vm
from .qemu import size
from .say import Refusal, end_with_us
from .sysroot import Sysroot

# Modules stand above all memory, and call the kernel below it at 32 bits of distance.
_MEMORY_MAX = "1792M"
_END = re.compile(rb"^@@exit (\d+)\r?\n", re.M)


def run(kernel: vm.Bootable, command: str, *, modules: Sequence[vm.Named] = (),
        insmod: Sequence[Path | tuple[Path, str]] = (), files: Mapping[str, initramfs.Content] | None = None,
        memory: str = "1G", append: str = "", timeout: float = 300) -> vm.Result:
    """Boots `kernel`, loads modules, runs `command`; `timeout` is for all of it, in seconds."""
    if kernel.image is None:
        raise Refusal(f"The {kernel.name} kernel is set up for compiling only, not to boot.")
    if size(memory) > size(_MEMORY_MAX):
        raise Refusal(f"User-mode Linux takes {_MEMORY_MAX} of memory at most where it has modules, not {memory}.")
    carried = {**(files or {}), "etc/strata/command": command}
    archive = initramfs.build(initramfs.GuestModules(kernel.modroot, modules, insmod), carried, vm.busybox(), "once")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="strata-uml-") as folder:
        image = Path(folder) / "initramfs"
        image.write_bytes(archive)
        said, line, ended = _boot(kernel.image, image, f"{size(memory) >> 20}M", append, timeout)
    return result(command, said, line, "" if ended else f"timeout after {timeout:.0f} s", time.monotonic() - started)


def _boot(program: Path, image: Path, memory: str, append: str, timeout: float) -> tuple[bytes, bytes, bool]:
    """What the console and the line said, and whether it came to its end."""
    mouth, end = os.pipe()
    # Its first terminal is the kernel's console. The second is ours, as a VM's second serial line is.
    arguments = [program, f"mem={memory}", f"initrd={image}", "con=null", "con0=null,fd:1", f"con1=null,fd:{end}",
                 "quiet", "loglevel=5", "panic=-1", "oops=panic", "kunit.autorun=0", *append.split()]
    # It keeps its memory in a file of TMPDIR.
    inside = Sysroot.get().binding(image.parent).command(arguments, env={"TMPDIR": "/dev/shm"})
    with open(mouth, "rb") as line, \
            subprocess.Popen(end_with_us(inside), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, pass_fds=[end]) as process:
        os.close(end)
        ears = [_Ear(process.stdout), _Ear(line)]
        try:
            process.wait(timeout)
            ended = True
        except subprocess.TimeoutExpired:
            ended = False
        finally:
            # Its namespace ends with it, and so do the processes that it made.
            process.kill()
        return ears[0].heard(), ears[1].heard(), ended


class _Ear(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, pipe: BinaryIO) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._data = b""
        self.start()

    def run(self) -> None:
        self._data = self._pipe.read()

    def heard(self) -> bytes:
        self.join()
        return self._data


def result(command: str, said: bytes, line: bytes, dead: str, elapsed: float) -> vm.Result:
    """What its two terminals say. `dead` is why it was ended, where it did not end by itself."""
    text = guest.without_marks(said.decode(errors="replace"))
    reports = console.parse(text)
    end = _END.search(line)
    if not end and not dead:
        cause = console.cause(reports)
        dead = cause.title if cause else "it ended before the command did"
    output = line[:end.start()] if end else line
    return vm.Result(command, output.decode(errors="replace").replace("\r", ""), int(end[1]) if end else None, text,
                     reports, dead or None, elapsed, output)

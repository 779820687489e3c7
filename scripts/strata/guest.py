# SPDX-License-Identifier: GPL-2.0
"""Talking to a guest over its second serial line; the other end is guest/init.sh.

The kernel's console is a separate line, so nothing that the kernel prints can
be taken for a program's output, and output may hold any bytes.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from .qemu import Qemu

# A tty takes 4096 bytes before its reader must have read some.
PART = 2048

# The other thing that may end a piece of output: what the guest wants to know.
_ASK = rb"|^@@ask (.*)\n"


class Dead(Exception):
    """The guest will not answer any more; says why in a few words."""


@dataclass(frozen=True)
class Answer:
    """What came of one command."""

    output: bytes
    status: int


class Guest:
    """The guest of a running QEMU, from its boot to its last command."""

    def __init__(self, qemu: Qemu) -> None:
        self._qemu = qemu
        self._pending = b""
        self._commands = 0
        self._seen = 0
        # What a command printed before the guest died is in here.
        self.unfinished = b""

    def await_boot(self, deadline: float) -> str | None:
        """Waits for init; returns what it said where a module did not load, or None."""
        self._until(rb"^@@ready (\d+)\n", deadline, "while booting")
        loading = self._until(rb"^@@loaded\n", deadline, "while loading modules")
        self._sync("boot", deadline)
        said = loading[0].decode(errors="replace").strip()
        return said or None

    def run(self, command: str, deadline: float, watch: Callable[[bytes], None] | None = None,
            answer: Callable[[str], str] | None = None) -> Answer:
        """Runs a shell script; `watch` gets its output as it comes.

        Where a line of its output is `@@ask TEXT`, `answer` is called with the
        text, and what that returns is a line that comes from /dev/ttyS1.
        """
        self._commands += 1
        # Made from the clock, so that no output can guess it.
        name = f"{self._commands}.{time.monotonic_ns():x}"
        script = base64.b64encode(command.encode())
        for start in range(0, len(script), PART):
            self._send(b"part %s %s\n" % (name.encode(), script[start:start + PART]))
            self._until(b"^@@more %s\n" % re.escape(name.encode()), deadline, "before the command")
        self._send(b"run %s\n" % name.encode())
        label = re.escape(name.encode())
        self._until(b"^@@begin %s\n" % label, deadline, "before the command")
        done = rb"\n@@exit %s (\d+)\n%s" % (label, _ASK if answer else b"")
        said: list[bytes] = []
        try:
            while True:
                output, end = self._until(done, deadline, "", watch)
                said.append(output)
                if end[1]:
                    break
                self._send(answer(end[2].decode(errors="replace")).encode() + b"\n")
        except Dead:
            self.unfinished = b"".join([*said, self.unfinished])
            raise
        self._sync(name, deadline)
        return Answer(b"".join(said), int(end[1]))

    def console(self) -> str:
        """The console since the last call of this, without the marks of `_sync`."""
        fresh = self._qemu.console(self._seen)
        self._seen += len(fresh)
        return without_marks(fresh.decode(errors="replace"))

    def _sync(self, name: str, deadline: float) -> None:
        """Waits until the console shows the mark that follows a command's messages."""
        if self._qemu.interactive:
            return
        mark = f"strata-sync {name}".encode()
        while mark not in self._qemu.console(self._seen):
            if time.monotonic() > deadline:
                return
            time.sleep(0.005)

    def _send(self, data: bytes) -> None:
        try:
            self._qemu.line.sendall(data)
        except OSError:
            raise Dead("the VM ended before it got its command") from None

    def _until(self, pattern: bytes, deadline: float, when: str,
               watch: Callable[[bytes], None] | None = None) -> tuple[bytes, re.Match[bytes]]:
        """Reads up to `pattern`; returns what stood before it, and the match.

        Only the part that may yet belong to the pattern is searched again when
        more arrives, so that long output costs no more than its length.
        """
        regex = re.compile(pattern, re.MULTILINE)
        shown, begin = 0, 0
        while True:
            found = regex.search(self._pending, begin)
            if found:
                before, self._pending = self._pending[:found.start()], self._pending[found.end():]
                if watch:
                    watch(before[shown:])
                return before, found
            begin = max(0, len(self._pending) - 200)
            if watch and begin > shown:
                watch(self._pending[shown:begin])
                shown = begin
            self.unfinished = self._pending
            self._pending += self._receive(deadline, when)

    def _receive(self, deadline: float, when: str) -> bytes:
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self._qemu.line.settimeout(left)
            data = self._qemu.line.recv(1 << 16)
        except TimeoutError:
            raise Dead(f"timeout {when}".strip()) from None
        except OSError:
            data = b""
        if not data:
            raise Dead(f"the VM ended {when}".strip())
        return data


def without_marks(console: str) -> str:
    """A console's text without our own lines and the serial line's returns."""
    text = console.replace("\r", "")
    return re.sub(r"^(?:\[[^\]\n]*\] ?)*strata-sync .*\n?", "", text, flags=re.MULTILINE)

# SPDX-License-Identifier: GPL-2.0
"""One QEMU process: its command line, its control connection, and its end.

Everything between us and QEMU is a file descriptor without a name: sockets for
the guest's second serial line and for QMP, anonymous files for the initramfs,
the console and the saved memory.  So any number of VMs runs side by side, and
however a run ends there is nothing to sweep up.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from .say import Refusal

PROGRAM = "qemu-system-x86_64"

# QEMU must not outlive us, not even when we are killed.  PR_SET_PDEATHSIG would
# fire when the *thread* that started QEMU ends, so a watcher holds the read end
# of a pipe instead: when our end closes without a line written, it kills.  It
# closes the sockets that it inherits, or their end would never be seen.
LEASH = """
input=$1 sockets=$2; shift 2
exec 3<&0
(for fd in $sockets; do eval "exec $fd>&-"; done; read -r _ || kill -9 $$) <&3 >/dev/null 2>&1 &
exec "$@" <"$input" 3<&-
"""


class QemuFailed(Refusal):
    """QEMU itself failed, not its guest."""


@dataclass(frozen=True)
class Machine:
    """The hardware of a VM."""

    kind: str = "microvm"
    memory: str = "1G"
    cpus: int = 2
    accel: str = "tcg"
    # The guest's clock is the number of instructions that it ran: one each nanosecond.
    icount: bool = False
    # What QEMU calls them: `virtio-gpu-pci,id=card`.
    devices: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        # Without ACPI there are no tables to interpret, which would be most of a
        # debug kernel's boot under emulation.  Other machines need ACPI to find
        # their second CPU.
        kind = {"microvm": "microvm,acpi=off,isa-serial=off"}.get(self.kind, self.kind)
        # With five-level paging a timer interrupt during identify_cpu(), which clears
        # the flag for it for a moment, makes KASAN take a good address for a wild one.
        cpu = "max" if self.accel == "tcg" else "host"
        accel = {"tcg": "tcg,thread=single" if self.icount else "tcg,thread=multi"}.get(self.accel, self.accel)
        return [
            "-machine", f"{kind},memory-backend=ram", "-accel", accel,
            *(["-icount", "shift=0,sleep=off"] if self.icount else []),
            "-cpu", f"{cpu},la57=off",
            "-smp", str(self.cpus), "-m", f"{size(self.memory) >> 20}M",
            *(word for device in self.devices for word in ("-device", device)),
        ]


@dataclass
class Boot:
    """What the machine starts from: a kernel, and for a restored one a saved state."""

    image: Path
    initramfs: bytes
    append: str = ""
    incoming: "State | None" = None


class State:
    """A saved VM: its memory and its devices, in anonymous files.

    The memory file is what the VM that was saved ran on; each restored VM maps
    it privately, so that a restore reads only what the guest touches and the
    VMs share the rest.
    """

    def __init__(self) -> None:
        self.memory = os.memfd_create("strata-vm-memory")
        self.devices = os.memfd_create("strata-vm-devices")

    def size(self) -> int:
        """Bytes of host memory that it occupies."""
        return sum(os.fstat(fd).st_blocks * 512 for fd in (self.memory, self.devices))

    def close(self) -> None:
        os.close(self.memory)
        os.close(self.devices)


def _path(fd: int) -> str:
    return f"/proc/{os.getpid()}/fd/{fd}"


def size(memory: str) -> int:
    found = re.fullmatch(r"(\d+)([MG])", memory.upper())
    if not found:
        raise Refusal(f"A size is given as 512M or 2G, not as {memory}.")
    return int(found[1]) << {"M": 20, "G": 30}[found[2]]


@dataclass
class Qemu:
    """A running QEMU.  Use it as a context manager: leaving it ends the process."""

    machine: Machine
    boot: Boot
    state: State | None = None
    interactive: bool = False
    line: socket.socket = field(init=False)
    _closers: contextlib.ExitStack = field(init=False, default_factory=contextlib.ExitStack)

    def __enter__(self) -> "Qemu":
        if shutil.which(PROGRAM) is None:
            raise Refusal(f"{PROGRAM} is not installed; it is in Debian's package qemu-system-x86.")
        try:
            self._start()
        except BaseException:
            self._closers.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closers.close()

    def _start(self) -> None:
        keep = self._closers
        self.line, line_end = self._pair()
        self._control, control_end = self._pair()
        self._console = keep.enter_context(tempfile.TemporaryFile())
        self._errors = keep.enter_context(tempfile.TemporaryFile())
        initramfs = keep.enter_context(os.fdopen(os.memfd_create("strata-initramfs"), "wb"))
        initramfs.write(self.boot.initramfs)
        initramfs.flush()
        sockets = (line_end.fileno(), control_end.fileno())
        argv = ["bash", "-c", LEASH, "strata-leash",
                "/dev/tty" if self.interactive else "/dev/null", " ".join(map(str, sockets)),
                PROGRAM, *self._arguments(line_end, control_end, initramfs)]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stderr=None if self.interactive else self._errors,
            stdout=None if self.interactive else self._errors,
            pass_fds=sockets, start_new_session=not self.interactive)
        keep.callback(self._end)
        line_end.close()
        control_end.close()
        self._greet()

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        ours, theirs = socket.socketpair()
        self._closers.callback(ours.close)
        self._closers.callback(theirs.close)
        return ours, theirs

    def _arguments(self, line: socket.socket, control: socket.socket,
                   initramfs: BinaryIO) -> list[str]:
        state = self.boot.incoming or self.state
        # The VM that is saved writes through to the file; a restored one must not.
        share = "off" if self.boot.incoming else "on"
        backend = (f"memory-backend-file,id=ram,size={size(self.machine.memory)},"
                   f"mem-path={_path(state.memory)},share={share}" if state else
                   f"memory-backend-ram,id=ram,size={size(self.machine.memory)}")
        log = _path(self._console.fileno())
        console = (f"stdio,id=console,mux=on,signal=off,logfile={log},logappend=on"
                   if self.interactive else f"file,id=console,path={log},append=on")
        arguments = [
            "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-object", backend, *self.machine.arguments(),
            "-chardev", console, "-device", "isa-serial,chardev=console",
            "-chardev", f"socket,id=line,fd={line.fileno()}", "-device", "isa-serial,chardev=line",
            "-chardev", f"socket,id=control,fd={control.fileno()}",
            "-mon", "chardev=control,mode=control",
            "-kernel", str(self.boot.image), "-initrd", _path(initramfs.fileno()),
            "-append", self.boot.append,
        ]
        if self.interactive:
            arguments += ["-mon", "chardev=console,mode=readline"]
        if self.boot.incoming:
            arguments += ["-incoming", "defer"]
        return arguments

    # Control

    def _greet(self) -> None:
        self._control.settimeout(60)
        self._answers = self._control.makefile("rb")
        if not self._answer():
            self._process.kill()
            self._process.wait(10)
            raise QemuFailed(f"QEMU did not start: {self.errors().strip() or 'it said nothing'}")
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: Any) -> Any:
        """One QMP command."""
        request = {"execute": name, **({"arguments": arguments} if arguments else {})}
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(request).encode() + b"\n")
        while True:
            line = self._answer()
            if not line:
                raise QemuFailed(f"QEMU did not answer to {name}: {self.errors().strip()}")
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise QemuFailed(f"QEMU refused {name}: {answer['error']['desc']}")

    def _answer(self) -> bytes:
        """A line from QEMU; nothing where it ended, or is stuck."""
        try:
            return self._answers.readline()
        except OSError:
            return b""

    def save(self, state: State) -> None:
        """Stops the VM and saves all of it but the memory, which is in the file already."""
        self.command("stop")
        self._share_memory()
        self.command("migrate", uri=f"exec:cat > {_path(state.devices)}")
        self._await_migration()

    def restore(self, state: State) -> None:
        self._share_memory()
        self.command("migrate-incoming", uri=f"exec:cat {_path(state.devices)}")
        self._await_migration()
        self.command("cont")

    def _share_memory(self) -> None:
        self.command("migrate-set-capabilities",
                     capabilities=[{"capability": "x-ignore-shared", "state": True}])

    def _await_migration(self, timeout: float = 120) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            status = self.command("query-migrate").get("status")
            if status == "completed":
                return
            if status in ("failed", "cancelled"):
                break
            time.sleep(0.01)
        raise QemuFailed(f"QEMU could not save or restore the VM: {self.errors().strip()}")

    def screen(self, device: str) -> bytes:
        """What a graphics card shows at this moment, as a picture in QEMU's format (ppm)."""
        with os.fdopen(os.memfd_create("strata-screen"), "rb") as picture:
            self.command("screendump", filename=_path(picture.fileno()), device=device)
            return picture.read()

    # What it left

    def console(self, start: int = 0) -> bytes:
        """What the guest wrote to its console so far, from byte `start` on."""
        size = os.fstat(self._console.fileno()).st_size
        return os.pread(self._console.fileno(), size - start, start)

    def errors(self) -> str:
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), size, 0).decode(errors="replace")

    def wait(self, timeout: float | None = None) -> int:
        return self._process.wait(timeout)

    def _end(self) -> None:
        """Ends QEMU if it has not ended, and lets the watcher go without its kill."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._process.stdin.write(b"\n")
        with contextlib.suppress(OSError):
            self._process.stdin.close()

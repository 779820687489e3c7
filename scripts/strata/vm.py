# SPDX-License-Identifier: GPL-2.0
"""Virtual machines for tests: boot a kernel, run a command, get all it did as data.

`run` boots, runs one command and ends.  `Snapshot` boots once and then restores
that state for each session, which takes a fraction of a second.  Both may be
used from several threads at a time, and leave no process behind.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from . import accel, console, initramfs, kmemleak as leaks, ktap
from .guest import Dead, Guest
from .initramfs import Content, GuestModules
from .qemu import Boot, Machine, Qemu, State, size
from .say import Refusal

Watch = Callable[[bytes], None]
# Called with what a command asks (see Guest.run) while it waits for the answer.
Answers = Callable[["Session", str], str]
# A module of the kernel's own, perhaps with its parameters.
Named = str | tuple[str, str]

# Reset by triple fault: the machine has no other way, and -no-reboot turns it
# into QEMU's end.  Emulation on a shared host is slow: the kernel's watchdogs
# get as much time as they can be given, or they would report the host's load.
# The library's KUnit suites would run in every VM that loads it.
COMMAND_LINE = ("console=ttyS0 quiet loglevel=5 panic=-1 oops=panic reboot=t nokaslr "
                "printk.devkmsg=on tsc=nowatchdog trace_clock=local "
                "rcupdate.rcu_cpu_stall_timeout=120 workqueue.watchdog_thresh=120 no_timer_check "
                "kunit.autorun=0")


# Enough to swap to for all that a test has in memory.
SWAP = "256M"

# Looking for what a machine has not got costs time, and errors on the console.
MACHINE_LINE = {"microvm": "acpi=off"}


class Bootable(Protocol):
    """What this module needs of a kernels.Kernel."""

    name: str
    image: Path | None
    modroot: Path | None


@dataclass
class Result:
    """What one command in a VM did.

    `status` is None where the command did not end; `dead` then says why.
    `console` is what the kernel said from the VM's start (or its restoration,
    or the command before) to the command's end.
    """

    command: str
    output: str
    status: int | None
    console: str
    reports: list[console.Report]
    dead: str | None
    elapsed: float
    raw: bytes = field(default=b"", repr=False)

    @property
    def tests(self) -> list[ktap.Test]:
        """KTAP results of the command's output, then KUnit's from the console."""
        return ktap.parse(self.output) + ktap.parse(self.console)

    @property
    def transcript(self) -> str:
        """All of it, for a log."""
        return f"{self.output}\n--- console ---\n{self.console}"

    def unexpected(self, expect: Iterable[str] = ()) -> list[console.Report]:
        """The reports that no entry of `expect` asks for."""
        wanted = tuple(expect)
        return [report for report in self.reports
                if not report.consequence and not any(report.matches(w) for w in wanted)]

    def missing(self, expect: Iterable[str] = ()) -> list[str]:
        """The entries of `expect` for which there is no report."""
        return [w for w in expect if not any(report.matches(w) for report in self.reports)]

    def ok(self, expect: Iterable[str] = ()) -> bool:
        """Ended with status 0, with exactly the reports asked for, and no failed test.

        An entry of `expect` is a report's kind, or a part of its title.
        """
        wanted = tuple(expect)
        return (self.dead is None and self.status == 0 and not self.unexpected(wanted)
                and not self.missing(wanted) and not any(t.status == "fail" for t in self.tests))

    def explain(self, expect: Iterable[str] = (), output: bool = True) -> str:
        """What is wrong, for a person: the reasons first, then the evidence.

        `output` says whether to repeat the end of what the command printed.
        """
        wanted = tuple(expect)
        if self.ok(wanted):
            return "passed"
        parts = []
        if self.dead:
            parts.append(f"The VM died: {self.dead}.")
        elif self.status:
            parts.append(f"The command ended with status {self.status}: {_first_line(self.command)}")
        parts += [f"Failed: {test.path}{': ' + test.detail if test.detail else ''}"
                  for test in self.tests if test.status == "fail"]
        parts += [f"The kernel did not report what it should have: {name}"
                  for name in self.missing(wanted)]
        parts += [f"The kernel reported: {report.title}\n{_indented(report.text)}"
                  for report in self.unexpected(wanted)]
        if output and (self.dead or self.status):
            parts.append(f"Last output:\n{_indented(_tail(self.output))}")
        if self.dead and not self.reports:
            parts.append(f"Last lines of the console:\n{_indented(_tail(self.console))}")
        return "\n".join(parts)


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


def _tail(text: str, lines: int = 20) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:]) or "(nothing)"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


class Session:
    """A running VM that takes commands one after the other."""

    def __init__(self, qemu: Qemu, limit: float | None = None) -> None:
        self._qemu = qemu
        self._guest = Guest(qemu)
        # The caller's timeout for all of it, where that is more than one command's.
        self._limit = limit
        self.dead: str | None = None

    def await_boot(self, timeout: float) -> Result:
        """The boot as a Result: its console, its reports, and whether modules loaded."""
        started = time.monotonic()
        try:
            failure = self._guest.await_boot(started + timeout)
        except Dead as reason:
            return self._died("(boot)", reason, started, timeout)
        if failure:
            self.dead = f"a module did not load: {_first_line(failure)}"
        return self._result("(boot)", failure or "", b"", 1 if failure else 0, started)

    def run(self, command: str, timeout: float = 60, watch: Watch | None = None,
            kmemleak: bool = False, answer: Answers | None = None) -> Result:
        """Runs a shell command (or a whole script) in the guest.

        After a death every further command reports that same death.
        """
        started = time.monotonic()
        if self.dead:
            return Result(command, "", None, "", [], self.dead, 0.0)
        try:
            done = self._guest.run(command, started + timeout, watch,
                                   (lambda asked: answer(self, asked)) if answer else None)
            found = self._scan(started + timeout) if kmemleak else []
        except Dead as reason:
            return self._died(command, reason, started, timeout)
        output = done.output
        result = self._result(command, output.decode(errors="replace"), output, done.status, started)
        # The records say more than kmemleak's own line on the console.
        result.reports = [r for r in result.reports if r.kind != "kmemleak" or not found] + found
        return result

    def screen(self, device: str) -> bytes:
        """What this graphics card shows, as a picture (ppm)."""
        return self._qemu.screen(device)

    def _scan(self, deadline: float) -> list[console.Report]:
        answer = self._guest.run(leaks.SCAN, deadline)
        return leaks.parse(answer.output.decode(errors="replace"), answer.status)

    def _result(self, command: str, output: str, raw: bytes, status: int | None,
                started: float) -> Result:
        text = self._guest.console()
        return Result(command, output, status, text, console.parse(text), self.dead,
                      time.monotonic() - started, raw)

    def _died(self, command: str, reason: Dead, started: float, timeout: float) -> Result:
        self.dead = str(reason)
        if self.dead.startswith("timeout"):
            self.dead = self.dead.replace("timeout", f"timeout after {self._limit or timeout:.0f} s", 1)
        else:
            # The console is complete only when QEMU has ended.
            with contextlib.suppress(Exception):
                self._qemu.wait(10)
        raw = self._guest.unfinished
        result = self._result(command, raw.decode(errors="replace"), raw, None, started)
        if cause := console.cause(result.reports):
            self.dead = result.dead = cause.title
        return result


@dataclass(frozen=True)
class Setup:
    """A VM before it is started: a kernel, hardware, modules and files."""

    kernel: Bootable
    modules: Sequence[Named] = ()
    insmod: Sequence[Path | tuple[Path, str]] = ()
    files: Mapping[str, Content] = field(default_factory=dict)
    machine: str = "microvm"
    memory: str = "1G"
    cpus: int = 2
    append: str = ""
    kmemleak: bool = False
    # The size of a disk in the VM's own memory to swap to; it takes what is written to it.
    swap: str = ""
    # The clock counts instructions, which takes emulation and one processor.
    icount: bool = False
    # What QEMU calls them; they need a machine with their bus.
    devices: Sequence[str] = ()

    def image(self) -> Path:
        if self.kernel.image is None:
            raise Refusal(f"The {self.kernel.name} kernel is set up for compiling only, not to boot.")
        return self.kernel.image

    def hardware(self) -> Machine:
        if self.icount:
            return Machine(self.machine, self.memory, cpus=1, accel="tcg", icount=True)
        chosen = accel.choose(self.image(), lambda: _kvm_works(self.kernel))
        return Machine(self.machine, self.memory, self.cpus, chosen, devices=tuple(self.devices))

    def boot(self, mode: str = "serve", more_files: Mapping[str, Content] | None = None) -> Boot:
        disk = [("brd", f"rd_nr=1 rd_size={size(self.swap) >> 10}")] if self.swap else []
        modules = GuestModules(self.kernel.modroot, [*self.modules, *disk], self.insmod)
        files = {**self.files, **(more_files or {}), "etc/strata/swap": self.swap}
        archive = initramfs.build(modules, files, busybox(), mode)
        line = [COMMAND_LINE, MACHINE_LINE.get(self.machine, ""), leaks.BOOT if self.kmemleak else "",
                self.append]
        return Boot(self.image(), archive, " ".join(" ".join(line).split()))


def busybox() -> Path:
    """The static busybox that goes into VMs."""
    from .sysroot import Sysroot
    return Sysroot.get().path("/usr/bin/busybox")


def run(kernel: Bootable, command: str, *, modules: Sequence[Named] = (),
        insmod: Sequence[Path | tuple[Path, str]] = (), files: Mapping[str, Content] | None = None,
        machine: str = "microvm", memory: str = "1G", cpus: int = 2, append: str = "",
        timeout: float = 300, kmemleak: bool = False, swap: str = "", icount: bool = False,
        devices: Sequence[str] = (), watch: Watch | None = None, answer: Answers | None = None) -> Result:
    """Boots `kernel`, loads its `modules` and our `insmod` files, runs `command`.

    `timeout` is for all of it, in seconds.  The Result covers the boot too.
    `swap` is the size of a disk to swap to; `icount` makes the clock count instructions;
    `answer` is asked what the command wants to know of the host.
    """
    setup = Setup(kernel, modules, insmod, files or {}, machine, memory, cpus, append, kmemleak, swap, icount, devices)
    started = time.monotonic()
    with Qemu(setup.hardware(), setup.boot()) as qemu:
        session = Session(qemu, timeout)
        boot = session.await_boot(timeout)
        if boot.dead:
            boot.command = command
            return boot
        left = timeout - (time.monotonic() - started)
        result = session.run(command, left, watch, kmemleak, answer)
        return _joined(boot, result, time.monotonic() - started)


def _joined(boot: Result, result: Result, elapsed: float) -> Result:
    result.console = boot.console + result.console
    result.reports = boot.reports + result.reports
    result.elapsed = elapsed
    return result


class BootFailed(Refusal):
    """A Snapshot's VM did not come up clean; `.result` has the evidence."""

    def __init__(self, kernel: Bootable, result: Result, expect: Sequence[str]) -> None:
        super().__init__(f"The {kernel.name} kernel did not come up as it should in a VM.\n"
                         f"{result.explain(expect)}")
        self.result = result


class Snapshot:
    """A VM booted once and restored for each session.

        with vm.Snapshot(kernel, insmod=[corpus]) as snapshot:
            for case in cases:
                with snapshot.session() as session:
                    result = session.run(case.command, timeout=30)

    Takes the parameters of `run`; `kmemleak` makes `run(..., kmemleak=True)`
    possible in its sessions.  `prepare` is a command run before the VM is
    saved.  Sessions are independent of each other and
    may run at the same time; each has the memory of the moment after boot.
    A kernel report during boot is in `.boot.reports`, and is an error unless
    `expect` asks for it.
    """

    def __init__(self, kernel: Bootable, *, modules: Sequence[Named] = (),
                 insmod: Sequence[Path | tuple[Path, str]] = (),
                 files: Mapping[str, Content] | None = None, machine: str = "microvm",
                 memory: str = "1G", cpus: int = 2, append: str = "", kmemleak: bool = False,
                 prepare: str = "", timeout: float = 180, expect: Sequence[str] = ()) -> None:
        self._setup = Setup(kernel, modules, insmod, files or {}, machine, memory, cpus, append,
                            kmemleak)
        self._prepare = prepare
        self._timeout = timeout
        self._expect = expect
        self._machine: Machine | None = None
        self._closers = contextlib.ExitStack()

    def __enter__(self) -> "Snapshot":
        self._state = State()
        self._closers.callback(self._state.close)
        try:
            self._save()
        except BaseException:
            self._closers.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closers.close()

    def _save(self) -> None:
        """Boots, runs the `prepare` command, and saves the VM."""
        self._machine = self._machine or self._setup.hardware()
        started = time.monotonic()
        boot = self._setup.boot()
        with Qemu(self._machine, boot, state=self._state) as qemu:
            session = Session(qemu)
            self.boot = session.await_boot(self._timeout)
            if not self.boot.dead and self._prepare:
                left = self._timeout - (time.monotonic() - started)
                self.boot = _joined(self.boot, session.run(self._prepare, left), 0)
            self.boot.elapsed = time.monotonic() - started
            if not self.boot.ok(self._expect):
                raise BootFailed(self._setup.kernel, self.boot, self._expect)
            qemu.save(self._state)
        # What was unpacked into memory need not be read again.
        self._boot = Boot(boot.image, b"", boot.append, incoming=self._state)

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """One VM in the saved state; it ends with the block."""
        with Qemu(self._machine, self._boot) as qemu:
            qemu.restore(self._state)
            yield Session(qemu)

    def size(self) -> int:
        """Bytes of host memory that the saved state takes."""
        return self._state.size()

    @classmethod
    def on(cls, machine: Machine, kernel: Bootable, timeout: float) -> "Snapshot":
        """A bare VM on given hardware, for the probe of an accelerator."""
        snapshot = cls(kernel, timeout=timeout)
        snapshot._machine = machine
        return snapshot


def _kvm_works(kernel: Bootable) -> bool:
    """Boots, saves and restores a VM with KVM, as every later use of it will."""
    try:
        with Snapshot.on(Machine(accel="kvm"), kernel, timeout=30) as snapshot:
            with snapshot.session() as session:
                return session.run("true", timeout=15).ok()
    except Refusal:
        return False

# SPDX-License-Identifier: GPL-2.0
"""What a person sees while something long happens: steps with elapsed time, and errors as sentences.

Progress goes to the standard error output, results to the standard output, so
that a pipe gets results alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HEARTBEAT = 30.0  # seconds between two signs of life where there is no terminal
TAIL = 100  # lines of a log that are searched for an error
SHOWN = 40  # lines of it that are repeated in ours


class Refusal(Exception):
    """A sentence for the user: what is wrong, and what to do about it."""


class StepFailed(Refusal):
    """A command failed; carries the last lines of its log and, where known, the cause in words."""

    def __init__(self, title: str, log: Path, tail: Sequence[str] = ()) -> None:
        self.title, self.log, self.tail = title, log, list(tail)
        cause = explain("\n".join(tail))
        text = f"{title}: failed."
        if tail:
            text += "\n" + "\n".join(f"    {line}" for line in tail)
        if cause:
            text += f"\n{cause}"
        super().__init__(f"{text}\nThe whole log: {log}")


# What the tools print, and what it means to someone who only typed `make demo`.
_CAUSES = (
    (r"No space left on device|ENOSPC|enough free space",
     "The disk is full. Make room, or set STRATA_CACHE to a folder on a larger file system; then run the same "
     "command again: it goes on where it stopped."),
    (r"Temporary failure (in name resolution|resolving)|Could not resolve|Network is unreachable|No route to host|"
     r"Unable to connect|Could not connect|Connection (timed out|refused)|Connection failed",
     "The Debian mirror cannot be reached. Check the network, and whether `apt-get update` works on this machine "
     "(its mirror and proxy settings are used); then run the same command again."),
    (r"NO_PUBKEY|is not signed|signatures? (couldn't|could not) be verified",
     "apt could not verify the mirror's signature. Install the newest debian-archive-keyring "
     "(apt-get update && apt-get install debian-archive-keyring) and run the same command again."),
    (r"is not valid yet|Release file .* expired",
     "The clock of this machine and the mirror's files disagree. Set the clock, then run the same command again."),
    (r"404 +Not Found|Hash Sum mismatch|File has unexpected size",
     "The mirror changed while packages were being fetched. Run the same command again."),
    (r"Unable to locate package|has no installation candidate|Version '.*' for '.*' was not found",
     "The mirror does not offer a package that is needed. Check that it carries all of Debian's `main`."),
    (r"Could not get lock|Unable to acquire the dpkg frontend lock",
     "Another program is installing packages. Wait for it to end, then run the same command again."),
    (r"unshare: unshare failed|unshare failed: Operation not permitted|mount: .*permission denied",
     "This machine does not let root create mount namespaces (an unprivileged container?). Run on a virtual or real "
     "machine, or in a container with CAP_SYS_ADMIN."),
    (r"\bKilled\b|signal 9|[Oo]ut of memory|Cannot allocate memory",
     "A program was killed, most likely because memory ran out: 4 GB are enough. Close something and run the same "
     "command again."),
)


def explain(text: str) -> str | None:
    """The cause of a failure in words, when the output of a tool betrays it."""
    return next((words for pattern, words in _CAUSES if re.search(pattern, text)), None)


def line(text: str = "") -> None:
    """A line of result."""
    print(text, flush=True)


def warn(text: str) -> None:
    """A line that is not an error, but must not be missed."""
    _screen.write(f"  warning: {text}")


def note(text: str) -> None:
    """A line of progress."""
    _screen.write(f"  {text}")


def span(seconds: float) -> str:
    """`7 s`, `3 min 05 s`."""
    whole = int(seconds + 0.5)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"


@dataclass(eq=False)
class Step:
    """A running step. `total` may be an estimate (`about`): then a count past it is shown alone."""

    title: str
    log: Path | None = None
    total: int | None = None
    about: bool = False
    unit: str = ""
    measure: Callable[[], int] | None = None
    done: int = 0
    note: str = ""
    began: float = field(default_factory=time.monotonic)
    beat: float = field(default_factory=time.monotonic)

    def advance(self, n: int = 1, note: str = "") -> None:
        self.done += n
        self.note = note or self.note

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def count(self) -> str:
        if self.measure:
            self.done = self.measure()
        if not self.done:
            return ""
        unit = f" {self.unit}" if self.unit else ""
        if not self.total or self.done > self.total:
            return f"{self.done}{unit}"
        return f"{self.done} of {'about ' if self.about else ''}{self.total}{unit}"

    def bar(self, width: int = 20) -> str:
        """A bar, where the total is known; an estimate never fills it."""
        if not self.total or self.done > self.total:
            return ""
        full = min(width * self.done // self.total, width - self.about)
        return f"[{'#' * full}{'.' * (width - full)}]"


class _Screen:
    """The one line at the bottom of a terminal, or a line each HEARTBEAT where there is none."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.steps: list[Step] = []
        self.live = False
        self.painted = False
        self.thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        with self.lock:
            self._wipe()
            print(text, file=sys.stderr, flush=True)

    def begin(self, step: Step) -> None:
        with self.lock:
            self.live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
            self.steps.append(step)
            if self.thread is None:
                self.thread = threading.Thread(target=self._tick, daemon=True)
                self.thread.start()

    def end(self, step: Step, verdict: str) -> None:
        with self.lock:
            self.steps.remove(step)
            where = f" (log: {step.log})" if verdict and step.log else ""
            self.write(f"  {step.title} ... {verdict}{span(step.elapsed)}{where}")

    def _wipe(self) -> None:
        if self.painted:
            print("\r\033[K", end="", file=sys.stderr)
            self.painted = False

    def _tick(self) -> None:
        while True:
            time.sleep(0.5)
            with self.lock:
                if self.steps and self.live:
                    self._paint(self.steps[-1])
                for step in [] if self.live else self.steps:
                    self._heartbeat(step)

    def _paint(self, step: Step) -> None:
        count = step.count()
        parts = [f"  {step.title}", step.bar(), count, span(step.elapsed), step.note]
        text = "  ".join(part for part in parts if part)
        self._wipe()
        print(text[: shutil.get_terminal_size().columns - 1], end="", file=sys.stderr, flush=True)
        self.painted = True

    def _heartbeat(self, step: Step) -> None:
        if time.monotonic() - step.beat < HEARTBEAT:
            return
        step.beat = time.monotonic()
        parts = [f"{span(step.elapsed)} so far", step.count(), step.note]
        self.write(f"  {step.title} ... " + ", ".join(part for part in parts if part))


_screen = _Screen()


@contextmanager
def step(title: str, *, log: Path | None = None, total: int | None = None, about: bool = False, unit: str = "",
         measure: Callable[[], int] | None = None) -> Iterator[Step]:
    """Show a step while its block runs, and one final line with the time it took."""
    running = Step(title, log, total, about, unit, measure)
    _screen.begin(running)
    try:
        yield running
    except KeyboardInterrupt:
        _screen.end(running, "interrupted after ")
        raise
    except BaseException:
        _screen.end(running, "FAILED after ")
        raise
    _screen.end(running, "")


_opened: set[Path] = set()


def _open_log(log: Path):
    """A log holds one run of our program: truncated at its first use, appended to afterwards."""
    log.parent.mkdir(parents=True, exist_ok=True)
    mode = "ab" if log in _opened else "wb"
    _opened.add(log)
    return open(log, mode)


def end_with_us(argv: Sequence[str | Path]) -> list[str]:
    """`argv`, run so that the kernel kills it when the thread that started it dies, however it dies."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *map(str, argv)]


def call(argv: Sequence[str | Path], *, log: Path, step: Step | None = None, cwd: Path | None = None,
         env: Mapping[str, str] | None = None, watch: Callable[[str], None] | None = None,
         title: str | None = None, shown: Sequence[str | Path] = ()) -> list[str]:
    """Run a process, its output into `log`; StepFailed when it fails. Returns its last lines.

    `watch` sees every line of output; `shown` stands in the log for a command
    that is wrapped. The process is in our process group, so that Ctrl-C
    reaches it too and `make` can remove what it had half written.
    """
    tail: deque[str] = deque(maxlen=TAIL)
    with _open_log(log) as out:
        out.write(f"$ {' '.join(map(str, shown or argv))}\n".encode())
        out.flush()
        # Leaving the `with` closes the pipe and waits.
        with subprocess.Popen(end_with_us(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, cwd=cwd, env=None if env is None else dict(env)) as process:
            try:
                for raw in process.stdout or ():
                    out.write(raw)
                    text = raw.decode(errors="replace").rstrip()
                    tail.append(text)
                    if watch:
                        watch(text)
                out.flush()
                status = process.wait()
            except BaseException as cause:
                _stop(process, polite=isinstance(cause, KeyboardInterrupt))
                if isinstance(cause, OSError):
                    raise Refusal(f"Cannot write {log}: {cause.strerror}. {explain(str(cause)) or ''}") from cause
                raise
    if status:
        name = title or (step.title if step else " ".join(map(str, (shown or argv)[:3])))
        raise StepFailed(name, log, _telling(list(tail)))
    return list(tail)


def _stop(process: subprocess.Popen, *, polite: bool) -> None:
    """End the process: after Ctrl-C it has had the signal itself and is given time to tidy up."""
    try:
        if polite:
            process.wait(timeout=5)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    if process.poll() is None:
        process.kill()
        process.wait()


def _telling(tail: list[str]) -> list[str]:
    """The lines from the first error on, when there is one; else the last ten."""
    for at, text in enumerate(tail):
        if re.search(r"\berror(\[E\d+\])?:|^E: |\*\*\* |fatal:|No space left", text):
            return tail[at:][:SHOWN]
    return tail[-10:]

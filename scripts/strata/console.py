# SPDX-License-Identifier: GPL-2.0
"""Kernel reports out of a console's text: what was said, of which kind, about which locks.

A report begins at its headline (or at the fence before it) and ends where its
stack trace does.  Reports of several CPUs may overlap: with CONFIG_PRINTK_CALLER
their lines are told apart; without it a line belongs to the report that began
last and has not ended, so that every report is found, if with a mixed text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from . import lockdep


@dataclass
class Report:
    """One thing that the kernel complained about.

    `want`, `held` and `chain` name lock classes, for lockdep's reports:
    the lock that was to be taken, the one that stood in its way, and the
    existing dependencies in the order in which lockdep prints them.
    A `consequence` only follows from a report before it.
    """

    kind: str
    title: str
    text: str
    want: str | None = None
    held: str | None = None
    chain: list[str] = field(default_factory=list)
    consequence: bool = False

    def matches(self, asked: str) -> bool:
        """Whether `asked` is this report's kind or a part of its title."""
        return asked == self.kind or asked in self.title


# The kinds and the headlines by which they are known.  All of them begin their
# line, where a program's message that quotes one does not.  The first that
# matches counts.
HEADLINES = (
    ("circular", r"WARNING: possible circular locking dependency detected"),
    ("recursive", r"WARNING: possible recursive locking detected"),
    ("inconsistent", r"WARNING: inconsistent lock state"),
    ("irq-inversion", r"WARNING: possible irq lock inversion dependency detected"),
    ("irq-inversion", r"WARNING: \S+-safe -> \S+-unsafe lock order detected"),
    ("wait-context", r"\[ BUG: Invalid wait context \]"),
    ("nested-not-taken", r"WARNING: Nested lock was not taken"),
    ("unbalanced", r"WARNING: bad (?:unlock balance|contention) detected!"),
    ("held-freed", r"WARNING: held lock freed!"),
    ("held-at-exit", r"WARNING: lock held when returning to user space!"),
    ("held-at-exit", r"WARNING: \S+/\d+ still has locks held!"),
    ("held-at-exit", r"BUG: workqueue leaked atomic, lock or RCU:"),
    ("rcu", r"WARNING: suspicious RCU usage"),
    ("unregistered-key", r"BUG: key \S+ has not been registered!"),
    ("unregistered-key", r"INFO: trying to register non-static key"),
    ("lockdep", r"WARNING: chain_key collision|BUG: MAX_(?:STACK_TRACE|LOCK)\S* .*too low!"),
    ("lockdep-off", r"INFO: lockdep is turned off"),
    ("sleeping", r"BUG: sleeping function called from invalid context"),
    ("sleeping", r"BUG: scheduling (?:while atomic|in a non-blocking section)"),
    ("sleeping", r"BUG: assuming (?:atomic|non migratable) context"),
    ("kasan", r"BUG: KASAN: "),
    ("kfence", r"BUG: KFENCE: "),
    ("bad-page", r"BUG: (?:Bad (?:page|rss-counter)|non-zero pgtables_bytes)"),
    ("lockup", r"(?:watchdog: )?BUG: (?:soft lockup|workqueue lockup)"),
    ("lockup", r"watchdog: .*hard LOCKUP"),
    ("oops", r"BUG: (?:kernel NULL pointer|unable to handle)"),
    ("oops", r"Oops: |general protection fault|double fault:"),
    ("slab", r"BUG \S+ \((?:Not t|T)ainted"),
    ("slab", r"BUG: .*(?:slab|mempool)"),
    ("bug", r"kernel BUG at "),
    ("maple", r"(?:BUG|WARN) at \S+:\d+ \(\d+\)$"),
    ("bug", r"BUG: "),
    ("rust-panic", r"rust_kernel: panicked"),
    ("panic", r"Kernel panic - not syncing"),
    ("hung-task", r"INFO: task .* blocked for more than"),
    ("rcu-stall", r"rcu: INFO: .*(?:stall|starved)"),
    ("rcu-stall", r"INFO: rcu_\w+ .*stall"),
    ("kmemleak", r"kmemleak: \d+ new suspected memory leaks"),
    ("dma-api", r"DMA-API: (?:exceeded|.*out of memory)"),
    ("ubsan", r"UBSAN: "),
    ("list", r"list_(?:add|del) corruption"),
    ("oom", r"(?:Memory cgroup out|Out) of memory: Killed process"),
    ("alloc-failure", r".*: (?:page allocation failure: order:|vmalloc error: size )"),
    ("warn", r"WARNING: "),
)
# One expression for all: most lines are no headline, and that must be cheap to see.
HEADLINE = re.compile("|".join(f"({pattern})" for _, pattern in HEADLINES))

# A WARN or BUG block gets its kind from the message that precedes its headline.
MESSAGES = [(kind, re.compile(pattern)) for kind, pattern in (
    ("refcount", r"refcount_t: "),
    ("list", r"list_(?:add|del) corruption"),
    ("ubsan", r"UBSAN: "),
    ("dma-api", r"DMA-API: "),
    ("odebug", r"ODEBUG: "),
    ("rust-panic", r"rust_kernel: panicked"),
)]

KINDS = sorted({kind for kind, _ in HEADLINES} | {kind for kind, _ in MESSAGES})

# What a report of the first kind goes on to say, though it looks like another.
PARTS = {
    "oops": {"oops", "warn-block"},
    "bug": {"oops"},
    "list": {"warn-block", "bug", "oops"},
    "rust-panic": {"warn-block", "bug", "oops"},
    "unregistered-key": {"warn-block", "warn"},
    "slab": {"warn-block", "warn"},
}
# A panic that only carries out what an earlier report made necessary.
FOLLOWING = re.compile(r"Fatal exception|panic_on_|deadlocked on memory|Out of memory|: hung_task:|softlockup:")
SINGLE_LINE = {"lockdep-off", "kmemleak", "dma-api", "oom"}
FENCED = {"kasan", "kfence"}

PREFIX = re.compile(r"(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *([CT]\d+)\])? ?")
FENCE = re.compile(r"={20,}$")
CUT_HERE = "------------[ cut here ]------------"
END_TRACE = "---[ end trace"
END_STACK = re.compile(r" ?</TASK>$")
# What may follow a report's stack trace and is still of it.
AFTERMATH = re.compile(
    r"$|\s+#\d+: |\d+ locks? held by |no locks held by |Showing all locks held|Modules linked in:"
    r"|irq event stamp:|(?:hard|soft)irqs last |INFO: lockdep is turned off|Tainted: ")


class _Draft:
    """A report that is being read."""

    def __init__(self, kind: str, lead: list[str]) -> None:
        self.kind = kind
        self.lines = list(lead)
        self.headline = ""
        self.message: list[str] = []
        self.spoken = False
        self.traced = False

    def take_headline(self, kind: str, line: str) -> None:
        self.kind, self.headline = kind, line
        self.lines.append(line)

    def take_message(self, line: str) -> None:
        """Words between `cut here` and the headline, or the trace where there is none."""
        self.spoken = self.spoken or line.startswith("CPU: ")
        if not self.spoken:
            self.message.append(line)

    def report(self) -> Report:
        kind, title = self.kind, re.sub(r", CPU#\d+: .*$", "", self.headline)
        message = " ".join(line.strip() for line in self.message)
        kind = next((k for k, pattern in MESSAGES if pattern.match(message)), kind)
        if message:
            title = f"{message} ({title})" if title else message
        elif self.headline:
            title += _detail(kind, self.lines[self.lines.index(self.headline) + 1:])
        text = "\n".join(self.lines).strip("\n")
        want, held, chain = lockdep.classes(text)
        return Report("warn" if kind == "warn-block" else kind, title, text, want, held, chain)


def _detail(kind: str, lines: list[str]) -> str:
    """What the lines after the headline add to a title that says little alone."""
    if kind == "rcu":
        return next((f": {line}" for line in lines if re.match(r"\S+:\d+ .*!$", line)), "")
    if kind == "rust-panic":
        return f" {lines[0]}" if lines else ""
    return ""


class _Stream:
    """The console of one caller, or of all of them where printk names none."""

    def __init__(self) -> None:
        self.drafts: list[_Draft] = []
        self.open: list[_Draft] = []
        self._lead: list[str] = []

    def feed(self, line: str) -> None:
        draft = self.open[-1] if self.open else None
        if FENCE.match(line):
            self._fence(draft, line)
        elif line.startswith(CUT_HERE):
            self._begin("warn-block", line)
        elif kind := headline_kind(line):
            self._begin(kind, line)
        elif draft:
            self._continue(draft, line)
        else:
            self._lead = []

    def _fence(self, draft: _Draft | None, line: str) -> None:
        """A row of `=` closes KASAN's reports and opens most others."""
        if draft and draft.kind in FENCED:
            draft.lines.append(line)
            self.open.pop()
        elif draft and "Showing all locks held in the system:" in draft.lines:
            draft.lines.append(line)
            self.open.pop()
        else:
            self._lead = [line]

    def _begin(self, kind: str, line: str) -> None:
        while self.open and self.open[-1].traced and not AFTERMATH.match(line):
            self.open.pop()
        draft = self.open[-1] if self.open else None
        if draft and kind == "lockdep-off":
            draft.lines.append(line)
        elif draft and draft.kind == "warn-block":
            self._block(draft, kind, line)
        elif draft and kind in PARTS.get(draft.kind, ()):
            draft.lines.append(line)
        else:
            self._new(kind, line)

    def _block(self, draft: _Draft, kind: str, line: str) -> None:
        """A headline right after `cut here`: the block's own, or still its message."""
        if any(pattern.match(line) for _, pattern in MESSAGES):
            self._continue(draft, line)
        else:
            draft.take_headline(kind, line)

    def _new(self, kind: str, line: str) -> None:
        draft = _Draft(kind, self._lead)
        self._lead = []
        self.drafts.append(draft)
        if kind == "warn-block":
            draft.lines.append(line)
        else:
            draft.take_headline(kind, line)
        if kind not in SINGLE_LINE:
            self.open.append(draft)

    def _continue(self, draft: _Draft, line: str) -> None:
        if draft.traced and not AFTERMATH.match(line):
            self.open.pop()
            if self.open:
                self._continue(self.open[-1], line)
            return
        if draft.kind == "warn-block" and line.strip():
            draft.take_message(line)
        draft.lines.append(line)
        if line.startswith(END_TRACE):
            self.open.remove(draft)
        elif END_STACK.match(line) and not self._ends_otherwise(draft):
            draft.traced = True
        elif draft.kind == "held-at-exit" and re.match(r"\s+#0: ", line):
            draft.traced = True

    @staticmethod
    def _ends_otherwise(draft: _Draft) -> bool:
        """Whether more than a stack trace is to come: a fence, or an end marker."""
        return draft.kind in FENCED or CUT_HERE in draft.lines or draft.kind == "oops"


def headline_kind(line: str) -> str | None:
    found = HEADLINE.match(line)
    return HEADLINES[found.lastindex - 1][0] if found else None


def parse(text: str) -> list[Report]:
    """All reports of a console's text, in the order of their headlines."""
    streams: dict[str | None, _Stream] = {}
    order: list[_Draft] = []
    caller = None
    for raw in text.replace("\r", "").split("\n"):
        prefix = PREFIX.match(raw)
        if prefix:
            caller = prefix[1]
        stream = streams.setdefault(caller, _Stream())
        known = len(stream.drafts)
        stream.feed(raw[prefix.end():] if prefix else raw)
        order += stream.drafts[known:]
    return _marked([draft.report() for draft in order])


def _marked(reports: list[Report]) -> list[Report]:
    """Marks those which say nothing that an earlier one did not."""
    for number, report in enumerate(reports):
        if report.kind == "lockdep-off":
            report.consequence = number > 0
        if report.kind == "panic":
            report.consequence = number > 0 and bool(FOLLOWING.search(report.title))
    return reports


def cause(reports: list[Report]) -> Report | None:
    """What a kernel that panicked died of; None where it did not panic."""
    panics = [number for number, report in enumerate(reports) if report.kind == "panic"]
    if not panics:
        return None
    before = [report for report in reports[:panics[0] + 1] if not report.consequence]
    return before[-1]

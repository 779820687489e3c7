# SPDX-License-Identifier: GPL-2.0
"""KTAP results out of a program's output or a console's text.

The format is Documentation/dev-tools/ktap.rst, as KUnit prints it (nested by
indentation, behind printk's timestamps) and as the kselftest runner does
(TAP 13, the output of each program behind `# `).  A test that was planned and
has no result failed: that is what a crash looks like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .console import PREFIX

VERSION = re.compile(r"K?TAP version \d+")
PLAN = re.compile(r"1\.\.(\d+)(?:\s+#\s*(SKIP)\s*(.*))?$")
RESULT = re.compile(r"(ok|not ok)\s+(\d+)(?:\s+-)?(?:\s+(.*))?$")
SUBTEST = re.compile(r"# Subtest: (.*)")
BAIL_OUT = re.compile(r"Bail out!\s*(.*)")
# What follows an unescaped `#`: perhaps a directive, then words.
REMARK = re.compile(r"(.*?)(?:^|\s+)#\s*(?:(SKIP|TODO|XFAIL|TIMEOUT|ERROR)\b:?)?\s*(.*)$",
                    re.IGNORECASE)
# A level of nesting: the runner's `# ` before what is itself KTAP, or two spaces.
QUOTED = re.compile(r"# (?=(?:# )*\s*(?:K?TAP version|1\.\.\d|(?:not )?ok \d|# Subtest:))")

# What kselftest_harness.h says about each test besides its result.
PROGRESS = re.compile(r"(?:RUN|OK|FAIL|SKIP) +\S|(?:Starting|PASSED|FAILED|Totals):? ")


@dataclass(frozen=True)
class Test:
    """One result.  `status` is pass, fail or skip; `path` has the names of its suites."""

    name: str
    status: str
    detail: str
    path: str


@dataclass
class _Node:
    name: str
    status: str
    detail: str
    children: list["_Node"] = field(default_factory=list)


@dataclass
class _Level:
    """What was read so far at one depth of nesting."""

    results: list[_Node] = field(default_factory=list)
    planned: int | None = None
    name: str = ""
    notes: list[str] = field(default_factory=list)

    def completed(self) -> list[_Node]:
        """The results, with a failure for each planned one that is missing."""
        missing = range(len(self.results) + 1, (self.planned or 0) + 1)
        lost = [_Node(f"test {number}", "fail", f"no result; {self.planned} were planned")
                for number in missing]
        return self.results + lost


class _Reader:
    def __init__(self) -> None:
        self._levels: dict[int, _Level] = {}
        self._started = False
        # Why a plan is of nothing; the result that ends it says no more than that it was skipped.
        self._reason = ""
        self._top: list[_Node] = []

    def feed(self, line: str) -> None:
        depth, text = _depth(line)
        if VERSION.match(text):
            self._started = True
            self._close(depth)
        elif not self._started:
            return
        elif plan := PLAN.match(text):
            self._level(depth).planned = int(plan[1])
            self._reason = plan[3] or ""
        elif result := RESULT.match(text):
            self._result(depth, result)
        elif bail := BAIL_OUT.match(text):
            self._level(depth).results.append(_Node("bail out", "fail", bail[1]))
        elif subtest := SUBTEST.match(text):
            self._level(depth).name = subtest[1].strip()
        elif self._levels:
            self._note(text)

    def finish(self) -> list[_Node]:
        self._close(0)
        return self._top

    def _level(self, depth: int) -> _Level:
        return self._levels.setdefault(depth, _Level())

    def _note(self, text: str) -> None:
        """Diagnostics stand before the result that they explain, innermost first."""
        note = text.lstrip("# ").strip()
        if note and not PROGRESS.match(note):
            self._levels[max(self._levels)].notes.append(note)

    def _result(self, depth: int, match: re.Match[str]) -> None:
        children = self._take_below(depth)
        level = self._level(depth)
        node = _node(match, level.notes, children)
        if node.status == "skip" and not node.detail:
            node.detail = self._reason
        self._reason = ""
        level.notes = []
        level.results.append(node)

    def _take_below(self, depth: int) -> list[_Node]:
        """The results of deeper levels, which belong to the result that ends them."""
        for deeper in sorted((d for d in self._levels if d > depth), reverse=True):
            level = self._levels.pop(deeper)
            above = [d for d in self._levels if depth < d < deeper]
            if not above:
                return level.completed()
            self._adopt(self._levels[max(above)], level)
        return []

    def _close(self, depth: int) -> None:
        """Ends what was open at `depth` and below: a new run begins, or the text ended."""
        for deeper in sorted((d for d in self._levels if d >= depth), reverse=True):
            level = self._levels.pop(deeper)
            above = [d for d in self._levels if d < deeper]
            if above and deeper > depth:
                self._adopt(self._levels[max(above)], level)
            elif above:
                # Two documents in a row at one depth belong to the same result.
                self._levels[max(above)].results += level.completed()
            else:
                self._top += level.completed()

    @staticmethod
    def _adopt(above: _Level, level: _Level) -> None:
        """A level without the result that would have ended it: its suite did not end."""
        if level.results or level.planned:
            name = level.name or f"test {len(above.results) + 1}"
            above.results.append(_Node(name, "fail", "ended without a result", level.completed()))


def _depth(line: str) -> tuple[int, str]:
    depth = 0
    while quoted := QUOTED.match(line):
        depth, line = depth + 100, line[quoted.end():]
    text = line.lstrip(" \t")
    return depth + len(line) - len(text), text


def _node(match: re.Match[str], notes: list[str], children: list[_Node]) -> _Node:
    name = (match[3] or "").strip()
    status = "pass" if match[1] == "ok" else "fail"
    detail = ""
    if remark := REMARK.match(name):
        name, detail = remark[1], remark[3].strip()
        directive = (remark[2] or "").upper()
        if directive in ("SKIP", "TODO", "XFAIL"):
            status = "skip"
        if directive not in ("", "SKIP"):
            detail = f"{directive} {detail}".strip()
    elif status == "fail":
        detail = "; ".join(notes[-4:])
    return _Node(name or f"test {match[2]}", status, detail, children)


def _leaves(node: _Node, above: str) -> list[Test]:
    """The node's tests; the node itself where no test of it says that it failed."""
    path = f"{above}/{node.name}" if above else node.name
    tests = [test for child in node.children for test in _leaves(child, path)]
    explained = any(test.status == "fail" for test in tests)
    if not node.children or (node.status == "fail" and not explained):
        tests.append(Test(node.name, node.status, node.detail, path))
    return tests


def parse(text: str) -> list[Test]:
    """The tests in `text`, innermost ones only, in their order.

    Text without a KTAP or TAP version line holds none.
    """
    reader = _Reader()
    for raw in text.replace("\r", "").split("\n"):
        prefix = PREFIX.match(raw)
        reader.feed(raw[prefix.end():] if prefix else raw)
    return [test for node in reader.finish() for test in _leaves(node, "")]


def summary(tests: list[Test]) -> str:
    """`N passed, N failed`, and the skipped where there are any."""
    count = {status: sum(test.status == status for test in tests)
             for status in ("pass", "fail", "skip")}
    text = f"{count['pass']} passed, {count['fail']} failed"
    return f"{text}, {count['skip']} skipped" if count["skip"] else text

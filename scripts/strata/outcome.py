# SPDX-License-Identifier: GPL-2.0
"""What a check found out: the one shape in which every runner reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """One test's verdict.

    `detail` is what a reader needs first when it failed, `log` where the rest
    stands.  A skipped test says in `detail` why; it counts neither as passed
    nor as failed.
    """

    name: str
    passed: bool
    detail: str = ""
    log: Path | None = None
    skipped: bool = False

    def line(self) -> str:
        """One line for a person: verdict, name, and why if there is a why."""
        verdict = "skip" if self.skipped else "ok" if self.passed else "FAIL"
        text = f"{verdict:4} {self.name}"
        if self.detail and (self.skipped or not self.passed):
            text += f": {self.detail}"
        return text


def tally(outcomes: list[Outcome]) -> str:
    """The closing line: `N passed, N failed`, and the skipped where there are any."""
    skipped = sum(o.skipped for o in outcomes)
    passed = sum(o.passed and not o.skipped for o in outcomes)
    failed = len(outcomes) - passed - skipped
    text = f"{passed} passed, {failed} failed"
    return f"{text}, {skipped} skipped" if skipped else text

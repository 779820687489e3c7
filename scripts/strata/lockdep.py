# SPDX-License-Identifier: GPL-2.0
"""The lock classes in a lockdep report (the print functions of kernel/locking/lockdep.c)."""

from __future__ import annotations

import re

# `ffffffff82bde040 (fs_reclaim){+.+.}-{0:0}, at: f+0x1/0x2`; names hold parentheses
# themselves, as `((work_completion)(&pool->work))` does.
LOCK = r"\S* ?\((.+)\)\{[^}]*\}[^\n]*"

WANTED = (
    rf"is trying to acquire lock:\n{LOCK}",
    rf"is trying to acquire:\n{LOCK}",
    rf"is trying to lock:\n{LOCK}",
    rf"just changed the state of lock:\n{LOCK}",
    rf"\] takes:\n{LOCK}",
    r"is trying to (?:release|contend) lock \((.+)\) at:",
)
HELD = (
    rf"but task is already holding lock:\n{LOCK}",
    rf"and this task is already holding:\n{LOCK}",
    rf"but this lock took another, \S+ lock in the past:\n{LOCK}",
    rf"but this lock was taken by another, \S+ lock in the past:\n{LOCK}",
    rf"with a lock still held there!\n{LOCK}",
)
# Where the report names no lock that stands in the way, it is the innermost held.
STACK = re.compile(rf"^ *#\d+: {LOCK}", re.MULTILINE)
CHAIN = re.compile(r"^-> #\d+ \((.+)\)\{", re.MULTILINE)


def classes(text: str) -> tuple[str | None, str | None, list[str]]:
    """The class wanted, the class held, and the chain between them."""
    want = _first(WANTED, text)
    holding = STACK.findall(text)
    held = _first(HELD, text) or (holding[-1] if holding else None)
    return want, held, CHAIN.findall(text)


def _first(patterns: tuple[str, ...], text: str) -> str | None:
    found = (re.search(pattern, text) for pattern in patterns)
    return next((match[1] for match in found if match), None)

# SPDX-License-Identifier: GPL-2.0
"""Asking a guest's kmemleak for leaks (Documentation/dev-tools/kmemleak.rst)."""

from __future__ import annotations

import re

from .console import Report

# SLUB's per-CPU arrays of free objects (sheaves) keep the addresses of what was
# taken from them, and kmemleak takes those for references: most leaks would pass
# in silence.  A cache with a debug flag has no sheaves.
BOOT = "slab_debug=F"

# An object is reported when two scans found it unreferenced with its content
# unchanged, and when it is older than 5 s (jiffies_min_age in mm/kmemleak.c).
SCAN = """\
leaks=/sys/kernel/debug/kmemleak
grep -q slab_debug=F /proc/cmdline || exit 78
[ -e $leaks ] || exit 77
echo scan > $leaks || exit 76
sleep 6
echo scan > $leaks && cat $leaks
"""

REASONS = {
    78: f"this VM was booted without {BOOT}, so leaks would pass in silence",
    77: "this kernel has no kmemleak, so leaks would pass in silence",
    76: "kmemleak has switched itself off, so leaks would pass in silence",
}


def parse(text: str, status: int) -> list[Report]:
    """One Report for each leaked object; one too where no scan took place."""
    if status:
        title = REASONS.get(status, f"the kmemleak scan failed with status {status}")
        return [Report("kmemleak", title, text)]
    records = re.split(r"^(?=unreferenced object )", text, flags=re.MULTILINE)
    return [_report(record) for record in records if record.startswith("unreferenced object")]


def _report(record: str) -> Report:
    size = re.search(r"\(size (\d+)\)", record)
    task = re.search(r'comm "([^"]*)"', record)
    title = (f"kmemleak: unreferenced object of {size[1] if size else '?'} bytes, "
             f"allocated by {task[1] if task else '?'}")
    return Report("kmemleak", title, record.rstrip())

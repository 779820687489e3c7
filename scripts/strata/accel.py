# SPDX-License-Identifier: GPL-2.0
"""Which accelerator runs VMs on this machine: emulation, unless KVM has shown that it works.

That /dev/kvm exists says little: nested in another VM it may be missing what
it needs, or be slower and less exact than emulation.  So a kernel is really
booted with it, saved and restored, once for each boot of this machine.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

from . import paths
from .say import Refusal

ANSWERS = "kvm.json"
_lock = threading.Lock()


def choose(image: Path, probe: Callable[[], bool]) -> str:
    """`kvm` or `tcg`.  `probe` boots `image` with KVM and says whether it worked.

    $STRATA_ACCEL decides without a probe.
    """
    asked = os.environ.get("STRATA_ACCEL")
    if asked:
        if asked not in ("tcg", "kvm"):
            raise Refusal(f"STRATA_ACCEL is {asked}; it can be tcg or kvm.")
        return asked
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    return "kvm" if _answer(image, probe) else "tcg"


def _answer(image: Path, probe: Callable[[], bool]) -> bool:
    """The probe's result, remembered until this machine reboots or the image changes."""
    key = f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {image.stat().st_mtime_ns}"
    path = paths.make_cache() / ANSWERS
    with _lock, open(path.with_suffix(".lock"), "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        answers = _read(path)
        if key not in answers:
            answers = {k: v for k, v in answers.items() if k.split()[0] == key.split()[0]}
            answers[key] = probe()
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(answers, indent=1) + "\n")
            fresh.rename(path)
    return answers[key]


def _read(path: Path) -> dict[str, bool]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}

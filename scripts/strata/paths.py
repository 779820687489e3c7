# SPDX-License-Identifier: GPL-2.0
"""Where things stand: the repository, its build output, and the cache that outlives a clone."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def _user_home() -> Path:
    """The home of the person at the keyboard, so that `sudo make demo` and `make demo` share a cache."""
    try:
        if os.geteuid() == 0 and "SUDO_UID" in os.environ:
            return Path(pwd.getpwuid(int(os.environ["SUDO_UID"])).pw_dir)
    except (KeyError, ValueError):
        pass
    return Path.home()


def _cache() -> Path:
    if chosen := os.environ.get("STRATA_CACHE"):
        return Path(chosen).expanduser().resolve()
    return (_user_home() / ".cache" / "strata").resolve()


# Resolved, because the sysroot mounts both at their own absolute paths.
TOP = Path(__file__).resolve().parents[2]
OUT = TOP / "out"
CACHE = _cache()
LOGS = CACHE / "log"
CONFIG = TOP / "scripts" / "config"


def make_cache() -> Path:
    """Create the cache folder; the folders above it go to the user who called sudo, not to root."""
    missing = [p for p in (CACHE, *CACHE.parents) if not p.exists()]
    LOGS.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0 and "SUDO_UID" in os.environ:
        for path in missing:
            os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "-1")))
    return CACHE

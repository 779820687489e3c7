# SPDX-License-Identifier: GPL-2.0
"""Debian's archive as a place to download from: the host's apt with lists of our own.

Neither the host nor the sysroot ever learns of the suites named here, so
nothing can be installed from them; mirror, proxy, certificates and passwords
are the host's, and apt verifies what it fetches.
"""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import cache, host, paths, say


@dataclass(frozen=True)
class Package:
    name: str
    version: str


class Archive:
    """Some suites of the mirror, as they are now."""

    def __init__(self, *suites: str) -> None:
        self.suites = suites
        self.home = paths.make_cache() / "apt" / "-".join(suites)
        self.log = paths.LOGS / f"apt-{self.home.name}.log"

    def _options(self) -> list[str]:
        home = self.home
        settings = {
            "Dir::Etc::sourcelist": home / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": home / "state", "Dir::State::status": "/dev/null", "Dir::Cache": home / "cache",
            "APT::Architecture": "amd64", "APT::Architectures": "amd64", "Acquire::Languages": "none",
            # apt's own user cannot enter a cache below /root.
            "APT::Sandbox::User": "root",
        }
        return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]

    def update(self) -> None:
        """Fetch the lists."""
        codename = host.check_debian()
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        mirror = host.mirror(codename)
        lines = [f"deb [signed-by={host.KEYRING}] {mirror} {suite} main\n" for suite in self.suites]
        with cache.lock(f"apt-{self.home.name}", what="package lists"):
            (self.home / "sources.list").write_text("".join(lines))
            with say.step(f"Asking the mirror for its kernels ({', '.join(self.suites)})", log=self.log) as step:
                # An unreachable mirror is otherwise a warning, and the old lists are used.
                say.call(["apt-get", *self._options(), "-o", "APT::Update::Error-Mode=any", "update"],
                         log=self.log, step=step)

    def find(self, prefix: str, rest: str) -> list[Package]:
        """Every version of every package named `prefix` and then something that matches `rest` as a whole."""
        names = self._ask("pkgnames", prefix).split()
        names = [name for name in names if re.fullmatch(rest, name.removeprefix(prefix))]
        return parse_madison(self._ask("madison", *names)) if names else []

    def has(self, packages: Iterable[Package]) -> bool:
        """Whether our lists name all of these."""
        return set(packages) <= set(parse_madison(self._ask("madison", *(package.name for package in packages))))

    def _ask(self, *arguments: str) -> str:
        done = subprocess.run(["apt-cache", *self._options(), *arguments], check=False, capture_output=True, text=True)
        return done.stdout

    def download(self, packages: Iterable[Package], into: Path) -> None:
        """Download into an empty folder; apt checks every file against the signed lists."""
        wanted = [f"{package.name}={package.version}" for package in packages]
        uris = subprocess.run(["apt-get", *self._options(), "download", "--print-uris", *wanted], check=False,
                              capture_output=True, text=True).stdout
        size = sum(int(line.split()[2]) for line in uris.splitlines() if line.startswith("'"))

        def arrived() -> int:
            return sum(path.stat().st_size for path in into.rglob("*") if path.is_file()) >> 20

        host.need_space(size / 1e9 + 0.1, "The download of the kernel's packages")
        with say.step("Downloading the kernel's packages", log=self.log, total=(size >> 20) or None, unit="MiB",
                      measure=arrived) as step:
            say.call(["apt-get", "-q", *self._options(), "download", *wanted], log=self.log, step=step, cwd=into)


def parse_madison(text: str) -> list[Package]:
    """Packages of `apt-cache madison`: name | version | source."""
    rows = [[field.strip() for field in line.split("|")] for line in text.splitlines()]
    return list(dict.fromkeys(Package(row[0], row[1]) for row in rows if len(row) == 3))


def compare(a: str, b: str) -> int:
    """Debian's order of versions (deb-version(7)): negative, zero or positive as a is older, the same or newer."""
    epoch = [int(v.partition(":")[0]) if ":" in v else 0 for v in (a, b)]
    if epoch[0] != epoch[1]:
        return epoch[0] - epoch[1]
    return _compare_part(*(v.partition(":")[2] if ":" in v else v for v in (a, b)))


def _compare_part(a: str, b: str) -> int:
    """Alternate runs of non-digits (where `~` is before the end, letters before signs) and numbers.

    The hyphen before the revision takes part as a sign: it orders nothing
    differently among versions of one source package.
    """
    while a or b:
        runs = [re.match(r"(\D*)(\d*)(.*)", v, re.DOTALL) for v in (a, b)]
        texts = [[_weight(c) for c in run[1]] + [0] for run in runs]
        numbers = [int(run[2] or 0) for run in runs]
        for left, right in ((texts[0], texts[1]), (numbers[0], numbers[1])):
            if left != right:
                return -1 if left < right else 1
        a, b = (run[3] for run in runs)
    return 0


def _weight(sign: str) -> int:
    return -1 if sign == "~" else ord(sign) if sign.isalpha() else ord(sign) + 256


newest_first = functools.cmp_to_key(lambda a, b: compare(b, a))

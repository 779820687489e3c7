# SPDX-License-Identifier: GPL-2.0
"""Which kernels there are to be had: a version is never written down, it is chosen from what Debian offers.

The newest of the series is taken once and then kept in the cache, so that a
kernel does not change between two runs; `choose(role, again=True)` looks anew.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from . import archive, cache, paths, say
from .archive import Package

# The only place that names a series.
SERIES = {"stock": "7.2", "next": "7.3"}
BACKPORTS = "trixie-backports"

_FILE = "choices.json"
_STALE_DAYS = 30


class Gone(Exception):
    """The mirror no longer offers what was chosen."""


@dataclass(frozen=True)
class Choice:
    """A source package, and for a packaged kernel the name (ABI) of the binary packages made from it."""

    package: str
    version: str
    suite: str
    abi: str = ""
    chosen: float = 0.0

    @property
    def series(self) -> str:
        return self.package.removeprefix("linux-source-")


def choose(role: str, *, again: bool = False) -> Choice:
    """The source for `stock` or `next`: the one chosen before, else the newest that is offered now."""
    kept = _kept(role)
    if kept and not again:
        if time.time() - kept.chosen > _STALE_DAYS * 86400:
            day = time.strftime("%-d %B", time.localtime(kept.chosen))
            say.note(f"{role}: {kept.package} {kept.version} was chosen on {day}; "
                     "`scripts/run setup --update` looks for a newer one.")
        return kept
    choice = _newest_stock() if role == "stock" else _newest_next(choose("stock"))
    _keep(role, choice)
    return choice


def _newest_stock() -> Choice:
    suite = BACKPORTS
    offer = archive.Archive(suite)
    offer.update()
    source = pick_source(offer.find("linux-source-", r"\d+\.\d+"), SERIES["stock"])
    if source is None:
        raise say.Refusal(f"The mirror offers no kernel source at all in {suite}. Check that it carries {suite}.")
    choice = Choice(source.name, source.version, suite, chosen=time.time())
    if choice.series != SERIES["stock"]:
        say.warn(f"{suite} no longer offers Linux {SERIES['stock']}: using {source.name} {source.version}, "
                 "for which nothing was tested.")
    headers = offer.find(f"linux-headers-{choice.series}.", r"[^-]*-amd64")
    abi = [package.name for package in headers if package.version == source.version]
    if not abi:
        raise say.Refusal(f"{suite} has {source.name} {source.version} but no linux-headers package of that version: "
                          "the mirror is being updated. Try again in an hour.")
    return Choice(choice.package, choice.version, suite, abi[-1].removeprefix("linux-headers-"), choice.chosen)


def _newest_next(stock: Choice) -> Choice:
    """From experimental, or from unstable when the series has arrived there."""
    for suite in ("experimental", "sid"):
        offer = archive.Archive(suite)
        offer.update()
        sources = offer.find("linux-source-", r"\d+\.\d+")
        newer = [s for s in sources if archive.compare(s.name.rpartition("-")[2], stock.series) > 0]
        if source := pick_source(newer, SERIES["next"]):
            if source.name != f"linux-source-{SERIES['next']}":
                say.warn(f"{suite} does not offer Linux {SERIES['next']}: `next` is {source.name} {source.version}.")
            return Choice(source.name, source.version, suite, chosen=time.time())
    raise say.Refusal(f"Neither experimental nor sid offers a kernel source newer than {stock.series}: "
                      "there is no `next` kernel today.")


def pick_source(offered: list[Package], series: str) -> Package | None:
    """The newest version of `series`; when there is none, the newest of all."""
    wanted = [package for package in offered if package.name == f"linux-source-{series}"]
    return min(wanted or offered, key=lambda package: archive.newest_first(package.version), default=None)


def _kept(role: str) -> Choice | None:
    try:
        return Choice(**json.loads((paths.CACHE / _FILE).read_text())[role])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(role: str, choice: Choice) -> None:
    with cache.lock("choices"):
        file = paths.CACHE / _FILE
        try:
            choices = json.loads(file.read_text())
        except (OSError, ValueError):
            choices = {}
        choices[role] = vars(choice)
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(choices, indent=1) + "\n")
        fresh.replace(file)


def by_release(release: str) -> Choice:
    """The source of a Debian kernel by its `uname -r`, wherever Debian offers it today."""
    for suite in (BACKPORTS, "trixie", "sid", "experimental"):
        offer = archive.Archive(suite)
        offer.update()
        headers = offer.find(f"linux-headers-{release}", "")
        versions = {package.version for package in headers}
        for source in offer.find("linux-source-", r"\d+\.\d+"):
            if source.version in versions:
                return Choice(source.name, source.version, suite, release, time.time())
    raise say.Refusal(f"Debian offers no headers and source for Linux {release} (any more). Build for a kernel that it "
                      f"offers: `scripts/run setup stock` takes the newest of {BACKPORTS}.")

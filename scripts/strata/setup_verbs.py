# SPDX-License-Identifier: GPL-2.0
"""The verbs that prepare and tidy up: `setup`, `clean`, `kernel-tree`. Each takes its arguments, returns a status."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from . import cache, choice, host, kernels, paths, say
from .sysroot import Sysroot

_OLDEST = (7, 2)


def setup(arguments: list[str]) -> int:
    """setup [KERNEL..]: everything that a kernel needs, from nothing."""
    parser = argparse.ArgumentParser(prog="scripts/run setup", description=setup.__doc__)
    parser.add_argument("kernels", nargs="*", metavar="KERNEL", default=["stock"],
                        help=f"{', '.join(kernels.NAMES)} or all; stock when none is given")
    parser.add_argument("--update", action="store_true", help="take the newest version that Debian offers now")
    parser.add_argument("--boot", action="store_true", help="build `next` so far that it boots, not only for compiling")
    options = parser.parse_args(arguments)
    names = list(kernels.NAMES) if "all" in options.kernels else options.kernels
    if unknown := set(names) - set(kernels.NAMES):
        raise say.Refusal(f"There is no kernel `{min(unknown)}`; the kernels are {', '.join(kernels.NAMES)}, or all.")

    host.check_debian()
    host.need_root()
    Sysroot.get()
    if options.update:
        for role in ("stock", "next") if "next" in names else ("stock",):
            newest = choice.choose(role, again=True)
            say.line(f"{role}: {newest.package} {newest.version} from {newest.suite}")
    for name in names:
        say.line(kernels.get(name, boot=True if options.boot else None).describe())
    return 0


def clean(arguments: list[str]) -> int:
    """clean: what was built in this tree; the cache with its kernels stays unless it is named."""
    parser = argparse.ArgumentParser(prog="scripts/run clean", description=clean.__doc__)
    parser.add_argument("--cache", nargs="*", metavar="ENTRY",
                        help="delete from the cache what is outdated, or the entries named (sysroot, stock, ...)")
    parser.add_argument("--all", action="store_true", help=f"delete the whole cache, {paths.CACHE}")
    options = parser.parse_args(arguments)
    targets = [paths.OUT, paths.TOP / "rust" / "plan" / "target", *paths.TOP.glob("scripts/**/__pycache__")]
    touches_cache = options.all or options.cache is not None
    if any(path.exists() and not _ours(path) for path in [*targets, *([paths.CACHE] if touches_cache else [])]):
        host.need_root("to delete what root built")
    for path in targets:
        cache.remove(path)
    if options.all:
        _delete("the cache", _entries(None), whole=True)
    elif options.cache:
        for name in options.cache:
            found = _entries(name)
            if not found:
                raise say.Refusal(f"The cache {paths.CACHE} has no entry `{name}`.")
            _delete(name, found)
    elif options.cache is not None:
        gone = cache.prune()
        say.line(f"Outdated entries deleted from {paths.CACHE}: {len(gone)}.")
    return 0


def _ours(path: Path) -> bool:
    """Whether we may delete it: out/ is root's after a build that went through sudo."""
    if os.geteuid() == 0:
        return True
    owned = [path, *path.iterdir()] if path.is_dir() else [path]
    return all(item.lstat().st_uid == os.geteuid() for item in owned)


# What the cache consists of besides its entries. Nothing else is ever deleted.
_REST = ("apt", "lock", "log", "steps", "choices.json", "kvm.json", "kvm.lock")


def _entries(name: str | None) -> list[Path]:
    """Folders and links of the entry `name`, or of all."""
    folder = re.compile(rf"(\.new-)?{re.escape(name) if name else '.+'}-[0-9a-f]{{12}}")
    everything = paths.CACHE.iterdir() if paths.CACHE.is_dir() else ()
    return sorted(path for path in everything
                  if folder.fullmatch(path.name) or (path.is_symlink() and name in (None, path.name)))


def _delete(what: str, found: list[Path], *, whole: bool = False) -> None:
    if whole:
        found = [*found, *(paths.CACHE / name for name in _REST)]
    with say.step(f"Deleting {what}", total=len(found)) as step:
        for path in found:
            path.unlink() if path.is_symlink() or path.is_file() else cache.remove(path)
            step.advance(note=path.name)


def kernel_tree(arguments: list[str]) -> int:
    """kernel-tree [RELEASE]: a build tree with Rust metadata for a Debian kernel, the running one by default."""
    parser = argparse.ArgumentParser(prog="scripts/run kernel-tree", description=kernel_tree.__doc__)
    parser.add_argument("release", nargs="?", default=os.uname().release, help="as `uname -r` prints it")
    release = parser.parse_args(arguments).release
    check_release(release)
    own = Path("/lib/modules") / release / "build"
    if (own / "rust" / "libkernel.rmeta").exists():
        say.line(f"{own} has its Rust metadata: build with\n    make KDIR={own}")
        return 0
    host.check_debian()
    host.need_root()
    say.note(f"The headers of Linux {release} carry no Rust metadata: "
             "putting a tree together from Debian's source package.")
    kernel = kernels.packaged(release)
    say.line(kernel.describe())
    say.line(f"Build with\n    make KDIR={kernel.build}\n"
             f"and with the compilers that built it ({kernel.config.get('RUSTC_VERSION_TEXT', 'rustc')}, "
             f"{kernel.config.get('CC_VERSION_TEXT', 'gcc')}): Debian 13's own, or those in\n    {Sysroot.get().root}")
    return 0


def sysroot(arguments: list[str]) -> int:
    """sysroot [--add DIR] -- COMMAND: run a command with the compilers that Debian built its kernel with."""
    parser = argparse.ArgumentParser(prog="scripts/run sysroot", description=sysroot.__doc__)
    parser.add_argument("--add", action="append", default=[], type=Path, metavar="DIR",
                        help="a folder that the command needs, at its own path; this tree, the cache and the "
                        "current folder are there")
    parser.add_argument("command", nargs="+", help="the command; put -- before it")
    options = parser.parse_args(arguments)
    if missing := [str(path) for path in options.add if not path.is_dir()]:
        raise say.Refusal(f"There is no folder {missing[0]}.")
    here = Path.cwd()
    return Sysroot.get().binding(here, *options.add).run(options.command, cwd=here, check=False).returncode


def check_release(release: str) -> None:
    """Refuse a kernel that is too old before anything is downloaded for it."""
    match = re.match(r"(\d+)\.(\d+)", release)
    if not match:
        raise say.Refusal(f"`{release}` is not the release of a kernel, as `uname -r` prints it.")
    if (int(match[1]), int(match[2])) < _OLDEST:
        raise say.Refusal(f"Linux {release} is too old: Strata needs {_OLDEST[0]}.{_OLDEST[1]} or newer, with "
                          f"CONFIG_RUST=y. On Debian 13, {choice.BACKPORTS} has one "
                          f"(apt install -t {choice.BACKPORTS} linux-image-amd64); `make demo` and "
                          "`make shell` boot one in QEMU on any Debian.")

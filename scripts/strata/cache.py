# SPDX-License-Identifier: GPL-2.0
"""Cached entries that are whole or absent, whatever kills us.

An entry is the folder CACHE/<name>-<key>, the key a digest of all that decides
its content. It is finished when it holds the stamp `.ready`. There are two
ways to make one:

`build()`  for what does not know its own path (a sysroot, an unpacked source):
           made in CACHE/.new-<name>-<key> and renamed when complete. A killed
           build leaves only that folder, which the next one removes.
`grow()`   for kernel build trees, which carry absolute paths in their .cmd
           files and so cannot be renamed: made in place, the stamp written
           last. A killed build has no stamp and make continues it, after
           `drop_torn` removed what was being written when it died.

One lock per entry keeps two runs apart; CACHE/<name> is a symbolic link to the
entry in use, for people and for `prune`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import paths, say

READY = ".ready"
_NEW = ".new-"

# What may be half written. A kill tears the files that were open; a machine that
# went down loses what was not flushed, which the kernel does after at most 30 s
# (dirty_expire_centisecs) and the flusher's 5 s.
TORN_BY_KILL = 10
TORN_BY_CRASH = 40
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Entry:
    name: str
    key: str

    @property
    def path(self) -> Path:
        return paths.CACHE / f"{self.name}-{self.key}"

    @property
    def ready(self) -> bool:
        return self.stage_ready(READY)

    def stage_ready(self, stage: str) -> bool:
        return (self.path / stage).is_file()

    @contextmanager
    def lock(self) -> Iterator[None]:
        with lock(f"{self.name}-{self.key}", what=self.name):
            yield

    @contextmanager
    def build(self) -> Iterator[Path]:
        """Yield an empty folder; when the block ends well it becomes the entry. Call with `lock` held."""
        fresh = self.path.with_name(_NEW + self.path.name)
        remove(fresh)
        remove(self.path)
        with full_disk_is_a_sentence():
            fresh.mkdir(parents=True)
            yield fresh
            _stamp(fresh / READY)
            fresh.rename(self.path)
        self.publish()

    @contextmanager
    def grow(self, stage: str = READY) -> Iterator[Path]:
        """Yield the entry's own folder, perhaps half filled by a killed run; stamp it when the block ends well.

        A tree may have stages (prepared, then built), each with its stamp.
        Call with `lock` held.
        """
        working = self.path / f"{stage}.working"
        with full_disk_is_a_sentence():
            self.path.mkdir(parents=True, exist_ok=True)
            if working.exists():
                same_boot = working.read_text() == _BOOT_ID.read_text()
                drop_torn(self.path, TORN_BY_KILL if same_boot else TORN_BY_CRASH)
            working.write_text(_BOOT_ID.read_text())
            yield self.path
            _stamp(self.path / stage)
            working.unlink()
        self.publish()

    def publish(self) -> None:
        """Point CACHE/<name> here."""
        link = paths.CACHE / self.name
        if link.is_symlink() and os.readlink(link) == self.path.name:
            return
        fresh = link.with_name(f"{_NEW}link-{self.name}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.path.name)
        fresh.replace(link)


def entry(name: str, key_parts: Sequence[str | bytes]) -> Entry:
    """The entry `name` for exactly these inputs."""
    digest = hashlib.sha256()
    for part in key_parts:
        data = part.encode() if isinstance(part, str) else part
        # The length keeps ("ab", "c") and ("a", "bc") apart.
        digest.update(b"%d:" % len(data) + data)
    return Entry(name, digest.hexdigest()[:12])


@contextmanager
def lock(name: str, *, what: str | None = None, at: Path | None = None) -> Iterator[None]:
    """Hold the lock `name`; a second process waits and says for whom."""
    path = at or paths.make_cache() / "lock" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say.note(f"Process {file.read().strip() or '?'} is preparing {what or name}: waiting for it.")
            with say.step(f"Waiting for {what or name}"):
                fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def drop_torn(tree: Path, seconds: float) -> list[Path]:
    """Remove the files that a killed build wrote last: make would take a torn one for finished.

    Measured from the newest file and not from now, since the build may have
    died long ago. What kconfig writes is kept: it does so by renaming, and
    without it make would start from nothing.
    """
    files = [(os.lstat(path).st_mtime, path) for path in _files(tree)]
    newest = max((time for time, _ in files), default=0.0)
    torn = [path for time, path in files if time > newest - seconds]
    for path in torn:
        path.unlink()
    return torn


_RENAMED = (".config", "autoconf.h", "rustc_cfg")


def _files(tree: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(tree):
        for name in names:
            path = Path(folder) / name
            kept = name in _RENAMED or name.endswith((".working", READY)) or "include/config" in folder
            if not kept and not path.is_symlink():
                yield path


def _stamp(path: Path) -> None:
    """Write a stamp that a power cut cannot bring to disk before what it vouches for."""
    os.sync()
    with open(path, "w") as file:
        file.write("complete\n")
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def full_disk_is_a_sentence() -> Iterator[None]:
    """Turn ENOSPC of our own writes into the sentence that the tools' failures get."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise say.Refusal(f"{error.strerror}: {error.filename or paths.CACHE}. {say.explain('ENOSPC')}") from error


def remove(path: Path) -> None:
    """Delete a folder of the cache, never through a mount: a sysroot may have been entered by hand."""
    if not path.exists() and not path.is_symlink():
        return
    mounted = [at for at in _mount_points() if Path(at).is_relative_to(path)]
    if mounted:
        raise say.Refusal(f"Not deleting {path}: {mounted[0]} is mounted there. Unmount it (umount {mounted[0]}) "
                          "and run the same command again.")
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(path)], check=True)


def _mount_points() -> list[str]:
    with open("/proc/self/mountinfo") as file:
        return [text.split()[4].encode().decode("unicode_escape") for text in file]


def outdated() -> list[Path]:
    """Entries that no link points to, and what killed builds left behind."""
    if not paths.CACHE.is_dir():
        return []
    everything = list(paths.CACHE.iterdir())
    links = {path.name: os.readlink(path) for path in everything if path.is_symlink()}
    old = []
    for path in everything:
        name, dash, key = path.name.rpartition("-")
        if path.is_symlink() or not dash or len(key) != 12:
            continue
        if path.name.startswith(_NEW) or (name in links and links[name] != path.name):
            old.append(path)
    return sorted(old)


def prune() -> list[Path]:
    """Delete what `outdated` names, leaving alone what another process is building."""
    gone = []
    for path in outdated():
        with lock(path.name.removeprefix(_NEW), what=path.name):
            remove(path)
        gone.append(path)
    return gone

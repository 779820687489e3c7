# SPDX-License-Identifier: GPL-2.0
"""A Debian trixie that holds the compilers Debian built its kernel with, and a way to run things in it.

Everything runs in a mount and PID namespace of its own: nothing needs to be
unmounted, and nothing that was started in there survives us.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import cache, host, paths, say

SUITE = "trixie"

_PACKAGES = (
    # the kernel's own build: gcc for Debian's configuration, LLVM for the debug
    # one (KASAN with Rust needs clang), and what its Makefiles call
    "build-essential bc bison flex gawk perl-base python3 kmod cpio rsync xz-utils zstd libelf-dev libssl-dev pahole "
    "clang lld llvm rustc rust-src bindgen "
    # checks of the sources, and tests of the pure crate on the host
    "rust-clippy rustfmt cargo librust-proptest-dev "
    # user space of the test machines
    "busybox-static"
).split()

_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "LC_ALL": "C.UTF-8"}

# $1 root, $2 folder to be in, then the folders to mount up to --, then the
# command. /tmp is mounted first, since a clone may stand there. The last
# command is not exec'ed: the shell stays as the namespace's first process and
# reaps the orphans.
_ENTER = r"""
root=$1 dir=$2; shift 2
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp" &&
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" || exit 125
while [ "$1" != -- ]; do
	mkdir -p "$root$1" && mount --bind "$1" "$root$1" || exit 125
	shift
done
shift
chroot "$root" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$dir" "$@"
"""


def _key() -> list[str]:
    return [SUITE, *_PACKAGES]


@dataclass(frozen=True)
class Sysroot:
    root: Path
    key: str
    extra: tuple[Path, ...] = field(default=())

    @staticmethod
    def get() -> Sysroot:
        """The sysroot, made when it is not there, on a host that has what the rest of us calls."""
        entry = cache.entry("sysroot", _key())
        if not entry.ready or host.missing_packages():
            codename = host.check_debian()
            host.need_root()
            host.install_packages()
            with entry.lock():
                if not entry.ready:
                    _make(entry, codename)
        return Sysroot(entry.path, entry.key)

    def path(self, inside: str | Path) -> Path:
        """Where a file of the sysroot stands on the host."""
        return self.root / str(inside).lstrip("/")

    def binding(self, *folders: Path) -> Sysroot:
        """The same sysroot with more folders mounted at their own paths."""
        return Sysroot(self.root, self.key, (*self.extra, *(folder.resolve() for folder in folders)))

    def command(self, argv: Sequence[str | Path], cwd: Path | None = None,
                env: Mapping[str, str] | None = None) -> list[str]:
        """The command line that runs `argv` in here; TOP and CACHE keep their paths, so others do too."""
        folders = [paths.TOP, paths.make_cache(), *self.extra]
        if cwd and not any(cwd.is_relative_to(folder) for folder in folders):
            folders.append(cwd)
        assigned = [f"{key}={value}" for key, value in {**_ENV, **(env or {})}.items()]
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--", "/bin/sh", "-c", _ENTER, "sysroot",
                str(self.root), str(cwd or "/"), *map(str, dict.fromkeys(folders)), "--",
                "env", "-i", *assigned, *map(str, argv)]

    def run(self, argv: Sequence[str | Path], *, cwd: Path | None = None, log: Path | None = None,
            env: Mapping[str, str] | None = None, check: bool = True, capture: bool = False,
            step: say.Step | None = None, watch: Callable[[str], None] | None = None,
            title: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in the sysroot.

        With `log`, its output goes there and StepFailed is raised on failure
        (unless not `check`). With `capture`, it is in the result. With
        neither, it is ours.
        """
        host.need_root("to enter the sysroot")
        command, shown = self.command(argv, cwd, env), list(map(str, argv))
        if log is not None and not capture:
            try:
                tail = say.call(command, log=log, step=step, watch=watch, title=title, shown=shown)
            except say.StepFailed as error:
                if check:
                    raise
                return subprocess.CompletedProcess(shown, 1, "\n".join(error.tail))
            return subprocess.CompletedProcess(shown, 0, "\n".join(tail))
        done = subprocess.run(say.end_with_us(command), check=False, text=True, capture_output=capture,
                              stdin=subprocess.DEVNULL if capture else None)
        done.args = shown
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(done.stdout + done.stderr)
        if check and done.returncode:
            detail = (done.stderr.strip() or done.stdout.strip())[-2000:] if capture else ""
            raise say.Refusal(f"`{' '.join(shown[:4])}` failed in the sysroot (status {done.returncode})"
                              f"{': ' + detail if detail else '.'}")
        return done


def _make(entry: cache.Entry, codename: str) -> None:
    host.need_space(2.4, "The sysroot with Debian's kernel compilers")
    mirror = host.mirror(codename)
    log = paths.LOGS / "sysroot.log"
    options = [f"--aptopt={option}" for option in host.reach_options()]
    # Passwords for the mirror stay where they are: apt reads the host's file.
    options += ['--aptopt=Dir::Etc::netrc "/etc/apt/auth.conf"', '--aptopt=Dir::Etc::netrcparts "/etc/apt/auth.conf.d"']
    # Documentation is a fifth of the unpacking, and nobody reads it in there.
    options += [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale", "info")]
    if mirror.startswith(("file:", "copy:")):
        options.append("--hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount")
    sources = [f"deb [signed-by={host.KEYRING}] {mirror} {suite} main" for suite in (SUITE, f"{SUITE}-updates")]
    with say.step(f"Making the sysroot (Debian {SUITE} with the kernel's compilers)", log=log) as step, \
            entry.build() as fresh:
        def watch(text: str) -> None:
            if text.startswith("I: "):
                step.note = text[3:].rstrip(".")

        # In namespaces of its own for the same reason as `run`.
        say.call(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
                  "mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase",
                  f"--include={','.join(_PACKAGES)}", *options, SUITE, fresh, *sources],
                 log=log, step=step, watch=watch, env=_with_sbin())


def _with_sbin() -> dict[str, str]:
    """Our environment with the sbin folders, which `su` without `-` leaves out."""
    return {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}

# SPDX-License-Identifier: GPL-2.0
"""Our modules, built in the sysroot for one of our kernels, and proven to fit it before any insmod.

Output goes to out/<kernel>, logs to out/log. A build for a kernel that is not
ours (`make KDIR=`) is the Makefile's business and does not come through here.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import cache, kernels, paths, say
from .kernels import Kernel
from .sysroot import Sysroot

LOGS = paths.OUT / "log"
SAMPLES = ("strata_pool", "strata_vbind")
_CORPUS = paths.TOP / "tests" / "lockdep"


def args(kernel: Kernel, *, source: Path = paths.TOP, out: Path | None = None) -> list[str]:
    """The command line that runs Kbuild on `source` for this kernel, without targets."""
    return ["make", "-C", str(kernel.build), f"M={source}", f"MO={out or paths.OUT / kernel.name}",
            f"-j{os.cpu_count()}", *kernel.make_args]


def out(kernel: Kernel) -> Path:
    """Where the modules for this kernel are built."""
    return paths.OUT / kernel.name


def tests(kernel: Kernel) -> list[str]:
    """What Kbuild is told so that everything is built which tests on this kernel load or look at."""
    kunit = ["STRATA_DOCTESTS=y"] if kernel.config.get("KUNIT") == "y" else []
    return ["STRATA_TESTS=y", "STRATA_BENCH=y", "STRATA_ARGS=y", *kunit]


def loadable(folder: Path) -> list[Path]:
    """What a user loads, in order: the library, then the samples."""
    return [folder / f"{name}.ko" for name in ("strata", *SAMPLES)]


def build(kernel: Kernel, *, targets: Sequence[str] = (), extra: Sequence[str] = ()) -> Path:
    """Build the modules (or the given targets) and return the folder they are in."""
    folder = out(kernel)
    _kbuild(kernel, paths.TOP, folder, f"Building the modules for {kernel.name}", f"modules-{kernel.name}",
            [*extra, *(targets or ["modules"])])
    check_fit(kernel, folder)
    return folder


def corpus(kernel: Kernel, *, extra: Sequence[str] = ()) -> Path:
    """Build the corpus of violations, which is a module tree of its own."""
    out = paths.OUT / f"{kernel.name}-lockdep"
    _kbuild(kernel, _CORPUS, out, f"Building the lockdep corpus for {kernel.name}", f"lockdep-{kernel.name}",
            [*extra, "modules"])
    check_fit(kernel, out)
    return out


def clippy(kernel: Kernel, *, extra: Sequence[str] = ()) -> Path:
    """Build with clippy in rustc's place, with every warning an error; returns the log."""
    name = f"clippy-{kernel.name}"
    _kbuild(kernel, paths.TOP, paths.OUT / name, f"Running clippy for {kernel.name}", name,
            ["CLIPPY=1", "W=e", *extra, "modules"])
    return LOGS / f"{name}.log"


def _kbuild(kernel: Kernel, source: Path, out: Path, title: str, name: str, arguments: Iterable[str]) -> None:
    log = LOGS / f"{name}.log"
    out.mkdir(parents=True, exist_ok=True)
    with cache.lock(out.name, what=f"out/{out.name}", at=out / ".lock"), say.step(title, log=log) as step:
        def watch(text: str) -> None:
            # Kbuild's short form of a command, e.g. "  CC [M]  rust/helpers/page.o".
            if text.startswith("  ") and text[2:3].isupper():
                step.note = text.split()[-1]

        Sysroot.get().run([*args(kernel, source=source, out=out), *arguments], log=log, step=step, title=title,
                          watch=watch)


def check_fit(kernel: Kernel, out: Path) -> None:
    """Refuse modules that this kernel would refuse: another release, or symbols that it does not export."""
    modules = sorted(path for path in out.rglob("*.ko"))
    for module in modules:
        release = _vermagic(module)
        if release != kernel.release:
            raise say.Refusal(f"{module} was built for Linux {release}, and the {kernel.name} kernel is "
                              f"{kernel.release}. Delete {out} and build again.")
    check_symbols(kernel, out, modules)


def _vermagic(module: Path) -> str:
    _, _, rest = module.read_bytes().partition(b"\0vermagic=")
    return rest.partition(b" ")[0].decode(errors="replace")


def check_symbols(kernel: Kernel, out: Path, modules: Sequence[Path]) -> None:
    """Compare every symbol that the modules import with what the kernel, or one of them, exports.

    A Rust symbol carries a hash of its crate, so this finds metadata of
    another compiler or configuration. A tree that was only prepared has no
    list of exports, and nothing is loaded there.
    """
    symvers = kernel.build / "Module.symvers"
    if not modules or not symvers.exists():
        return
    exported = exports(symvers.read_text()) | exports((out / "Module.symvers").read_text())
    listing = Sysroot.get().run(["nm", "-A", "-P", "--undefined-only", *modules], capture=True).stdout
    if lacking := unresolved(listing, exported):
        raise say.Refusal(_mismatch(kernel, lacking))


def exports(symvers: str) -> set[str]:
    """Names in a Module.symvers: checksum, symbol, module, kind, namespace."""
    return {fields[1] for line in symvers.splitlines() if len(fields := line.split("\t")) > 1}


def unresolved(listing: str, exported: set[str]) -> dict[str, list[str]]:
    """Module -> imported symbols that nobody exports, from `nm -A -P`; weak ones may stay unresolved."""
    lacking: dict[str, list[str]] = {}
    for line in listing.splitlines():
        module, _, rest = line.rpartition(": ")
        name, kind = rest.split()[:2]
        if kind == "U" and name not in exported:
            lacking.setdefault(Path(module).name, []).append(name)
    return lacking


def _mismatch(kernel: Kernel, lacking: dict[str, list[str]]) -> str:
    names = sorted({name for found in lacking.values() for name in found})
    # v0 mangling, the only one in the kernel.
    rust = [name for name in names if name.startswith("_R")]
    shown = "".join(f"\n    {name}" for name in names[:10]) + ("\n    ..." if len(names) > 10 else "")
    text = (f"{', '.join(sorted(lacking))}: {len(names)} imported symbols are not exported by the {kernel.name} kernel "
            f"({kernel.release}), so insmod would fail:{shown}")
    if rust:
        text += ("\nRust symbols carry a hash of the crate they are from: the Rust metadata in the build tree is not "
                 f"that of the kernel. Delete {kernel.build.parent} and set it up again.")
    return text


def main(arguments: Sequence[str]) -> int:
    """modules: the library and the samples, for one of our kernels."""
    parser = argparse.ArgumentParser(prog="scripts/run modules", description=main.__doc__)
    parser.add_argument("--kernel", choices=kernels.NAMES, default="stock", help="which (default: stock)")
    folder = build(kernels.get(parser.parse_args(arguments).kernel))
    for module in loadable(folder):
        say.line(str(module))
    return 0

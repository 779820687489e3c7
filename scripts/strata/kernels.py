# SPDX-License-Identifier: GPL-2.0
"""The kernels that modules are built for and run on.

    stock  Debian's own image and modules; its build tree is put together from
           the source package and the configuration and exports of the headers
           package, since Debian ships no Rust metadata
    debug  the same source with every checker (scripts/config/debug.config)
    next   the next series, configured like debug: prepared for compile
           checks, built on demand
    uml    the same source as a user-mode program (scripts/config/uml.config)
    native the same without checkers, for what is measured in time
           (scripts/config/native.config)

`get(name)` returns a kernel that is ready, after whatever that takes.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from . import archive, cache, host, kconfig, paths, say
from .archive import Package
from .choice import Choice, Gone, by_release, choose
from .sysroot import Sysroot

NAMES = ("stock", "debug", "next", "uml", "native")

_PREPARED = ".prepared"

@dataclass(frozen=True, eq=False)
class Kernel:
    name: str
    release: str
    version: str
    source: Path
    build: Path
    image: Path | None
    modroot: Path | None
    llvm: bool
    make_args: list[str] = field(default_factory=list)

    @property
    def config_text(self) -> str:
        return (self.build / ".config").read_text()

    @functools.cached_property
    def config(self) -> dict[str, str]:
        return kconfig.parse(self.config_text)

    def headers(self) -> Path:
        """KHDR: the folder whose usr/include holds this source's user-space headers."""
        return _headers(self)

    def describe(self) -> str:
        state = "built" if self.image else "prepared for compiling"
        compiler = "clang" if self.llvm else "gcc"
        return f"{self.name}: Linux {self.release} (Debian source {self.version}), {compiler}, {state}, {self.build}"


def get(name: str, *, boot: bool | None = None) -> Kernel:
    """The kernel `name`, set up where it is not.

    `boot` matters for `next` alone: without it the tree is only prepared, and
    the image is None. All others can be booted.
    """
    if name not in NAMES:
        raise say.Refusal(f"There is no kernel `{name}`; the kernels are {', '.join(NAMES)}.")
    try:
        return _get(name, boot)
    except Gone as gone:
        say.warn(f"The mirror no longer offers {gone}: taking the newest.")
        choose(_role(name), again=True)
        return _get(name, boot)


def _get(name: str, boot: bool | None) -> Kernel:
    if name == "stock":
        return _packaged("stock", choose("stock"))
    return _compiled(name, boot=name != "next" if boot is None else boot)


def _role(name: str) -> str:
    """Whose choice of a source this kernel is built from."""
    return "next" if name == "next" else "stock"


def packaged(release: str) -> Kernel:
    """A kernel of Debian by its `uname -r`, with a build tree that has its Rust metadata."""
    stock = choose("stock")
    if release == stock.abi:
        return get("stock")
    return _packaged("packaged", by_release(release))


def missing(config_text: str) -> list[str]:
    """Options of required.txt that a configuration lacks."""
    return kconfig.missing(config_text)


def check_config(kernel: Kernel) -> None:
    """Refuse a checking kernel that lacks one of its checkers: violations would pass in silence."""
    if lacking := missing(kernel.config_text):
        raise say.Refusal(f"The {kernel.name} kernel ({kernel.release}) lacks {', '.join(lacking)}, without which "
                          f"tests pass that should not. {paths.CONFIG / 'debug.config'} must ask for them, with "
                          "what they depend on.")


# --- the source ------------------------------------------------------------

def _source_entry(choice: Choice) -> cache.Entry:
    return cache.entry(f"source-{choice.series}", [choice.package, choice.version])


def _source(choice: Choice) -> Path:
    """The unpacked source package. Nothing is ever built in it."""
    entry = _source_entry(choice)
    with entry.lock():
        if not entry.ready:
            host.need_root()
            host.need_space(2.1, f"The source of Linux {choice.version}")
            with entry.build() as fresh:
                _download(choice, [choice.package], fresh / "deb")
                _unpack_source(next((fresh / "deb").glob("*.deb")), choice, fresh)
                cache.remove(fresh / "deb")
    return entry.path / "src"


def _download(choice: Choice, names: list[str], into: Path) -> None:
    """Download packages of the chosen version; Gone when the mirror has dropped it."""
    into.mkdir()
    offer = archive.Archive(choice.suite)
    wanted = [Package(name, choice.version) for name in names]
    if not offer.has(wanted):
        _refresh(offer, wanted)
    try:
        offer.download(wanted, into)
    except say.StepFailed:
        # Our lists may be older than the mirror.
        _refresh(offer, wanted)
        offer.download(wanted, into)


def _refresh(offer: archive.Archive, wanted: list[Package]) -> None:
    offer.update()
    if not offer.has(wanted):
        raise Gone(f"{wanted[0].name} {wanted[0].version}")


def _unpack_source(deb: Path, choice: Choice, into: Path) -> None:
    """Unpack the tarball within the package in one stream, counting its compressed bytes."""
    name = f"{choice.package}.tar.xz"
    log = paths.LOGS / f"source-{choice.series}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    outer = subprocess.Popen(say.end_with_us(["dpkg-deb", "--fsys-tarfile", deb]), stdout=subprocess.PIPE)
    with open(log, "wb") as errors, outer, tarfile.open(fileobj=outer.stdout, mode="r|") as package:
        member = next((m for m in package if m.name.endswith(f"/{name}")), None)
        if member is None:
            raise say.Refusal(f"{deb.name} holds no {name}: Debian changed its packaging.")
        stream = package.extractfile(member)
        with say.step(f"Unpacking {name}", log=log, total=member.size >> 20, unit="MiB",
                      measure=lambda: read >> 20) as step:
            inner = subprocess.Popen(say.end_with_us(["sh", "-c", "xz -dc -T0 | tar -x"]), cwd=into,
                                     stdin=subprocess.PIPE, stderr=errors)
            read = 0
            try:
                while chunk := stream.read(1 << 20):
                    inner.stdin.write(chunk)
                    read += len(chunk)
                inner.stdin.close()
            except BrokenPipeError:
                pass
            if inner.wait():
                raise say.StepFailed(step.title, log, log.read_text(errors="replace").splitlines()[-10:])
    (into / choice.package).rename(into / "src")


# --- kernels of Debian -----------------------------------------------------

def _packaged(name: str, choice: Choice) -> Kernel:
    sysroot = Sysroot.get()
    entry = cache.entry(name, [choice.version, choice.abi, sysroot.key])
    if not (entry.ready and _source_entry(choice).ready):
        source = _source(choice)
        with entry.lock():
            if not entry.ready:
                host.need_root()
                host.need_space(1.2, f"The packages and the build tree of Linux {choice.abi}")
                with entry.grow() as tree:
                    _make_packaged(tree, source, choice, sysroot, paths.LOGS / f"{name}.log")
    modroot = next((entry.path / "img").glob("**/lib/modules/*/modules.order")).parent
    places = (modroot / "vmlinuz", entry.path / "img" / "boot" / f"vmlinuz-{choice.abi}")
    image = next(path for path in places if path.exists())
    return Kernel(name, modroot.name, choice.version, _source_entry(choice).path / "src", entry.path / "o",
                  image, modroot, llvm=False)


def _make_packaged(tree: Path, source: Path, choice: Choice, sysroot: Sysroot, log: Path) -> None:
    """Debian's packages unpacked, and a build tree that fits them."""
    packages, build = tree / "pkg", tree / "o"
    if not (packages / ".unpacked").exists():
        for folder in ("deb", "pkg", "img"):
            cache.remove(tree / folder)
        offered = archive.Archive(choice.suite).find(
            "linux-", f"(headers|base|binary|modules|image)-{re.escape(choice.abi)}")
        _download(choice, [p.name for p in offered if p.version == choice.version], tree / "deb")
        for deb in sorted((tree / "deb").glob("*.deb")):
            target = packages if deb.name.startswith("linux-headers") else tree / "img"
            say.call(["dpkg-deb", "-x", deb, target], log=log, title=f"Unpacking {deb.name}")
        cache.remove(tree / "deb")
        (packages / ".unpacked").touch()
    theirs = packages / "usr" / "src" / f"linux-headers-{choice.abi}"
    if kconfig.parse((theirs / ".config").read_text()).get("RUST") != "y":
        raise say.Refusal(f"Debian built Linux {choice.abi} without CONFIG_RUST: no Rust module can be loaded there.")

    build.mkdir(exist_ok=True)
    (build / ".config").write_bytes((theirs / ".config").read_bytes())
    _make(sysroot, source, build, ["olddefconfig"], f"Configuring as Debian's {choice.abi}", log)
    _make(sysroot, source, build, [f"-j{os.cpu_count()}", "modules_prepare"],
          "Building the kernel's Rust crates and host programs", log, steps="stock")
    for file in ("Module.symvers", "include/generated/utsrelease.h", "include/config/kernel.release"):
        (build / file).write_bytes((theirs / file).read_bytes())
    _verify(build, theirs)
    sysroot.run(["depmod", "-b", _depmod_base(tree / "img"), choice.abi], log=log, title="depmod")


def _depmod_base(image: Path) -> Path:
    return image / "usr" if (image / "usr" / "lib" / "modules").is_dir() else image


def _verify(build: Path, theirs: Path) -> None:
    """Prove that the rebuilt metadata describes Debian's binary: same configuration, same Rust symbols."""
    auto = "include/config/auto.conf"
    ours = (build / auto).read_text()
    if kconfig.parse(ours).get("RUST") != "y":
        raise say.Refusal("The kernel's configuration lost CONFIG_RUST: the sysroot's rustc or bindgen is not what "
                          f"this source asks for (`make rustavailable` in {build} says which).")
    if differ := kconfig.differences(ours, (theirs / auto).read_text()):
        shown = "\n    ".join(differ[:10])
        raise say.Refusal("The build tree is not configured as Debian's kernel was built:\n    " + shown +
                          "\nModules would not fit. Most likely Debian built it with newer compilers than the "
                          "sysroot's: `scripts/run clean --cache sysroot` has it made afresh.")
    exported = {line.split("\t")[1] for line in (build / "Module.symvers").read_text().splitlines()}
    rust = set()
    for file in (build / "rust").glob("exports_*_generated.h"):
        rust |= set(re.findall(r"EXPORT_SYMBOL_RUST_GPL\((\w+)\)", file.read_text()))
    if not rust or (unknown := rust - exported):
        shown = f"{len(unknown)} of {len(rust)}, for example {min(unknown)}" if rust else "no exports were generated"
        raise say.Refusal(f"The rebuilt Rust crates do not match Debian's kernel ({shown} are not exported by it): "
                          "Debian's rustc differs from the sysroot's. Modules would fail at insmod.")


# --- kernels that we compile -----------------------------------------------

@dataclass(frozen=True)
class _Recipe:
    fragment: str
    make_args: tuple[str, ...]
    targets: tuple[str, ...]
    image: str
    gigabytes: float
    checked: bool

    @property
    def text(self) -> str:
        return (paths.CONFIG / self.fragment).read_text()

    @property
    def options(self) -> str:
        """What decides the result: another comment or order in the fragment builds no other kernel."""
        return "\n".join(sorted(re.findall(r"^(?:# )?CONFIG_.*$", self.text, re.MULTILINE)))


# User-mode Linux loads modules without a GOT, which rustc has to be told.
_UML = ("ARCH=um", "KRUSTFLAGS=-Zdirect-access-external-data=yes")

_RECIPES = {
    "debug": _Recipe("debug.config", ("LLVM=1",), ("bzImage", "modules"), "arch/x86/boot/bzImage", 1.3, True),
    "next": _Recipe("debug.config", ("LLVM=1",), ("bzImage", "modules"), "arch/x86/boot/bzImage", 1.3, True),
    "uml": _Recipe("uml.config", _UML, ("all",), "linux", 0.8, False),
    "native": _Recipe("native.config", _UML, ("all",), "linux", 0.8, False),
}


def _compiled(name: str, *, boot: bool) -> Kernel:
    recipe = _RECIPES[name]
    choice = choose(_role(name))
    sysroot = Sysroot.get()
    entry = cache.entry(name, [choice.version, recipe.options, *recipe.make_args, sysroot.key])
    stage = cache.READY if boot else _PREPARED
    done = entry.ready or entry.stage_ready(stage)
    if not (done and _source_entry(choice).ready):
        source = _source(choice)
        with entry.lock():
            if not entry.ready and not entry.stage_ready(stage):
                host.need_root()
                host.need_space(recipe.gigabytes, f"The {name} kernel")
                _compile(name, recipe, entry, source, choice, sysroot, boot=boot)
    kernel = _as_built(name, recipe, entry, choice)
    if recipe.checked:
        check_config(kernel)
    return kernel


def _as_built(name: str, recipe: _Recipe, entry: cache.Entry, choice: Choice) -> Kernel:
    build = entry.path / "o"
    release = (build / "include" / "config" / "kernel.release").read_text().strip()
    modroot = entry.path / "mod" / "lib" / "modules" / release
    # A tree that is only prepared does not know the kernel's exports.
    lenient = [] if entry.ready else ["KBUILD_MODPOST_WARN=1"]
    return Kernel(name, release, choice.version, _source_entry(choice).path / "src", build,
                  build / recipe.image if entry.ready else None, modroot if entry.ready and modroot.is_dir() else None,
                  llvm="LLVM=1" in recipe.make_args, make_args=[*recipe.make_args, *lenient])


def _compile(name: str, recipe: _Recipe, entry: cache.Entry, source: Path, choice: Choice, sysroot: Sysroot, *,
             boot: bool) -> None:
    log = paths.LOGS / f"{name}.log"
    jobs = f"-j{os.cpu_count()}"
    args = list(recipe.make_args)
    if not entry.stage_ready(_PREPARED):
        with entry.grow(_PREPARED) as tree:
            build = tree / "o"
            build.mkdir(exist_ok=True)
            fragment = tree / recipe.fragment
            fragment.write_text(recipe.text)
            _make(sysroot, source, build, [*args, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig"],
                  f"Configuring the {name} kernel", log)
            result = (build / ".config").read_text()
            if ignored := kconfig.ignored(recipe.text, result):
                say.warn(f"{recipe.fragment} asks for {', '.join(ignored)}, which Linux {choice.version} did not take: "
                         "renamed, or lacking a dependency.")
            if recipe.checked and (lacking := missing(result)):
                raise say.Refusal(f"The {name} kernel's configuration lacks {', '.join(lacking)}: this source needs "
                                  f"more in {paths.CONFIG / recipe.fragment} (a dependency, or a new name).")
            _make(sysroot, source, build, [*args, jobs, "modules_prepare"],
                  f"Preparing the {name} kernel's tree", log, steps=f"{name}-prepare")
    if boot:
        with entry.grow() as tree:
            build = tree / "o"
            _make(sysroot, source, build, [*args, jobs, *recipe.targets], f"Building the {name} kernel", log,
                  steps=name)
            _make(sysroot, source, build, [*args, f"INSTALL_MOD_PATH={tree / 'mod'}", "CONFIG_MODULE_SIG_ALL=",
                                           "modules_install"], f"Installing the {name} kernel's modules", log)


def _make(sysroot: Sysroot, source: Path, build: Path, args: list[str], title: str, log: Path, *,
          steps: str = "") -> None:
    """Run the kernel's make. Its lines are counted against those of the last complete run, or the shipped estimate."""
    record = paths.CACHE / "steps" / steps if steps else None
    total = _expected(record)
    with say.step(title, log=log, total=total, about=True, unit="steps") as step:
        def watch(text: str) -> None:
            if match := re.match(r"  [A-Z][\w ]*(?:\[M\])? +(\S+)$", text):
                step.advance(note=match[1])

        sysroot.run(["make", "-C", source, f"O={build}", *args], step=step, log=log, title=title,
                    watch=watch if steps else None)
        count = step.done
    if record and count > (total or 0) // 2:
        # A resumed build prints only what was left, which is no measure.
        record.parent.mkdir(exist_ok=True)
        record.write_text(f"{count}\n")


# Lines that make prints in each stage, before this machine has seen one.
_ESTIMATES = {"stock": 205, "headers": 1046, "debug": 1850, "debug-prepare": 135, "next": 1850, "next-prepare": 135,
              "uml": 1100, "uml-prepare": 120, "native": 1000, "native-prepare": 120}


def _expected(record: Path | None) -> int | None:
    if record is None:
        return None
    try:
        return int(record.read_text())
    except (OSError, ValueError):
        return _ESTIMATES.get(record.name)


def _headers(kernel: Kernel) -> Path:
    """User-space headers do not depend on the configuration: one entry per source."""
    entry = cache.entry("headers", [kernel.version, str(kernel.source.parent.name)])
    if not entry.ready:
        with entry.lock():
            if not entry.ready:
                log = paths.LOGS / "headers.log"
                sysroot = Sysroot.get()
                with entry.build() as fresh:
                    _make(sysroot, kernel.source, fresh / "o", ["ARCH=x86", f"-j{os.cpu_count()}", "headers"],
                          f"Installing the user-space headers of {kernel.version}", log, steps="headers")
                    (fresh / "usr").mkdir()
                    (fresh / "o" / "usr" / "include").rename(fresh / "usr" / "include")
                    cache.remove(fresh / "o")
    return entry.path

# SPDX-License-Identifier: GPL-2.0
"""What a VM boots into: a cpio archive with busybox, kernel modules and files.

The archive is the kernel's "newc" format
(Documentation/driver-api/early-userspace/buffer-format.rst), written here so
that no root rights, loop mounts or image tools are needed.
"""

from __future__ import annotations

import lzma
import os
import re
import stat
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from .say import Refusal

GUEST = Path(__file__).parent / "guest"

# All modules of a VM lie here; the guest's init makes it the running kernel's
# module directory, so that both `insmod FILE` and `modprobe NAME` work.
MODULE_DIR = "lib/modules/strata"

Content = bytes | str | Path


class Archive:
    """A newc cpio archive in the making.  Later files replace earlier ones."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, bytes, tuple[int, int]]] = {}

    def directory(self, path: str) -> None:
        self._put(path, stat.S_IFDIR | 0o755, b"")

    def device(self, path: str, major: int, minor: int) -> None:
        self._put(path, stat.S_IFCHR | 0o600, b"", (major, minor))

    def file(self, path: str, content: Content, mode: int | None = None) -> None:
        """Adds one file; a host file keeps its permissions unless `mode` is given."""
        if isinstance(content, Path):
            mode = stat.S_IMODE(content.stat().st_mode) if mode is None else mode
            data = content.read_bytes()
        else:
            data = content.encode() if isinstance(content, str) else content
        self._put(path, stat.S_IFREG | (0o644 if mode is None else mode), data)

    def tree(self, path: str, source: Path) -> None:
        """Adds a host file, or a host directory with all that is below it."""
        if source.is_symlink():
            self._put(path, stat.S_IFLNK | 0o777, os.readlink(source).encode())
        elif source.is_dir():
            self.directory(path)
            for child in sorted(source.iterdir()):
                self.tree(f"{path}/{child.name}", child)
        else:
            self.file(path, source)

    def pack(self) -> bytes:
        out = []
        for inode, (name, entry) in enumerate(self._entries.items(), start=1):
            out.append(_record(name, inode, *entry))
        out.append(_record("TRAILER!!!", 0, 0, b"", (0, 0)))
        return b"".join(out)

    def _put(self, path: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> None:
        name = path.strip("/")
        # The kernel unpacks in order and makes no parents by itself.
        for parent in reversed(PurePosixPath(name).parents):
            if str(parent) != ".":
                self._entries.setdefault(str(parent), (stat.S_IFDIR | 0o755, b"", (0, 0)))
        self._entries[name] = (mode, data, device)


def _record(name: str, inode: int, mode: int, data: bytes, device: tuple[int, int]) -> bytes:
    label = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(label), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + label
    return _aligned(header) + _aligned(data)


def _aligned(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def module_name(path: str | Path) -> str:
    """`drivers/block/null_blk.ko.xz` is module `null_blk`; `-` and `_` are one."""
    return re.sub(r"\.ko(\.\w+)?$", "", Path(path).name).replace("-", "_")


def module_bytes(path: Path) -> bytes:
    """A module as insmod wants it: not compressed."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    return path.read_bytes()


def modinfo(module: bytes, field: str) -> str | None:
    """One field of a module's .modinfo section, which is a row of `field=value\\0`."""
    found = re.search(rb"\0" + re.escape(field.encode()) + rb"=([^\0]*)\0", module)
    return found[1].decode(errors="replace") if found else None


def depends(module: bytes) -> list[str]:
    """The modules that this one says it needs."""
    names = (modinfo(module, "depends") or "").split(",")
    return [name.replace("-", "_") for name in names if name]


class ModuleTree:
    """A kernel's own modules: which exist, where, and what each needs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._needs: dict[str, list[Path]] = {}
        for line in (root / "modules.dep").read_text().splitlines():
            path, _, needs = line.partition(":")
            self._needs[module_name(path)] = [root / path, *(root / n for n in needs.split())]
        builtin = root / "modules.builtin"
        lines = builtin.read_text().splitlines() if builtin.exists() else []
        self._builtin = {module_name(line) for line in lines}

    def closure(self, names: Iterable[str]) -> list[Path]:
        """The files to load for `names`, each after all that it needs."""
        order: dict[str, Path] = {}
        for name in names:
            wanted = name.replace("-", "_")
            if wanted in self._builtin:
                continue
            if wanted not in self._needs:
                raise Refusal(f"This kernel has no module {name} (looked in {self.root}).")
            # modules.dep lists the farthest dependency last.
            for path in reversed(self._needs[wanted]):
                order.setdefault(module_name(path), path)
        return list(order.values())


def _ordered(images: dict[str, bytes]) -> dict[str, bytes]:
    """The same modules, each after those of them that it needs; else in the order given."""
    order: dict[str, bytes] = {}

    def place(name: str) -> None:
        for need in depends(images[name]):
            if need in images and need not in order and need != name:
                place(need)
        order.setdefault(name, images[name])

    for name in images:
        place(name)
    return order


def _with_parameters(entries: Iterable) -> list[tuple]:
    """Each entry with its parameters, which may be none."""
    return [entry if isinstance(entry, tuple) else (entry, "") for entry in entries]


class GuestModules:
    """The modules of one VM, in the order in which its init loads them.

    `modules` are names of the kernel's own, `insmod` are files; each perhaps
    with its parameters.  What they need of the kernel's modules comes along.
    """

    def __init__(self, modroot: Path | None, modules: Iterable[str | tuple[str, str]],
                 insmod: Iterable[Path | tuple[Path, str]]) -> None:
        self.images: dict[str, bytes] = {}
        named = _with_parameters(modules)
        self._parameters = {module_name(name): parameters for name, parameters in named}
        own = _with_parameters(insmod)
        for path, parameters in own:
            if not Path(path).is_file():
                raise Refusal(f"There is no module {path}; is it built?")
            self._parameters[module_name(path)] = parameters
        contents = _ordered({module_name(path): module_bytes(Path(path)) for path, _ in own})
        needed = {name for image in contents.values() for name in depends(image)}
        stock = [*(name for name, _ in named), *sorted(needed - set(contents))]
        if stock and modroot is None:
            raise Refusal(f"This kernel came without modules, so it has no {stock[0]}.")
        if stock:
            for path in ModuleTree(modroot).closure(stock):
                self.images.setdefault(module_name(path), module_bytes(path))
        self.images.update(contents)

    def load_script(self) -> str:
        """A shell script that loads all of them and stops at the first that fails."""
        lines = [f"insmod /{MODULE_DIR}/{name}.ko {self._parameters.get(name, '')}".rstrip()
                 + f" || exit {number}" for number, name in enumerate(self.images, start=1)]
        return "\n".join([*lines, ""])

    def dependency_list(self) -> str:
        """modules.dep of the guest, for busybox' modprobe."""
        lines = []
        for name, image in self.images.items():
            needs = [f"{need}.ko" for need in self._all_needs(name)]
            lines.append(" ".join([f"{name}.ko:", *needs]))
        return "\n".join([*lines, ""])

    def add_to(self, archive: Archive) -> None:
        for name, image in self.images.items():
            archive.file(f"{MODULE_DIR}/{name}.ko", image)
        archive.file(f"{MODULE_DIR}/modules.dep", self.dependency_list())
        archive.file("etc/strata/load", self.load_script())

    def _all_needs(self, name: str) -> list[str]:
        found: dict[str, None] = {}
        todo = depends(self.images[name])
        while todo:
            need = todo.pop(0)
            if need in self.images and need not in found:
                found[need] = None
                todo += depends(self.images[need])
        return list(found)


def build(modules: GuestModules, files: Mapping[str, Content], busybox: Path, mode: str) -> bytes:
    """The whole archive.  `mode` tells the guest's init what to do after loading.

    Bytes and text given in `files` are executable: scripts and programs are
    what tests bring along.
    """
    archive = Archive()
    for path in ("dev", "proc", "sys", "tmp", "run", "root"):
        archive.directory(path)
    # The kernel opens /dev/console for init before devtmpfs is mounted.
    archive.device("dev/console", 5, 1)
    archive.file("bin/busybox", busybox, 0o755)
    archive.file("init", GUEST / "init.sh", 0o755)
    archive.file("etc/strata/mode", f"{mode}\n")
    modules.add_to(archive)
    for path, content in files.items():
        if isinstance(content, Path):
            if not content.exists():
                raise Refusal(f"There is no file {content} to put into the VM.")
            archive.tree(path, content)
        else:
            archive.file(path, content, 0o755)
    return archive.pack()

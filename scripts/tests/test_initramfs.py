# SPDX-License-Identifier: GPL-2.0
"""initramfs.py: the archive as cpio reads it, and modules in the order in which they load."""

import lzma
import stat
import tempfile
import unittest
from pathlib import Path

from strata import initramfs
from strata.say import Refusal


def unpacked(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """A reader of the newc format, written from its description alone."""
    entries, at = {}, 0
    while True:
        assert archive[at:at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n:at + 14 + 8 * n], 16) for n in range(13)]
        name_end = at + 110 + fields[11]
        name = archive[at + 110:name_end - 1].decode()
        data_at = (name_end + 3) & ~3
        if name == "TRAILER!!!":
            return entries
        entries[name] = (fields[1], archive[data_at:data_at + fields[6]])
        at = (data_at + fields[6] + 3) & ~3


def module(name: str, *needs: str) -> bytes:
    return b"\x7fELF\0name=%s\0depends=%s\0vermagic=x\0" % (name.encode(), ",".join(needs).encode())


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def write(self, path: str, content: bytes | str, mode: int = 0o644) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)
        return file


class Archives(Folder):
    def test_round_trip(self) -> None:
        archive = initramfs.Archive()
        archive.file("a/b/script", "#!/bin/sh\n", 0o755)
        archive.file("/odd", b"12345")
        archive.device("dev/console", 5, 1)
        entries = unpacked(archive.pack())
        self.assertEqual(list(entries), ["a", "a/b", "a/b/script", "odd", "dev", "dev/console"])
        self.assertEqual(entries["a/b/script"], (stat.S_IFREG | 0o755, b"#!/bin/sh\n"))
        self.assertEqual(entries["odd"], (stat.S_IFREG | 0o644, b"12345"))
        self.assertTrue(stat.S_ISCHR(entries["dev/console"][0]))
        self.assertTrue(stat.S_ISDIR(entries["a/b"][0]))

    def test_tree_keeps_permissions_and_links(self) -> None:
        self.write("t/run", "x", 0o755)
        self.write("t/deep/data", "y", 0o600)
        (self.folder / "t/link").symlink_to("run")
        archive = initramfs.Archive()
        archive.tree("strata", self.folder / "t")
        entries = unpacked(archive.pack())
        self.assertEqual(entries["strata/run"][0], stat.S_IFREG | 0o755)
        self.assertEqual(entries["strata/deep/data"][0], stat.S_IFREG | 0o600)
        self.assertEqual(entries["strata/link"], (stat.S_IFLNK | 0o777, b"run"))

    def test_whole(self) -> None:
        own = self.write("own.ko", module("own"))
        modules = initramfs.GuestModules(None, (), [own])
        files = {"strata/go": "#!/bin/sh\n", "etc/data": self.write("data", b"\0\1", 0o640)}
        entries = unpacked(initramfs.build(modules, files, self.write("busybox", "bb"), "serve"))
        self.assertEqual(entries["bin/busybox"], (stat.S_IFREG | 0o755, b"bb"))
        self.assertEqual(entries["strata/go"][0], stat.S_IFREG | 0o755)
        self.assertEqual(entries["etc/data"], (stat.S_IFREG | 0o640, b"\0\1"))
        self.assertEqual(entries["etc/strata/mode"][1], b"serve\n")
        self.assertIn("lib/modules/strata/own.ko", entries)

    def test_missing_file(self) -> None:
        modules = initramfs.GuestModules(None, (), ())
        with self.assertRaisesRegex(Refusal, "no file .*nowhere"):
            initramfs.build(modules, {"x": self.folder / "nowhere"}, self.write("busybox", "bb"), "serve")


class Modules(Folder):
    def modroot(self) -> Path:
        self.write("modules.dep",
                   "kernel/gpu/drm-exec.ko.xz:\n"
                   "kernel/gpu/drm_gpuvm.ko.xz: kernel/gpu/drm-exec.ko.xz kernel/gpu/drm.ko\n"
                   "kernel/gpu/drm.ko:\n")
        self.write("modules.builtin", "kernel/lib/maple.ko\n")
        self.write("kernel/gpu/drm-exec.ko.xz", lzma.compress(module("drm_exec")))
        self.write("kernel/gpu/drm_gpuvm.ko.xz", lzma.compress(module("drm_gpuvm", "drm_exec", "drm")))
        self.write("kernel/gpu/drm.ko", module("drm"))
        return self.folder

    def loaded(self, *arguments: object) -> list[str]:
        return list(initramfs.GuestModules(*arguments).images)

    def test_closure(self) -> None:
        root = self.modroot()
        self.assertEqual(self.loaded(root, ["drm_gpuvm"], ()), ["drm", "drm_exec", "drm_gpuvm"])
        self.assertEqual(self.loaded(root, ["drm-exec", "maple"], ()), ["drm_exec"])
        with self.assertRaisesRegex(Refusal, "no module nonsense"):
            self.loaded(root, ["nonsense"], ())

    def test_own_modules_come_after_what_they_need(self) -> None:
        root = self.modroot()
        library = self.write("own/strata.ko", module("strata", "drm_gpuvm"))
        sample = self.write("own/strata_pool.ko", module("strata_pool", "strata"))
        self.assertEqual(self.loaded(root, (), [sample, library]),
                         ["drm", "drm_exec", "drm_gpuvm", "strata", "strata_pool"])

    def test_decompressed_and_listed_for_modprobe(self) -> None:
        modules = initramfs.GuestModules(self.modroot(), ["drm_gpuvm"], ())
        self.assertEqual(modules.images["drm_exec"], module("drm_exec"))
        self.assertEqual(modules.dependency_list(),
                         "drm.ko:\ndrm_exec.ko:\ndrm_gpuvm.ko: drm_exec.ko drm.ko\n")

    def test_load_script(self) -> None:
        first, second = self.write("a.ko", module("a")), self.write("b-c.ko", module("b_c"))
        script = initramfs.GuestModules(None, (), [(first, "pages=7"), second]).load_script()
        self.assertEqual(script, "insmod /lib/modules/strata/a.ko pages=7 || exit 1\n"
                                 "insmod /lib/modules/strata/b_c.ko || exit 2\n")

    def test_parameters_of_the_kernels_own(self) -> None:
        script = initramfs.GuestModules(self.modroot(), [("drm-exec", "rd_nr=1"), "drm"], ()).load_script()
        self.assertEqual(script, "insmod /lib/modules/strata/drm_exec.ko rd_nr=1 || exit 1\n"
                                 "insmod /lib/modules/strata/drm.ko || exit 2\n")

    def test_refusals(self) -> None:
        with self.assertRaisesRegex(Refusal, "is it built"):
            self.loaded(None, (), [self.folder / "gone.ko"])
        with self.assertRaisesRegex(Refusal, "came without modules"):
            self.loaded(None, ["drm"], ())


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: GPL-2.0
"""The cache: whole or absent, whatever kills a build, and two at once do not meet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from strata import cache, paths, say  # noqa: E402

# A build that is told how to begin, says that it has, and then waits to be killed.
_VICTIM = """
import sys, time
from pathlib import Path
from strata import cache
entry = cache.entry("thing", ["key"])
with entry.lock(), getattr(entry, sys.argv[1])() as folder:
    (folder / "half").write_text("written before the kill")
    print("begun", flush=True)
    time.sleep(60)
"""


class Temporary(unittest.TestCase):
    """Each test has a cache of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name).resolve()
        for name, value in (("CACHE", self.cache), ("LOGS", self.cache / "log")):
            patch = mock.patch.object(paths, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def kill_a(self, kind: str) -> None:
        env = {**os.environ, "STRATA_CACHE": str(self.cache), "PYTHONPATH": str(paths.TOP / "scripts")}
        with subprocess.Popen([sys.executable, "-c", _VICTIM, kind], stdout=subprocess.PIPE, text=True,
                              env=env) as victim:
            self.assertEqual(victim.stdout.readline(), "begun\n")
            victim.send_signal(signal.SIGKILL)
            victim.wait()


class Build(Temporary):
    def test_whole_or_absent(self) -> None:
        entry = cache.entry("thing", ["key"])
        self.assertFalse(entry.ready)
        with entry.lock(), entry.build() as folder:
            (folder / "file").write_text("content")
            self.assertFalse(entry.ready)
        self.assertTrue(entry.ready)
        self.assertEqual((entry.path / "file").read_text(), "content")
        self.assertEqual((self.cache / "thing").resolve(), entry.path)

    def test_an_error_leaves_nothing_ready(self) -> None:
        entry = cache.entry("thing", ["key"])
        with self.assertRaises(RuntimeError), entry.lock(), entry.build():
            raise RuntimeError
        self.assertFalse(entry.ready)

    def test_a_killed_build_is_swept_and_made_anew(self) -> None:
        entry = cache.entry("thing", ["key"])
        self.kill_a("build")
        self.assertFalse(entry.ready)
        self.assertFalse(entry.path.exists())
        self.assertIn(self.cache / f".new-{entry.path.name}", cache.outdated())
        with entry.lock(), entry.build() as folder:
            self.assertEqual(list(folder.iterdir()), [])
        self.assertTrue(entry.ready)
        self.assertEqual(cache.outdated(), [])


class Grow(Temporary):
    def test_a_killed_build_goes_on(self) -> None:
        entry = cache.entry("thing", ["key"])
        entry.path.mkdir()
        (entry.path / "old").write_text("finished long before the kill")
        os.utime(entry.path / "old", (1, 1))
        self.kill_a("grow")
        self.assertFalse(entry.ready)
        with entry.lock(), entry.grow() as folder:
            self.assertTrue((folder / "old").exists())
            self.assertFalse((folder / "half").exists(), "what was being written is not trusted")
        self.assertTrue(entry.ready)

    def test_stages(self) -> None:
        entry = cache.entry("thing", ["key"])
        with entry.lock(), entry.grow(".prepared"):
            pass
        self.assertTrue(entry.stage_ready(".prepared"))
        self.assertFalse(entry.ready)
        with entry.lock(), entry.grow():
            pass
        self.assertTrue(entry.ready)

    def test_torn_files_are_the_newest(self) -> None:
        now = time.time() - 5000
        for name, age in (("o/old.o", 100), ("o/new.o", 3), ("o/last.o", 0), ("o/.config", 0),
                          ("o/include/config/auto.conf", 0)):
            path = self.cache / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (now - age, now - age))
        torn = cache.drop_torn(self.cache, 10)
        self.assertEqual(sorted(path.name for path in torn), ["last.o", "new.o"])
        self.assertTrue((self.cache / "o" / ".config").exists())


class Keys(Temporary):
    def test_every_part_counts(self) -> None:
        keys = {cache.entry("x", parts).key for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["ab", "c", ""])}
        self.assertEqual(len(keys), 4)

    def test_prune_keeps_what_is_linked(self) -> None:
        old, new = cache.entry("thing", ["1"]), cache.entry("thing", ["2"])
        for entry in (old, new):
            with entry.lock(), entry.build():
                pass
        self.assertEqual(cache.prune(), [old.path])
        self.assertTrue(new.ready)
        self.assertFalse(old.path.exists())


class Safety(Temporary):
    def test_lock_keeps_a_second_process_out(self) -> None:
        script = ("import fcntl, sys\n"
                  "try: fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
                  "except BlockingIOError: print('busy')")
        with cache.lock("thing"):
            done = subprocess.run([sys.executable, "-c", script, self.cache / "lock" / "thing"],
                                  capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "busy\n")

    def test_nothing_is_deleted_through_a_mount(self) -> None:
        inside = self.cache / "thing"
        inside.mkdir()
        with mock.patch.object(cache, "_mount_points", return_value=[str(inside / "root")]):
            with self.assertRaisesRegex(say.Refusal, "is mounted there"):
                cache.remove(inside)
        self.assertTrue(inside.exists())

    def test_a_full_disk_is_a_sentence(self) -> None:
        with self.assertRaisesRegex(say.Refusal, "goes on where it stopped"), cache.full_disk_is_a_sentence():
            raise OSError(28, "No space left on device", "/x")


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: GPL-2.0
"""vm.py on the stock kernel: each way in which a VM can end, and that nothing survives it.

Skipped where the stock kernel is not set up yet; `make check` sets it up.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from strata import kernels, paths, vm
from strata.say import Refusal

# A report from user space, which needs no module: what is written here is
# parsed as if the kernel had said it.
SAY_WARNING = "echo 'WARNING: at nowhere+0x1/0x2, CPU#0: sh/1' > /dev/kmsg"


def setUpModule() -> None:
    if os.geteuid() != 0 or not (paths.CACHE / "stock" / ".ready").exists():
        raise unittest.SkipTest("the stock kernel is not set up, or we are not root")


def machines() -> set[int]:
    """The QEMU processes that this process, or one of its children, started."""
    found, parents = set(), {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
            if "qemu-system" in text:
                found.add(int(entry.name))
    return {pid for pid in found if os.getpid() in _ancestors(pid, parents)}


def _ancestors(pid: int, parents: dict[int, int]) -> list[int]:
    line = []
    while pid in parents:
        pid = parents[pid]
        line.append(pid)
    return line


class Booted(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.kernel = kernels.get("stock")

    def tearDown(self) -> None:
        self.assertEqual(machines(), set(), "a QEMU process survived")


class OneRun(Booted):
    def test_output_status_and_files(self) -> None:
        data = bytes(range(256)) * 20
        result = vm.run(self.kernel, "cat /strata/data; exit 7", files={"strata/data": data}, timeout=90)
        self.assertEqual((result.raw, result.status, result.dead), (data, 7, None))
        self.assertFalse(result.ok())
        self.assertIn("status 7", result.explain())
        self.assertEqual(result.reports, [])

    def test_modules_of_the_kernel(self) -> None:
        result = vm.run(self.kernel, "lsmod | grep -q ^drm_gpuvm && modprobe drm_gpuvm",
                        modules=["drm_gpuvm"], timeout=90)
        self.assertTrue(result.ok(), result.explain())

    def test_swap(self) -> None:
        result = vm.run(self.kernel, "grep ^SwapTotal /proc/meminfo; cat /sys/fs/cgroup/cgroup.controllers", swap="64M",
                        timeout=90)
        self.assertTrue(result.ok(), result.explain())
        total, controllers = result.output.splitlines()
        self.assertEqual(int(total.split()[1]) >> 10, 63, "all of it but a page")
        self.assertIn("memory", controllers.split())

    def test_module_that_does_not_load(self) -> None:
        broken = paths.CACHE / "broken.ko"
        broken.write_bytes(b"no module")
        self.addCleanup(broken.unlink)
        result = vm.run(self.kernel, "true", insmod=[broken], timeout=90)
        self.assertIn("a module did not load", result.dead)
        self.assertIn("broken.ko", result.explain())

    def test_hang(self) -> None:
        started = time.monotonic()
        result = vm.run(self.kernel, "echo so far; sleep 1000", timeout=20)
        self.assertLess(time.monotonic() - started, 35)
        self.assertIn("timeout after 20 s", result.dead)
        self.assertIn("so far", result.output)
        self.assertIsNone(result.status)
        self.assertFalse(result.ok())

    def test_pci(self) -> None:
        result = vm.run(self.kernel, "ls /sys/bus/pci/devices | grep -c .", machine="q35", timeout=120)
        self.assertTrue(result.ok(), result.explain())
        self.assertGreater(int(result.output), 1)

    def test_answers(self) -> None:
        asked = []

        def answer(_: vm.Session, question: str) -> str:
            asked.append(question)
            return f"no {len(asked)}"

        ask = "echo before; echo '@@ask what is it?'; read line; echo $line"
        result = vm.run(self.kernel, f"({ask}; {ask}; echo @@ask; exit 3) < /dev/ttyS1", answer=answer, timeout=90)
        self.assertEqual((result.output, result.status), ("before\nno 1\nbefore\nno 2\n@@ask\n", 3))
        self.assertEqual(asked, ["what is it?"] * 2)

    def test_output_before_a_death_in_a_conversation(self) -> None:
        result = vm.run(self.kernel, "(echo one; echo '@@ask two'; read two; echo $two; reboot -f) < /dev/ttyS1",
                        answer=lambda *_: "deux", timeout=90)
        self.assertEqual((result.output, result.status), ("one\ndeux\n", None))

    def test_what_a_card_shows(self) -> None:
        result = vm.run(self.kernel, "(echo '@@ask screen'; read kind; echo $kind) < /dev/ttyS1", machine="q35",
                        devices=["VGA,id=card"], answer=lambda session, _: session.screen("card")[:2].decode(), timeout=120)
        self.assertEqual(result.output, "P6\n")

    def test_kernel_that_is_for_compiling_only(self) -> None:
        kernel = mock.Mock(image=None)
        kernel.name = "next"
        with self.assertRaisesRegex(Refusal, "next kernel is set up for compiling only"):
            vm.run(kernel, "true")


class Sessions(Booted):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.snapshot = vm.Snapshot(cls.kernel, prepare="echo before > /tmp/mark")
        cls.enterClassContext(cls.snapshot)

    def run_one(self, command: str, timeout: float = 60) -> vm.Result:
        with self.snapshot.session() as session:
            return session.run(command, timeout)

    def test_each_starts_from_the_saved_state(self) -> None:
        for _ in range(2):
            result = self.run_one("cat /tmp/mark; echo after > /tmp/mark")
            self.assertEqual((result.output, result.status), ("before\n", 0))

    def test_several_commands(self) -> None:
        with self.snapshot.session() as session:
            self.assertEqual(session.run("echo one > /tmp/x").status, 0)
            self.assertEqual(session.run("cat /tmp/x; false").output, "one\n")
            self.assertTrue(session.run(f"# {'long ' * 4000}\ntrue").ok())

    def test_no_newline_at_the_end(self) -> None:
        self.assertEqual(self.run_one("printf '@@exit 1.0 0'").output, "@@exit 1.0 0")

    def test_much_output(self) -> None:
        result = self.run_one("seq 20000")
        self.assertEqual(result.output.split(), [str(n) for n in range(1, 20001)])

    def test_side_by_side(self) -> None:
        answers: dict[int, str] = {}

        def work(number: int) -> None:
            answers[number] = self.run_one(f"echo {number}").output

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, {n: f"{n}\n" for n in range(4)})

    def test_reports(self) -> None:
        result = self.run_one(SAY_WARNING)
        self.assertEqual([report.kind for report in result.reports], ["warn"])
        self.assertFalse(result.ok())
        self.assertIn("The kernel reported: WARNING: at nowhere", result.explain())
        self.assertTrue(result.ok(expect=["warn"]))
        self.assertTrue(result.ok(expect=["nowhere+0x1"]))

    def test_expected_report_that_does_not_come(self) -> None:
        result = self.run_one("true")
        self.assertTrue(result.ok())
        self.assertFalse(result.ok(expect=["circular"]))
        self.assertIn("did not report what it should have: circular", result.explain(["circular"]))

    def test_reports_of_one_command_only(self) -> None:
        with self.snapshot.session() as session:
            self.assertFalse(session.run(SAY_WARNING).ok())
            self.assertTrue(session.run("true").ok())

    def test_tests(self) -> None:
        result = self.run_one("echo 'TAP version 13'; echo 1..2; echo ok 1 a; echo not ok 2 b")
        self.assertEqual([test.status for test in result.tests], ["pass", "fail"])
        self.assertFalse(result.ok())
        self.assertIn("Failed: b", result.explain())

    def test_panic(self) -> None:
        with self.snapshot.session() as session:
            result = session.run("echo first; sleep 0.1; echo c > /proc/sysrq-trigger", timeout=60)
            self.assertIn("Kernel panic - not syncing: sysrq triggered crash", result.dead)
            self.assertEqual(result.output, "first\n")
            self.assertIn("panic", [report.kind for report in result.reports])
            self.assertEqual(session.run("true").dead, result.dead)

    def test_end_of_the_machine(self) -> None:
        self.assertIn("the VM ended", self.run_one("reboot -f").dead)

    def test_missing_kmemleak_is_said(self) -> None:
        with self.snapshot.session() as session:
            result = session.run("true", kmemleak=True)
        self.assertIn("leaks would pass in silence", result.reports[0].title)


class Survivors(Booted):
    CHILD = ("import sys; sys.path.insert(0, {scripts!r}); from strata import kernels, vm; "
             "vm.run(kernels.get('stock'), 'sleep 1000')")

    def test_killed_runner(self) -> None:
        """Not even SIGKILL for the python process leaves a VM behind."""
        scripts = str(paths.TOP / "scripts")
        child = subprocess.Popen([sys.executable, "-c", self.CHILD.format(scripts=scripts)])
        try:
            self.wait_for(lambda: len(machines()) == 1)
            (machine,) = machines()
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
        self.wait_for(lambda: not Path(f"/proc/{machine}/cmdline").exists())

    def wait_for(self, condition: object) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)


if __name__ == "__main__":
    unittest.main()

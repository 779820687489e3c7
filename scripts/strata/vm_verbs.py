# SPDX-License-Identifier: GPL-2.0
"""The verbs `vm` (one command in a VM) and `shell` (a VM at your terminal)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import console, kernels, ktap, modules, say, selftests, shell, vm

DIED, REPORTED = 125, 126
KERNELS = ("stock", "debug", "next")


def run_vm(argv: Sequence[str]) -> int:
    """Boots a kernel, runs a command, and ends with its status."""
    options = _vm_parser().parse_args(argv)
    command = " ".join(word for word in options.command if word != "--")
    if not command:
        raise say.Refusal("No command given. Example: scripts/run vm --kernel stock -- 'uname -a'")
    result = vm.run(kernels.get(options.kernel, boot=True), command, insmod=options.insmod,
                    timeout=options.timeout, kmemleak=options.kmemleak, watch=_show, **_common(options))
    if options.console:
        options.console.write_text(result.console)
    return _verdict(result, options.expect)


def run_shell(argv: Sequence[str]) -> int:
    """Boots a kernel with our modules loaded and gives a prompt."""
    options = _shell_parser().parse_args(argv)
    shell.need_terminal()
    kernel = kernels.get(options.kernel, boot=True)
    own = modules.loadable(modules.build(kernel))
    given = _common(options)
    given["files"] = {**selftests.files(kernel), **given["files"]}
    say.note(f"Booting the {kernel.name} kernel; leave it with `exit`, or Ctrl-A and then x.")
    reports = shell.start(kernel, insmod=own, **given)
    for report in reports:
        say.note(f"The kernel reported: {report.title}")
    return 0


def _show(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()


def _verdict(result: vm.Result, expect: Sequence[str]) -> int:
    """Says what was wrong, if anything; the exit status for it."""
    if result.output and not result.output.endswith("\n"):
        print()
    tests = result.tests
    note = f", {ktap.summary(tests)}" if tests else ""
    print(f"# VM: {result.elapsed:.1f} s{note}", file=sys.stderr)
    if result.ok(expect):
        return 0
    print(result.explain(expect, output=False), file=sys.stderr)
    if result.dead:
        return DIED
    if result.unexpected(expect) or result.missing(expect):
        return REPORTED
    return result.status or 1


def _added(text: str) -> tuple[str, Path]:
    host, _, guest = text.partition(":")
    return guest or f"strata/{Path(host).name}", Path(host)


def _common(options: argparse.Namespace) -> dict:
    return {"modules": options.module, "files": dict(options.add), "machine": options.machine,
            "memory": options.memory, "cpus": options.cpus, "append": options.append, "swap": options.swap}


def _parser(verb: str, text: str, swap: str = "") -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"scripts/run {verb}", description=text)
    parser.add_argument("--kernel", choices=KERNELS, default=os.environ.get("KERNEL", "stock"),
                        help="which kernel (default: $KERNEL, or stock)")
    parser.add_argument("--module", action="append", default=[], metavar="NAME",
                        help="load one of the kernel's own modules, with what it needs")
    parser.add_argument("--add", action="append", default=[], type=_added, metavar="HOST[:GUEST]",
                        help="put a file or folder into the VM (default: into /strata, which is in PATH)")
    parser.add_argument("--machine", default="microvm",
                        help="QEMU's machine: microvm (boots fastest), or q35 where PCI is needed")
    parser.add_argument("--memory", default="1G", help="memory (default: 1G)")
    parser.add_argument("--swap", default=swap, metavar="SIZE",
                        help=f"a disk in that memory to swap to (default: {swap or 'none'})")
    parser.add_argument("--cpus", type=int, default=2, help="processors (default: 2)")
    parser.add_argument("--append", default="", metavar="TEXT",
                        help="more kernel parameters, such as cma=64M")
    return parser


def _vm_parser() -> argparse.ArgumentParser:
    parser = _parser("vm", "Boot a kernel in a VM, run a shell command in it, end with its status. "
                     f"{DIED} means that the VM died or hung, {REPORTED} that the kernel reported "
                     "something that --expect did not ask for.")
    parser.add_argument("--insmod", action="append", default=[], type=Path, metavar="FILE",
                        help="load this module file, after --module")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for all of it (default: 300)")
    parser.add_argument("--expect", action="append", default=[], metavar="REPORT",
                        help="a kernel report that must appear: its kind, or a part of its title. Kinds: "
                        + ", ".join(console.KINDS))
    parser.add_argument("--kmemleak", action="store_true", help="look for leaked memory afterwards")
    parser.add_argument("--console", type=Path, metavar="FILE", help="write the kernel's console to FILE")
    parser.add_argument("command", nargs="*", help="the command; put -- before it")
    return parser


def _shell_parser() -> argparse.ArgumentParser:
    return _parser("shell", "A VM with our modules loaded and a prompt at this terminal.", swap=vm.SWAP)

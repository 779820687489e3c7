# SPDX-License-Identifier: GPL-2.0
"""From a verb on the command line to the function that does it.

A verb's module is imported when the verb is used, so that what one verb needs
cannot break another.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from . import say

# verb -> (module, function, what it does in a line)
VERBS = {
    "demo": ("demo", "main", "set up, boot Debian's kernel, run every sample, and report"),
    "check": ("check", "main", "prove the rules: every test there is"),
    "check-next": ("check", "main_next", "kselftests, KUnit, the corpus and gpuvm on the next kernel"),
    "soak": ("check", "main_soak", "what takes longer than check may"),
    "bench": ("bench", "main", "workloads and their twins in C, compared by instructions"),
    "kselftest": ("selftests_here", "main", "the selftests on this machine instead of a VM"),
    "modules": ("modules", "main", "build the modules for a kernel of ours"),
    "shell": ("vm_verbs", "run_shell", "a VM with the modules loaded and a prompt"),
    "vm": ("vm_verbs", "run_vm", "run one command in a VM"),
    "ui": ("ui", "main", "programs that must not compile"),
    "gpuvm": ("gpuvm", "main", "the address space and the kernel's drm_gpuvm, asked the same"),
    "corpus": ("corpus", "main", "the lockdep corpus"),
    "rules": ("rules", "main", "the table of rules: check it, or write its page"),
    "doc": ("quality", "main_doc", "rustdoc of the library"),
    "fmt": ("quality", "main_fmt", "format the Rust sources"),
    "clippy": ("quality", "main_clippy", "clippy with the kernel's lints"),
    "setup": ("setup_verbs", "setup", "set up kernels without using them"),
    "kernel-tree": ("setup_verbs", "kernel_tree", "a build tree with Rust metadata for this machine's kernel"),
    "sysroot": ("setup_verbs", "sysroot", "run a command with the compilers that Debian built its kernel with"),
    "clean": ("setup_verbs", "clean", "delete what was built here; --cache and --all for the cache"),
}

INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Runs one verb. A refusal is a sentence on the standard error output, and status 2."""
    if not arguments or arguments[0] in ("help", "--help", "-h"):
        print(_help())
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        print(f"scripts/run: there is no verb `{verb}`.\n{_help()}", file=sys.stderr)
        return 2
    module, function, _ = VERBS[verb]
    try:
        return getattr(importlib.import_module(f".{module}", __package__), function)(rest)
    except say.Refusal as refusal:
        print(f"\n{refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on where it stopped.", file=sys.stderr)
        return INTERRUPTED


def _help() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:{width}}  {text}" for verb, (_, _, text) in VERBS.items()]
    return "\n".join(["scripts/run VERB [ARGUMENTS]; VERB --help says more", *lines])

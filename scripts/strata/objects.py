# SPDX-License-Identifier: GPL-2.0
"""What the order costs on a kernel without lockdep: nothing, shown on what the compiler made.

The modules must not refer to lockdep or to one of its annotations, not even to
an empty one; and each function of tests/zero_cost.rs that uses Strata must be,
instruction by instruction, the one beside it that does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import modules, paths, say, ui
from .kernels import Kernel
from .outcome import Outcome
from .sysroot import Sysroot

SOURCE = paths.TOP / "tests" / "zero_cost.rs"

# What a kernel with lockdep exports for it, and what its headers turn locks into.
_LOCKDEP = re.compile(r"lockdep|^(lock_(acquire|release|sync|is_held|set_class)|debug_locks|rcu_lock_map|__lock_|"
                      r"fs_reclaim_|__fs_reclaim|dma_fence_(begin|end)_signalling|__dma_fence_might_wait|"
                      r"__might_(sleep|fault|resched)|__cant_)|_nested$|_nest_lock$")
# Helpers that are annotations (rust/helpers/lockdep.c): empty here, and not to be called.
_EMPTY = re.compile(r"^strata_helper_(might_|non_block_|prime)")


def check(kernel: Kernel, out: Path) -> list[Outcome]:
    """On the modules that were built for this kernel."""
    if kernel.config.get("CONFIG_LOCKDEP") == "y":
        return [Outcome("zero cost", True, f"the {kernel.name} kernel has lockdep, and pays for it", skipped=True)]
    built = modules.loadable(out)
    rust = [out / "rust" / "strata" / "lib.o", *sorted((out / "samples").rglob("*.o"))]
    with say.step("Comparing what Strata compiles to with what the kernel's own crate does"):
        wanted = undefined([*built, *rust])
        pairs = compare(disassemble(kernel, out))
    return [*references(built, wanted, _LOCKDEP), *references(rust, wanted, _EMPTY), *pairs]


# --- references -------------------------------------------------------------

def undefined(objects: Iterable[Path]) -> dict[str, list[str]]:
    """What each object refers to and does not define; a relocation to anything else shows here too."""
    listing = Sysroot.get().run(["nm", "-A", "-P", "--undefined-only", *objects], capture=True).stdout
    found: dict[str, list[str]] = {}
    for line in listing.splitlines():
        file, _, rest = line.rpartition(": ")
        found.setdefault(file, []).append(rest.split()[0])
    return found


def references(objects: Iterable[Path], wanted: dict[str, list[str]],
               banned: re.Pattern[str]) -> Iterator[Outcome]:
    """No object refers to what is banned. One that refers to nothing was not read."""
    for path in objects:
        names = wanted.get(str(path), [])
        found = sorted(name for name in names if banned.search(name))
        told = ", ".join(found) if found else "" if names else "nothing at all"
        yield Outcome(f"zero cost: references of {path.parent.name}/{path.name}", not told,
                      f"{path} refers to {told}" if told else "")


# --- code -------------------------------------------------------------------

def disassemble(kernel: Kernel, out: Path) -> str:
    """tests/zero_cost.rs as Kbuild would compile it, but for functions that are equal being kept apart."""
    folder = out / "zero_cost"
    folder.mkdir(exist_ok=True)
    arguments = folder / "rustc.args"
    arguments.write_text("".join(f"{argument}\n" for argument in ui.arguments(out, kernel)))
    target = folder / "zero_cost.o"
    sysroot = Sysroot.get()
    sysroot.run(["rustc", f"@{arguments}", "-Amissing_docs", "-Cdebuginfo=0", "-Zmerge-functions=disabled",
                 f"--emit=obj={target}", SOURCE], cwd=folder, env=ui.environment(kernel),
                log=modules.LOGS / "zero_cost.log", title="Compiling tests/zero_cost.rs")
    return sysroot.run(["objdump", "-dr", "--no-show-raw-insn", target], capture=True).stdout


def functions(listing: str) -> dict[str, list[str]]:
    """Each function's instructions and relocations, without addresses and without the padding after them."""
    found: dict[str, list[str]] = {}
    name, start = "", 0
    for line in listing.splitlines():
        if head := re.fullmatch(r"([0-9a-f]+) <([^>]+)>:", line):
            start, name = int(head[1], 16), head[2]
            found[name] = []
        elif code := re.fullmatch(r"\s+([0-9a-f]+):\s(.*)", line):
            found[name].append(_relative(code[2], name, start))
    return {name: _unpadded(code) for name, code in found.items()}


def _relative(code: str, name: str, start: int) -> str:
    """An instruction or relocation, with places in its function counted from where that begins."""
    code = re.sub(r"\b[0-9a-f]+ <" + re.escape(name) + r"(\+0x[0-9a-f]+)?>", r"<self\1>", code)
    return re.sub(r"\s+", " ", code).strip()


def _unpadded(code: list[str]) -> list[str]:
    while code and re.match(r"((data16|cs) )*(nop|xchg %ax,%ax|int3)", code[-1]):
        code = code[:-1]
    return code


def compare(listing: str) -> list[Outcome]:
    """`with_X` against `plain_X`, for each X."""
    found = functions(listing)
    names = sorted(name.removeprefix("with_") for name in found if name.startswith("with_"))
    if not names:
        return [Outcome("zero cost", False, f"{SOURCE} has no functions to compare")]
    return [_pair(name, found[f"with_{name}"], found.get(f"plain_{name}", [])) for name in names]


def _pair(name: str, ours: list[str], plain: list[str]) -> Outcome:
    if ours and ours == plain:
        return Outcome(f"zero cost: {name}", True)
    at = next((at for at, (a, b) in enumerate(zip(ours, plain)) if a != b), min(len(ours), len(plain)))
    lines = [f"{len(ours)} lines of code against {len(plain)}; from the first that differs:"]
    lines += [f"  with   {code}" for code in ours[at:at + 6]] + [f"  plain  {code}" for code in plain[at:at + 6]]
    return Outcome(f"zero cost: {name}", False, "\n".join(lines))

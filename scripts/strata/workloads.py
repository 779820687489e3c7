# SPDX-License-Identifier: GPL-2.0
"""What `make bench` measures: each workload's modules, the script that runs it, and its bounds.

A script runs in the VM, after the prelude of bench.py. One that is new takes
an entry in WORKLOADS, its modules in Kbuild, and a folder in bench/.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import paths

# What the same work may differ by from one time to the next, of the least. A slab finds its free
# objects in other places each time.
SPREAD, SLAB_SPREAD = 0.001, 0.03
# Where steps are few, or most of each is what a slab does.
FEW_SPREAD = 0.06


@dataclass(frozen=True)
class Measure:
    """A figure of a workload: what each `unit` took, and how much of what it took the other side it may be."""

    name: str
    unit: str
    bound: float | None = None
    # Whom we are compared with: a side that the script names.
    against: str = "C"
    spread: float = SPREAD


@dataclass(frozen=True)
class Workload:
    """A module on Strata and who it is compared with, and the script that has all do the same."""

    name: str
    what: str
    modules: tuple[str, ...]
    script: str
    measures: tuple[Measure, ...]
    # Whether `make check` runs it too.
    proof: bool = True
    # In time, at the host's own speed, and not in instructions.
    timed: bool = False
    memory: str = "1G"
    timeout: float = 300


# `shrink MEASURE PLACE OBJECTS PAGES BATCH`: see bench/scan.c and bench/shrinker.
_SHRINK = """
shrink() {
	side ours strata-bench-shrinker strata_bench_shrinker "$@"
	side C strata-bench-shrinker-c strata_bench_shrinker_c "$@"
}
side() {
	echo "$5 $6 $7" > $debug/$2/fill || exit
	echo "$3 $8" > $debug/strata-bench/scan || exit
	while read -r key number total _; do
		case $key in
		counts) sample count.$4 $1 $number $total ;;
		scans) instructions=$total ;;
		scanned) sample $4 $1 $((number / $7)) $instructions ;;
		esac
	done < $debug/strata-bench/scan
}
cgroup=/sys/fs/cgroup/bench
echo +memory > /sys/fs/cgroup/cgroup.subtree_control && mkdir $cgroup || exit
for round in 1 2 3; do
	shrink evict.1 purgeable 8192 1 1
	shrink evict.128 purgeable 8192 1 128
	shrink evict.4096 purgeable 8192 1 4096
	shrink evict.large purgeable 8192 64 4096
	shrink move.128 idle 8192 1 128
	shrink keep.128 kept 8192 1 128
	(echo 0 > $cgroup/cgroup.procs && shrink cgroup.128 purgeable 8192 1 128) || exit
done
"""

_SHRINKER = Workload(
    "shrinker", "a shrinker over list_lru: an object taken from its list, locked, evicted",
    ("strata", "strata_bench", "strata_bench_shrinker", "strata_bench_shrinker_c"), _SHRINK, (
        Measure("evict.1", "object, 1 a call", 1.05),
        Measure("evict.128", "object, 128 a call", 1.05),
        Measure("evict.4096", "object, 4096 a call", 1.05),
        Measure("evict.large", "object of 64 pages, 64 a call", 1.05),
        Measure("cgroup.128", "object of a cgroup, 128 a call", 1.05),
        Measure("move.128", "object that goes to another list", 1.05),
        Measure("keep.128", "object that stays", 1.05),
        Measure("count.evict.128", "count", 1.0),
    ))

# --- maple trees

_MAPLE_MODULES = ("strata", "strata_bench", "strata_bench_maple", "strata_bench_maple_c")
# What the types of the library may cost over the calls of C.
_MAPLE_BOUND = 1.03

# Of ours and the twin in C: (measure, unit, spread)
_STEPS = (
    ("sequential", "insert, upwards", SLAB_SPREAD),
    ("insert", "insert, at random", SLAB_SPREAD),
    ("hit", "load, at random", SPREAD),
    ("miss", "load of a gap", SPREAD),
    ("iterate", "entry of an iteration", SPREAD),
    ("replace", "replacement, of just the same range", SPREAD),
    ("erase", "erase, at random", SLAB_SPREAD),
    ("again", "insert into what was erased", SLAB_SPREAD),
    ("reserved", "reservation and insert with it", SLAB_SPREAD),
    ("over", "store over what is there", SLAB_SPREAD),
    ("cut", "store into what is there, which leaves two rests", FEW_SPREAD),
)
_GAP_STEPS = (
    ("up", "gap found, upwards", SPREAD),
    ("down", "gap found, downwards", SPREAD),
)
# What the peers have too.
_PEERS = {
    "mtree": ("hit",),
    "rbtree": ("sequential", "insert", "hit", "miss", "iterate", "replace", "erase", "again"),
    "xarray": ("sequential", "insert", "hit", "iterate", "replace", "erase", "again"),
}


def _trees(mode: str, size: int, peers: bool, bound: float | None = _MAPLE_BOUND) -> Iterator[Measure]:
    """The measures of `visit MODE SIZE`."""
    steps = _STEPS + (_GAP_STEPS if mode == "gaps" else ())
    for name, unit, spread in steps:
        yield Measure(f"{name}.{mode}.{size}", unit, bound, spread=spread)
    yield Measure(f"gfp.{mode}.{size}", "reserved insert, mas_store_gfp()", None, "C", SLAB_SPREAD)
    for peer, names in _PEERS.items():
        for name, unit, spread in steps:
            if name in names and (peers or peer == "mtree") and not (mode == "rcu" and peer == "mtree"):
                yield Measure(f"{name}.{mode}.{size}", unit, None, peer, spread)


def _memory(mode: str, size: int, *sides: str) -> Iterator[Measure]:
    """The measures of `memory MODE SIZE`."""
    for side in sides:
        if side != "rbtree":
            yield Measure(f"nodes.{mode}.{size}", "mapping: bytes of nodes", None, side)
        yield Measure(f"bytes.{mode}.{size}", "mapping: bytes in all", None, side)


def _script(folder: str) -> str:
    bench = paths.TOP / "bench"
    return (bench / "common.sh").read_text() + (bench / folder / "run.sh").read_text()


_MAPLE = Workload(
    "maple", "a maple tree: insert, load, iterate, replace, erase, reserve and commit", _MAPLE_MODULES,
    _script("maple") + """
compared "$everyone" 3 plain 1000
compared "$everyone" 2 plain 100000
compared "ours C" 2 gaps 20000
compared "ours C" 2 rcu 20000
memory "$everyone" plain 100000
memory "ours C" gaps 100000
memory "ours C" rcu 100000
""", (
        *_trees("plain", 1000, True),
        *_trees("plain", 100000, True),
        *_trees("gaps", 20000, False),
        *_trees("rcu", 20000, False),
        *_memory("plain", 100000, "C", "rbtree", "xarray"),
        *_memory("gaps", 100000, "C"),
        *_memory("rcu", 100000, "C"),
    ))

_MAPLE_LARGE = Workload(
    "maple.large", "the same with more entries", _MAPLE_MODULES, _script("maple") + """
compared "$everyone" 1 plain 500000
compared "$everyone" 1 plain 1000000
""", (
        *_trees("plain", 500000, True),
        *_trees("plain", 1000000, True),
    ), proof=False, memory="2G", timeout=1200)

_MAPLE_TIMED = Workload(
    "maple.timed", "the same in time, with real caches", _MAPLE_MODULES, _script("maple") + """
compared "$everyone" 15 plain 1000
compared "$everyone" 7 plain 10000
compared "$everyone" 5 plain 100000
compared "$everyone" 2 plain 1000000
""", tuple(measure for size in (1000, 10000, 100000, 1000000) for measure in _trees("plain", size, True, None)),
    proof=False, timed=True, memory="1536M", timeout=600)

# --- the address space of a GPU

_VA_MODULES = ("strata", "strata_bench", "strata_bench_va", "strata_bench_va_c")
# Each measure, its unit, its spread, and its bound by size: what was measured and 3 % more, or 5 % where
# a slab or a worker has a large part in it. That is no aim: it shows a change that makes them dearer.
_VA_STEPS: tuple[tuple[str, str, float, dict[int, float]], ...] = (
    ("find", "mapping found, at random", SLAB_SPREAD, {1000: 2.53, 100000: 2.31}),
    ("walk", "mapping visited", SLAB_SPREAD, {1000: 9.96, 100000: 10.43}),
    ("submit", "request submitted", FEW_SPREAD, {1000: 13.80, 100000: 7.63}),
    ("commit", "request committed", SLAB_SPREAD, {1000: 4.12, 100000: 4.77}),
    ("request", "request, with what workers do later", FEW_SPREAD, {1000: 6.86, 100000: 5.75}),
    ("after", "mapping prepared: the walk after all requests", SLAB_SPREAD, {1000: 8.69, 100000: 10.37}),
)
_VA_BYTES = 0.85


def _spaces(size: int, timed: bool = False) -> Iterator[Measure]:
    """The measures of `visit SIZE`."""
    for name, unit, spread, bounds in _VA_STEPS:
        # What workers take is counted in instructions alone.
        if not (timed and name == "request"):
            yield Measure(f"{name}.{size}", unit, None if timed else bounds[size], "gpuvm", spread)


_VA = Workload(
    "va", "the address space of a GPU: map, unmap and find", _VA_MODULES, _script("va") + """
compared "ours gpuvm" 2 1000 4000
compared "ours gpuvm" 2 100000 10000
memory "ours gpuvm" 100000
""", (*_spaces(1000), *_spaces(100000), Measure("bytes.100000", "mapping: bytes in all", _VA_BYTES, "gpuvm")))

_VA_TIMED = Workload(
    "va.timed", "the same in time, with real caches", _VA_MODULES, _script("va") + """
compared "ours gpuvm" 15 1000 10000
compared "ours gpuvm" 7 100000 20000
compared "ours gpuvm" 3 1000000 50000
""", tuple(measure for size in (1000, 100000, 1000000) for measure in _spaces(size, True)),
    proof=False, timed=True, memory="1536M", timeout=600)

# --- buffers that drivers share

# What the types of the library may cost over a twin in C, and over the kernel's own exporter. Where they
# cost more, the bound is what was measured and 3 % more: that is no aim. None is told: the system heap frees
# its large pages at once, and ours are split.
_BUFFER_BOUND = 1.05
# How often an importer does each, and how many buffers there are, by pages.
_BUFFERS = {1: (100, 256), 16: (100, 64), 1024: (20, 8)}
# Pages that were mapped into the kernel are taken out of it later, of many at once: by who maps more, or
# by a worker. The least is told, which is without that.
_VMAP_SPREAD, _BESIDE_SPREAD = 0.5, 4.0
# What an importer does with a buffer of ours, against the same with another: (measure, unit, spread)
_IMPORTS = (
    ("attach", "attachment and its end", SLAB_SPREAD),
    ("map", "mapping for a device, and its end", SLAB_SPREAD),
    ("vmap", "mapping into the kernel, and its end", _VMAP_SPREAD),
    ("access", "access by the CPU", SPREAD),
)
# What is done to the buffers that there are.
_EXPORTS = (
    ("create", "buffer made", FEW_SPREAD, ("C",)),
    ("cold", "first mapping into the kernel", _VMAP_SPREAD, ("C", "heap")),
    ("release", "buffer dropped", _BESIDE_SPREAD, ("C", "heap")),
)
# By pages, as in _BUFFERS.
_BUFFER_BOUNDS: dict[tuple[str, str], tuple[float | None, ...]] = {
    ("access", "C"): (1.25, 1.25, 1.23),
    ("create", "C"): (1.13, _BUFFER_BOUND, _BUFFER_BOUND),
    ("cold", "C"): (1.15, 1.07, _BUFFER_BOUND),
    ("release", "C"): (1.25, 1.10, _BUFFER_BOUND),
    ("import.attach", "C"): (1.17, 1.17, 1.15),
    ("import.map", "C"): (1.32, 1.32, 1.30),
    ("import.vmap", "C"): (1.10, 1.10, _BUFFER_BOUND),
    ("import.access", "C"): (1.12, 1.12, 1.09),
    ("map", "heap"): (1.27, 1.27, 1.16),
    ("access", "heap"): (1.87, 1.87, 1.76),
    ("release", "heap"): (1.29, None, None),
}


def _buffer_measure(name: str, pages: int, unit: str, against: str, spread: float) -> Measure:
    bounds = dict(zip(_BUFFERS, _BUFFER_BOUNDS.get((name, against), ())))
    return Measure(f"{name}.{pages}", unit, bounds.get(pages, _BUFFER_BOUND), against, spread)


def _buffers(pages: int) -> Iterator[Measure]:
    """The measures of `visit PAGES`, and of `importers PAGES`."""
    for name, unit, spread in _IMPORTS:
        for side in ("C", "heap"):
            yield _buffer_measure(name, pages, unit, side, spread)
        yield _buffer_measure(f"import.{name}", pages, f"{unit}, by the importer", "C", spread)
    for name, unit, spread, sides in _EXPORTS:
        for side in sides:
            yield _buffer_measure(name, pages, unit, side, spread)


_BUFFER_SCRIPT = "\n".join(
    f'compared "ours C heap" 3 {pages} {count} {made}\n'
    f"for round in 1 2 3; do importers ours {pages} {count}; importers C {pages} {count}; done"
    for pages, (count, made) in _BUFFERS.items())

_BUFFERS_SHARED = Workload(
    "buffers", "dma-bufs: exported, attached to, mapped",
    ("strata", "strata_bench", "strata_bench_buffers", "strata_bench_buffers_c"),
    _script("buffers") + _BUFFER_SCRIPT, tuple(measure for pages in _BUFFERS for measure in _buffers(pages)))

WORKLOADS = (_SHRINKER, _MAPLE, _VA, _BUFFERS_SHARED, _MAPLE_LARGE, _MAPLE_TIMED, _VA_TIMED)

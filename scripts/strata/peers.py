# SPDX-License-Identifier: GPL-2.0
"""Our buffers and the kernel's own drivers: who takes whose, and whether what arrives is what was sent.

The drivers are as the kernel has them: vgem, bochs with a screen, vivid, udmabuf
and the heaps. What happens in the VM is tests/peers; here is the machine that it
needs, and what only the host can see: the pixels on the screen.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import cache, modules, paths, say, selftests, vm
from .kernels import Kernel
from .outcome import Outcome
from .sysroot import Sysroot

SOURCE = paths.TOP / "tests" / "peers"
# The graphics card whose picture is looked at, as QEMU knows it; a small one, since emulation is slow.
_SCREEN = "screen"
_CARD = f"VGA,id={_SCREEN},xres=640,yres=480"
_CAMERAS = "n_devs=2 allocators=0,1 node_types=0x20001,0x20001 num_inputs=1,1 input_types=0,0"


@dataclass(frozen=True)
class Peer:
    """A program of tests/peers: the kernel's modules that it is about, and the option without which there are none."""

    program: str
    modules: tuple[vm.Named, ...]
    option: str
    devices: tuple[str, ...] = ()
    # Exporters that not each kernel has, and their options.
    exporters: Mapping[str, str] = field(default_factory=dict)


PEERS = (
    Peer("vgem", ("vgem",), "DRM_VGEM"),
    Peer("screen", ("bochs",), "DRM_BOCHS", (_CARD,)),
    # One maps what it fills into the kernel, and one has it mapped for DMA.
    Peer("video", (("vivid", _CAMERAS),), "VIDEO_VIVID"),
    Peer("virtio", ("virtio_pci", "virtio-gpu"), "DRM_VIRTIO_GPU", ("virtio-gpu-pci",)),
    Peer("imports", ("vgem",), "UDMABUF", exporters={"cma_heap": "DMABUF_HEAPS_CMA", "vivid": "VIDEO_VIVID"}),
)
# For the heap that has memory of its own, where the kernel knows it.
_APPEND = "cma=32M"
_TIMEOUT = 600
_UNLOADING = "unloading"


@dataclass(frozen=True)
class Picture:
    """Pixels as 0xRRGGBB, line by line."""

    width: int
    height: int
    pixels: array[int]


@dataclass(frozen=True)
class Painted:
    """A rectangle of the pattern that tests/peers/ask.h paints."""

    x: int
    y: int
    width: int
    height: int
    round: int


def pixel(x: int, y: int, number: int) -> int:
    """The pattern, as tests/peers/ask.h has it."""
    return (x * 0x010307 + y * 0x0B1105 + number * 0x2F1D3B) & 0xFFFFFF


def picture(ppm: bytes) -> Picture:
    """A picture as QEMU's monitor writes it: P6, one byte for each colour."""
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", ppm)
    if not head:
        raise ValueError(f"no picture: {ppm[:20]!r}")
    width, height = int(head[1]), int(head[2])
    data = ppm[head.end():]
    if len(data) != 3 * width * height:
        raise ValueError(f"a picture of {width} x {height} with {len(data)} bytes")
    pixels = array("L", (red << 16 | green << 8 | blue
                         for red, green, blue in zip(data[0::3], data[1::3], data[2::3], strict=True)))
    return Picture(width, height, pixels)


def paint(painted: Sequence[Painted]) -> Picture:
    """What the screen is to show: the first rectangle is all of it, the others are painted over it."""
    width, height = painted[0].width, painted[0].height
    pixels = array("L", bytes(array("L").itemsize * width * height))
    for each in painted:
        for y in range(each.y, each.y + each.height):
            start = y * width + each.x
            pixels[start:start + each.width] = array("L", (pixel(x, y, each.round)
                                                           for x in range(each.x, each.x + each.width)))
    return Picture(width, height, pixels)


def differs(shown: Picture, wanted: Picture) -> str:
    """Where and how two pictures differ; nothing if each pixel is the same."""
    if (shown.width, shown.height) != (wanted.width, wanted.height):
        return f"{shown.width} x {shown.height} instead of {wanted.width} x {wanted.height}"
    wrong = [at for at, (one, other) in enumerate(zip(shown.pixels, wanted.pixels, strict=True)) if one != other]
    if not wrong:
        return ""
    y, x = divmod(wrong[0], shown.width)
    return (f"{len(wrong)} of {len(shown.pixels)} pixels, first at {x},{y}: "
            f"{shown.pixels[wrong[0]]:06x} instead of {wanted.pixels[wrong[0]]:06x}")


def asked(question: str) -> list[Painted]:
    """What a program asks for: `screen`, and the rectangles."""
    word, *rectangles = question.split()
    if word != _SCREEN or not rectangles:
        raise ValueError(f"a question that nobody here understands: {question}")
    return [Painted(*map(int, rectangle.split(","))) for rectangle in rectangles]


def look(session: vm.Session, question: str) -> str:
    """The answer to a question about the screen: `same`, or `differs` and how."""
    wrong = differs(picture(session.screen(_SCREEN)), paint(asked(question)))
    return f"differs: {wrong}" if wrong else "same"


# --- all of it -------------------------------------------------------------

def build(kernel: Kernel) -> Path:
    """The programs, built in the sysroot; the folder they are in."""
    place = modules.out(kernel) / "peers"
    log = paths.OUT / "log" / f"peers-build-{kernel.name}.log"
    place.mkdir(parents=True, exist_ok=True)
    with cache.lock("peers", what=str(place), at=place / ".lock"), \
            say.step(f"Building the peers for {kernel.name}", log=log) as step:
        Sysroot.get().run(["make", "-C", SOURCE, f"-j{os.cpu_count()}", f"KSRC={kernel.source}",
                           f"KHDR={kernel.headers()}", f"OUTPUT={place}"], log=log, step=step, title=step.title)
    return place


def script(peers: Sequence[Peer], config: Container[str]) -> str:
    """Runs the programs one after the other. What they read is what the host answers.

    When the last has ended nobody has a buffer any more, and the modules can go.
    """
    lines = []
    for peer in peers:
        spared = "".join(f" -V {exporter}" for exporter, option in peer.exporters.items() if option not in config)
        lines.append(f"{peer.program}{spared} < /dev/ttyS1; echo \"@@ended {peer.program} $?\"")
    unload = " ".join(["rmmod", *reversed(modules.SAMPLES), "strata"])
    return "\n".join([*lines, f'{unload}; echo "@@ended {_UNLOADING} $?"', ""])


def absent(config: Container[str]) -> dict[str, str]:
    """What a kernel cannot show: programs and exporters, and the options that it lacks."""
    options = {peer.program: peer.option for peer in PEERS}
    options |= {f"{peer.program}/{exporter}": option for peer in PEERS for exporter, option in peer.exporters.items()}
    return {name: option for name, option in options.items() if option not in config}


def not_ended(output: str, peers: Sequence[Peer]) -> list[str]:
    """The programs that did not come to their end, where each test has said what it found; and modules that are held."""
    ended = dict(re.findall(r"^@@ended (\w+) (\d+)$", output, re.M))
    lost = [peer.program for peer in peers if ended.get(peer.program) not in ("0", "1")]
    return lost if ended.get(_UNLOADING) == "0" else [*lost, _UNLOADING]


def run(kernel: Kernel) -> list[Outcome]:
    """Runs all programs on `kernel` in one VM. Whatever the kernel reports meanwhile is a failure of its own."""
    folder = modules.build(kernel, extra=modules.tests(kernel))
    place = build(kernel)
    peers = [peer for peer in PEERS if peer.option in kernel.config]
    log = paths.OUT / "log" / f"peers-{kernel.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with say.step(f"Sharing buffers with drivers of {kernel.name}", log=log) as step:
        def watch(output: bytes) -> None:
            step.advance(output.count(b"\nok ") + output.count(b"\nnot ok "))

        result = vm.run(kernel, script(peers, kernel.config), modules=[module for peer in peers for module in peer.modules],
                        insmod=modules.loadable(folder),
                        files={f"strata/{peer.program}": place / peer.program for peer in peers},
                        machine="q35", devices=[device for peer in peers for device in peer.devices], append=_APPEND,
                        kmemleak="DEBUG_KMEMLEAK" in kernel.config, timeout=_TIMEOUT, watch=watch, answer=look)
    log.write_text(result.transcript)
    found = selftests.outcomes(f"peers/{kernel.name}", result, log)
    lost = not_ended(result.output, peers)
    spared = [Outcome(f"peers/{kernel.name}/{name}", True, f"this kernel has no {option}", skipped=True)
              for name, option in absent(kernel.config).items()]
    return [*found, Outcome(f"peers/{kernel.name}/programs", not lost, f"did not end: {', '.join(lost)}", log), *spared]

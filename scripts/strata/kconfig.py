# SPDX-License-Identifier: GPL-2.0
"""Kernel configurations as text: parsing, what must be on, and what two of them disagree about."""

from __future__ import annotations

import re

from . import paths

REQUIRED = paths.CONFIG / "required.txt"

# Where Debian's build and ours may differ, since no C or Rust code sees it: keys
# and their tools, the salt, BTF's tool, and the name by which the compiler was
# called (its version is an option of its own).
_PRIVATE = re.compile(r"BUILD_SALT|MODULE_SIG_\w+|SYSTEM_TRUSTED_KEYS|OPENSSL_\w+|PAHOLE_\w+|CC_VERSION_TEXT")


def parse(text: str) -> dict[str, str]:
    """`.config` or auto.conf as option -> value, without CONFIG_ and quotes; what is not set is absent."""
    pairs = re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.MULTILINE)
    return {name: value.strip('"') for name, value in pairs if value != "n"}


def parse_required(text: str) -> dict[str, str]:
    """required.txt: an option a line, `=m` or `=y` where the value matters, `#` starts a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return {name: value for name, _, value in (line.partition("=") for line in lines if line)}


def missing(config_text: str) -> list[str]:
    """What required.txt asks for and this configuration lacks, as `CONFIG_X` or `CONFIG_X=m (is y)`."""
    have, lacking = parse(config_text), []
    for name, value in parse_required(REQUIRED.read_text()).items():
        if name not in have:
            lacking.append(f"CONFIG_{name}" + (f"={value}" if value else ""))
        elif value and have[name] != value:
            lacking.append(f"CONFIG_{name}={value} (is {have[name]})")
    return lacking


def ignored(fragment: str, config_text: str) -> list[str]:
    """Options that a fragment turns on and the result does not have: unknown to this source, or lacking something."""
    have = parse(config_text)
    return [f"CONFIG_{name}" for name in parse(fragment) if name not in have]


def differences(ours: str, theirs: str) -> list[str]:
    """Options that change what is compiled and that two configurations disagree about.

    The compilers are compared by their versions, which decide struct layouts
    and, for rustc, the names of all Rust symbols.
    """
    a, b = parse(ours), parse(theirs)
    names = sorted(name for name in a.keys() | b.keys() if not _PRIVATE.fullmatch(name))
    return [f"CONFIG_{name}: {a.get(name, 'not set')} here, {b.get(name, 'not set')} in Debian's build"
            for name in names if a.get(name) != b.get(name)]

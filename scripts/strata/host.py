# SPDX-License-Identifier: GPL-2.0
"""The machine we run on: is it fit, what does it lack, which Debian mirror does its apt use."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from . import paths, say

# What a host needs, and the package that brings it. Only what is missing is
# installed; the compilers live in the sysroot.
_COMMANDS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "gpg": "gpg",
    "xz": "xz-utils",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SUPPORTED = {"12", "13"}

# apt's settings that say how to reach the mirror and how far to trust dates.
_REACH = re.compile(r"^Acquire::(https?|ftp|Retries|ForceIPv[46]|Check-Valid-Until|Check-Date|Max-FutureTime)(::|\b)")


def check_debian(os_release: Path = Path("/etc/os-release")) -> str:
    """The codename of this Debian; a Refusal that says what works elsewhere."""
    facts = dict(_os_release(os_release))
    name = facts.get("PRETTY_NAME", "an unknown system")
    elsewhere = ("What works here is building the modules: `make KDIR=<kernel build tree>`, where the tree is of a "
                 "7.2 kernel with CONFIG_RUST=y and still holds its Rust metadata (rust/libkernel.rmeta); "
                 "Documentation/building.rst says which distributions ship it.")
    if facts.get("ID") != "debian" or facts.get("VERSION_ID") not in _SUPPORTED:
        raise say.Refusal(f"The set-up knows Debian 12 and 13; this is {name}. It lacks apt sources from which "
                          f"Debian's kernel and its compilers could come, for which mmdebstrap is used.\n{elsewhere}")
    if platform.machine() != "x86_64":
        raise say.Refusal("The set-up builds and boots x86-64 kernels; this machine is "
                          f"{platform.machine()}.\n{elsewhere}")
    return facts["VERSION_CODENAME"]


def _os_release(path: Path) -> list[tuple[str, str]]:
    try:
        text = path.read_text()
    except OSError:
        return []
    pairs = [line.partition("=") for line in text.splitlines() if "=" in line]
    return [(key.strip(), "".join(shlex.split(value))) for key, _, value in pairs]


def need_root(why: str = "to install packages and to enter the sysroot") -> None:
    """Go on as root: start this very command again through sudo where we are not."""
    if os.geteuid() == 0:
        return
    if not shutil.which("sudo"):
        raise say.Refusal(f"Root is needed {why}, and there is no sudo here. Run the same command as root.")
    say.note(f"Root is needed {why}: going on through sudo.")
    kept = {key: value for key, value in os.environ.items() if key.startswith("STRATA_") or key.endswith("_proxy")}
    kept["STRATA_CACHE"] = str(paths.CACHE)
    sys.stdout.flush()
    os.execvp("sudo", ["sudo", "--", "env", *(f"{key}={value}" for key, value in kept.items()),
                       sys.executable, *sys.argv])


def missing_packages() -> list[str]:
    """Packages this host lacks, each once."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    lacking = [package for command, package in _COMMANDS.items() if not shutil.which(command, path=path)]
    if not KEYRING.exists():
        lacking.append("debian-archive-keyring")
    return sorted(set(lacking))


def install_packages() -> None:
    """Install what the host lacks, by apt."""
    lacking = missing_packages()
    if not lacking:
        return
    log = paths.LOGS / "host-packages.log"
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    with say.step(f"Installing {', '.join(lacking)} on this machine", log=log) as step:
        say.call([*apt, "update"], log=log, step=step, env=env)
        say.call([*apt, "--no-install-recommends", "install", *lacking], log=log, step=step, env=env)


def mirror(codename: str) -> str:
    """The Debian mirror of this host: from apt itself, so that both formats of its sources are understood."""
    fields = "$(CREATED_BY)|$(ORIGIN)|$(LABEL)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
    targets = _output(["apt-get", "indextargets", "--format", fields])
    uri = parse_mirror(targets, codename)
    if uri is None:
        raise say.Refusal(f"apt on this machine has no Debian mirror: no source offers {codename} main. Add one to "
                          "/etc/apt/sources.list.d (see sources.list(5)), run apt-get update, and try again.")
    return _unfold(uri)


def parse_mirror(targets: str, codename: str) -> str | None:
    """The mirror among apt's index targets: that of `codename` itself, before its updates.

    Origin and label are empty while the lists were never fetched; a source
    that says it is not Debian (or only its security archive) is left out.
    """
    found: list[tuple[int, str]] = []
    for line in targets.splitlines():
        # A field that apt does not know for this target is printed unexpanded.
        created, origin, label, release, component, uri = (
            "" if part.startswith("$(") else part for part in line.split("|", 5))
        if created != "Packages" or component != "main" or uri.startswith("cdrom:"):
            continue
        if origin not in ("", "Debian") or label not in ("", "Debian"):
            continue
        suite = release.partition("/")[0]
        if suite.partition("-")[0] in (codename, "stable", "oldstable") and "security" not in release:
            found.append((0 if suite == codename else 1, uri.rstrip("/")))
    return min(found, key=lambda entry: entry[0])[1] if found else None


def _unfold(uri: str) -> str:
    """Debian's cloud images name their mirrors in a file (`mirror+file:`); the first of them is ours."""
    scheme, _, path = uri.partition("+file:")
    if scheme != "mirror":
        return uri
    file = Path("/" + path.lstrip("/"))
    for line in file.read_text().splitlines():
        if entry := line.partition("#")[0].split():
            return entry[0].rstrip("/")
    raise say.Refusal(f"apt reads its mirror from {file}, which names none. Put one there and try again.")


def reach_options() -> list[str]:
    """The host's apt settings for proxies, certificates and dates, as `Name "value";` lines."""
    return parse_reach(_output(["apt-config", "dump"]))


def parse_reach(dump: str) -> list[str]:
    """The non-empty settings of `apt-config dump` that decide how a mirror is reached."""
    return [line for line in dump.splitlines() if _REACH.match(line) and not line.endswith(' "";')]


def need_space(gigabytes: float, what: str, where: Path | None = None) -> None:
    """Refuse before a long step rather than in the middle of it."""
    folder = where or paths.make_cache()
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise say.Refusal(f"{what} needs {gigabytes:.1f} GB in {folder}, where {free:.1f} GB are free. Make room "
                          "(`scripts/run clean --cache` deletes what is outdated), or set STRATA_CACHE to a folder "
                          "on a larger file system.")


def _output(argv: list[str]) -> str:
    try:
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", None) or str(error)
        raise say.Refusal(f"`{' '.join(argv[:2])}` failed: {detail.strip()}") from error

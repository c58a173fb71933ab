"""Runs the tests of the adapter for control groups of version 2 on a real kernel, in a virtual machine of its own.

Most machines that tests run on offer no group with the memory controller to write to. Here Debian's kernel is
started in QEMU with the tests, an interpreter and nothing else in its first memory disk. No right is needed: packages
are fetched by apt and unpacked under `.cache/`, never installed, and the processors are emulated. Only the standard
library is used.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import environments
from initramfs import Initramfs

ROOT = environments.ROOT
CACHE = environments.CACHE / "cgroup-v2"
UNPACKED = CACHE / "root"
KERNEL = "linux-image-cloud-amd64"
EMULATOR = "qemu-system-x86"
# The crate whose tests are run, and the end-to-end tests.
CRATE = "trygon-processes"
TESTS = ["conftest.py", "elsewhere.py", "leaks.py", "memory_bombs.py", "test_memory.py", "test_memory_cgroup.py"]
# Those that ask how soon something happens: emulated processors are some thirty times slower.
UNTIMED = "not fifth_of_a_second and not a_hundred_bombs"
# What those import beside Trygon itself.
DISTRIBUTIONS = [
    "_pytest",
    "cloudpickle*",
    "iniconfig*",
    "numpy*",
    "packaging*",
    "pluggy*",
    "py.py",
    "pygments*",
    "pytest*",
]
LINE = re.compile(r"cgroup-v2: (PASS|FAIL|end|kernel)\b")


def packages() -> list[str]:
    """What has to be fetched: a kernel, a shell, and the emulator with what it needs unless there is one."""
    shown = _apt("apt-cache", "show", "--no-all-versions", KERNEL)
    kernel = re.search(r"^Depends: (linux-image-\S+)", shown, re.MULTILINE)
    if kernel is None:
        sys.exit(f"apt knows no {KERNEL}: run `apt-get update` as root, on Debian 12 or newer for amd64")
    wanted = [kernel.group(1), "busybox-static"]
    if shutil.which("qemu-system-x86_64") is None:
        simulated = _apt("apt-get", "install", "--simulate", "--no-install-recommends", EMULATOR)
        wanted += re.findall(r"^Inst (\S+)", simulated, re.MULTILINE)
    return wanted


def _apt(*command: str) -> str:
    if shutil.which(command[0]) is None:
        sys.exit(f"{command[0]} was not found on PATH: the kernel and the emulator come from Debian's packages")
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {answer.stderr.strip()}. An old list? `apt-get update` as root")
    return answer.stdout


def fetch() -> None:
    """Fetches and unpacks the packages unless that was done already."""
    stamp = CACHE / "stamp"
    if stamp.exists():
        return
    wanted = packages()
    shutil.rmtree(CACHE, ignore_errors=True)
    archives = CACHE / "packages"
    archives.mkdir(parents=True)
    print(f"fetching {len(wanted)} packages of Debian", flush=True)
    result = subprocess.run(["apt-get", "download", *wanted], cwd=archives, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"the packages could not be fetched: {result.stderr.strip()}. An old list? `apt-get update` as root")
    for archive in sorted(archives.glob("*.deb")):
        environments.run("dpkg-deb", "-x", archive, UNPACKED)
    shutil.rmtree(archives)
    stamp.write_text("\n".join(wanted))


def test_programs(cargo_profile: str) -> list[Path]:
    """Builds the crate's tests; gives the programs."""
    command = ["cargo", "test", "--locked", "--no-run", "--package", CRATE, "--profile", cargo_profile]
    built = subprocess.run([*command, "--message-format", "json"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit(f"failed with exit code {built.returncode}: {' '.join(command)}")
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    found = [Path(message["executable"]) for message in messages if message.get("executable")]
    return sorted(path for path in found if path.exists())


def base(interpreter: Path) -> Initramfs:
    """What both kinds of tests need."""
    disk = Initramfs()
    disk.file("/bin/busybox", UNPACKED / "bin" / "busybox")
    disk.link("/bin/sh", "busybox")
    disk.text("/init", (ROOT / "scripts" / "cgroup_v2_guest.sh").read_bytes(), 0o755)
    disk.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n")
    disk.text("/etc/group", "root:x:0:\nuser:x:1000:\n")
    disk.text("/etc/hosts", "127.0.0.1 localhost guest\n")
    disk.python(interpreter)
    order: list[str] = []
    for name in ("lzo-rle", "zram"):
        disk.module(UNPACKED / "lib" / "modules", name, order)
    disk.text("/modules/order", "\n".join(order) + "\n")
    return disk


def add_suite(disk: Initramfs, programs: list[Path]) -> str:
    """The crate's tests, in each kind of group; gives the guest's commands."""
    names = []
    for program in programs:
        name = program.name.rpartition("-")[0]
        disk.program(f"/work/{name}", program)
        names.append(f"/work/{name} --test-threads 1")
    disk.text("/work/suite.sh", f"cd /tmp && export TRYGON_TEST_CGROUP_V2=required && {' && '.join(names)}\n")
    forbidden = "a_group_that_may_not_be_entered_is_said"
    setting = "TRYGON_TEST_CGROUP_V2_FORBIDDEN=/sys/fs/cgroup/users"
    disk.text("/work/outside.sh", f"cd /tmp && {setting} /work/accounting --exact groups::{forbidden}\n")
    return """
check "suite in the root group" / root /work/suite.sh
group delegated
check "suite in a group of its own" /delegated root /work/suite.sh
group users user
check "suite in a group of a user" /users user /work/suite.sh
group elsewhere
check "a user outside of his group" /elsewhere user /work/outside.sh
"""


def add_end_to_end(disk: Initramfs, python: Path, package: Path | None, selected: str) -> str:
    """Trygon and its tests of memory; gives the guest's commands."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip())
    installed = [(path, path.name) for name in DISTRIBUTIONS for path in sorted(site.glob(name))]
    installed.append(((package or site) / "trygon", "trygon"))
    for source, name in installed:
        if source.is_dir():
            disk.tree(f"/work/site/{name}", source, frozenset({"tests", "f2py"} if name == "numpy" else ()))
        else:
            disk.file(f"/work/site/{name}", source)
    disk.program("/work/site/trygon/_bin/trygon", (package or site) / "trygon" / "_bin" / "trygon")
    for name in TESTS:
        disk.file(f"/work/tests/{name}", ROOT / "tests" / name)
    disk.file("/work/pyproject.toml", ROOT / "python" / "pyproject.toml")
    tests = " ".join(f"/work/tests/{name}" for name in TESTS if name.startswith("test_"))
    options = ["-c", "/work/pyproject.toml", "--rootdir", "/work", "-o", "cache_dir=/tmp/cache"]
    options += ["--color=no", "-v", "-rP", "--durations=5", "--timeout", "300", "-k", selected]

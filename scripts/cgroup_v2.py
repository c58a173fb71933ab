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
# Those that ask how soon something happens: emulated processors are many times slower.
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
    settings = "TRYGON_TEST_INSTALLED=1 PYTHONPATH=/work/site PYTHONDONTWRITEBYTECODE=1"
    settings += " TRYGON_CGROUP=/sys/fs/cgroup/engine TRYGON_TEST_CGROUP_V2=required"
    run = f"cd /tmp && {settings} python3 -m pytest {shlex.join(options)} {tests}\n"
    disk.text("/work/end-to-end.sh", run)
    return """
group engine user
check "end to end in a group of a user" /engine user /work/end-to-end.sh
"""


def emulator() -> tuple[list[str], dict[str, str]]:
    """The emulator's command with what it needs to find its files, and its environment."""
    installed = shutil.which("qemu-system-x86_64")
    if installed is not None:
        return [installed], dict(os.environ)
    folders = [UNPACKED / "usr" / "lib" / "x86_64-linux-gnu", UNPACKED / "lib" / "x86_64-linux-gnu"]
    share = UNPACKED / "usr" / "share"
    program = UNPACKED / "usr" / "bin" / "qemu-system-x86_64"
    command = [str(program), "-L", str(share / "qemu"), "-L", str(share / "seabios")]
    return command, {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders))}


def boot(disk: Path, memory_mib: int, limit_s: float) -> list[str]:
    """Runs the machine until it ends, and prints what it says; gives the lines that are verdicts."""
    command, environment = emulator()
    kernel = next(iter(sorted((UNPACKED / "boot").glob("vmlinuz-*"))))
    # The processors are emulated: that is the same everywhere, and takes seconds.
    command += ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "2", "-m", str(memory_mib)]
    command += ["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"]
    # No tmpfs for the first disk: pages of programs would be shared memory then.
    arguments = "console=ttyS0 quiet panic=-1 rootfstype=ramfs random.trust_cpu=on"
    command += ["-kernel", str(kernel), "-initrd", str(disk), "-append", arguments]
    verdicts: list[str] = []
    ends_at = time.monotonic() + limit_s
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as machine:
        assert machine.stdout is not None
        selector = selectors.DefaultSelector()
        selector.register(machine.stdout, selectors.EVENT_READ)
        rest = b""
        try:
            while (left_s := ends_at - time.monotonic()) > 0 and selector.select(left_s):
                data = os.read(machine.stdout.fileno(), 1 << 16)
                if not data:
                    return verdicts
                *lines, rest = (rest + data).split(b"\n")
                for line in (raw.decode(errors="replace").rstrip("\r") for raw in lines):
                    print(line, flush=True)
                    verdicts += [line[match.start() :] for match in [LINE.search(line)] if match]
            sys.exit(f"the machine did not end within {limit_s:.0f} s: --limit-s gives it longer")
        finally:
            machine.kill()


def main() -> None:
    """Builds the machine, runs it, and says in its last line whether everything passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="all", choices=["all", "suite", "end-to-end"], help="which tests")
    parser.add_argument("--cargo-profile", default="dev", help="the profile that the crate's tests are built with")
    parser.add_argument("--python", type=Path, help="an interpreter with pytest (default: an environment is made)")
    parser.add_argument("--package", type=Path, help="the folder that has `trygon` (default: that environment's)")
    parser.add_argument("-k", dest="selected", default=UNTIMED, help="which end-to-end tests, as pytest's -k")
    parser.add_argument("--memory-mib", type=int, default=3072, help="the machine's memory, in MiB")
    parser.add_argument("--limit-s", type=float, default=1800, help="how long it may run, in seconds")
    options = parser.parse_args()
    fetch()
    interpreter = next(iter(environments.interpreters().values()))
    if options.python is not None:
        ask = [options.python, "-c", "import sys, os; print(os.path.realpath(sys.executable))"]
        interpreter = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    disk = base(interpreter)
    runs = ""
    if options.what in ("all", "suite"):
        runs += add_suite(disk, test_programs(options.cargo_profile))
    if options.what in ("all", "end-to-end"):
        python = options.python or environments.with_wheel(
            "test-{}.{}".format(*next(iter(environments.interpreters()))), interpreter, "test.txt"
        )
        runs += add_end_to_end(disk, python, options.package, options.selected)
    disk.text("/work/runs.sh", runs)
    archive = CACHE / "initramfs.cpio"
    disk.write(archive)
    began = time.monotonic()
    print(f"starting the machine, its first disk has {archive.stat().st_size >> 20} MiB", flush=True)
    verdicts = boot(archive, options.memory_mib, options.limit_s)
    passed, wanted = sum(line.startswith("cgroup-v2: PASS") for line in verdicts), runs.count("\ncheck ")
    is_good = passed == wanted and "cgroup-v2: end" in verdicts
    print(f"{'passed' if is_good else 'FAILED'}: {passed} of {wanted} runs, {time.monotonic() - began:.0f} s")
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()

"""What goes wrong: processes that are killed or frozen, full disks, machines and links that fail, drawn from a seed."""

from __future__ import annotations

import collections
import os
import random
import signal
import threading
import time
from collections.abc import Callable

import leaks
from network.machines import Machine, Machines

# A node is declared dead after six seconds of silence: some pauses are shorter, some longer.
SHORT_S, LONG_S = (0.2, 2.0), (7.0, 10.0)
# A node that does not answer another for ten seconds cannot be reached.
UNREACHED_S = (8.0, 16.0)
# Who waits for room is told after two seconds that there is none.
FULL_S = (0.2, 1.2)


class Monkey:
    """Breaks something every so often until it is stopped, and mends it again.

    The machine of the head and the driver stays; its processes do not.
    """

    def __init__(self, machines: Machines, seed: int, *, pause_s: float, kinds: list[str] | None = None) -> None:
        self.machines = machines
        self.broken: collections.Counter[str] = collections.Counter()
        self.errors: list[str] = []
        self._random = random.Random(seed)
        self._pause_s = pause_s
        known: dict[str, Callable[[], bool]] = {
            "worker killed": self._kill_worker,
            "worker frozen": self._freeze_worker,
            "daemon killed": self._kill_daemon,
            "daemon frozen": self._freeze_daemon,
            "daemon frozen for long": lambda: self._freeze_daemon(LONG_S),
            "control service killed": self._kill_control,
            "disk full": self._fill_disk,
            "link cut": self._cut_link,
            "link cut for long": self._cut_members,
            "machine cut off": self._cut_off,
            "machine cut off for long": lambda: self._cut_off(LONG_S),
        }
        self._kinds = {name: known[name] for name in kinds or known}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Monkey:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.machines.network.heal()

    def _run(self) -> None:
        names = list(self._kinds)
        while not self._stop.wait(self._random.expovariate(1 / self._pause_s)):
            # Workers die most often, as they do in life.
            weights = [4 if name.startswith("worker") else 1 for name in names]
            name = self._random.choices(names, weights)[0]
            try:
                self.broken[name] += self._kinds[name]()
            except Exception as error:
                self.errors.append(f"{name}: {error!r}")

    def _member(self) -> Machine:
        return self._random.choice(
            [machine for machine in self.machines.machines.values() if machine is not self.machines.head]
        )

    def _worker(self) -> int | None:
        below = [
            int(pid)
            for machine in self.machines.machines.values()
            for pid, name in leaks.below(machine.node["pid"], zombies=False)
            if name == "trygon-worker"
        ]
        return self._random.choice(below) if below else None

    def _kill_worker(self) -> bool:
        return self._signal(self._worker(), signal.SIGKILL)

    def _freeze_worker(self) -> bool:
        return self._freeze(self._worker(), SHORT_S)

    def _kill_daemon(self) -> bool:
        machine = self._member()
        os.kill(machine.node["pid"], signal.SIGKILL)
        self._stop.wait(self._random.uniform(0, 3))
        self.machines.start(machine)
        return True

    def _freeze_daemon(self, limits_s: tuple[float, float] = SHORT_S) -> bool:
        return self._freeze(self._member().node["pid"], limits_s)

    def _kill_control(self) -> bool:
        found = [
            int(pid)
            for pid, _ in leaks.below(self.machines.head.node["pid"], zombies=False)
            if _words(int(pid))[1:2] == ["control"]
        ]
        return self._signal(found[0] if found else None, signal.SIGKILL)

    def _fill_disk(self) -> bool:
        disk = self._random.choice(list(self.machines.machines.values())).disk
        if disk is None:
            return False
        disk.fill()
        self._stop.wait(self._random.uniform(*FULL_S))
        disk.free()
        return True

    def _cut_link(self) -> bool:
        first, second = self._random.sample(sorted(self.machines.machines), 2)
        self.machines.network.cut(first, second)
        self._stop.wait(self._random.uniform(*SHORT_S))
        self.machines.network.heal(first, second)
        return True

    def _cut_members(self) -> bool:
        """Two machines that both reach the head: they live, and connections between them break."""
        members = [name for name in sorted(self.machines.machines) if self.machines[name] is not self.machines.head]
        first, second = self._random.sample(members, 2)
        self.machines.network.cut(first, second)
        self._stop.wait(self._random.uniform(*UNREACHED_S))
        self.machines.network.heal(first, second)
        return True

    def _cut_off(self, limits_s: tuple[float, float] = SHORT_S) -> bool:
        machine = self._member()
        self.machines.network.isolate(machine.name)
        self._stop.wait(self._random.uniform(*limits_s))
        self.machines.network.heal()
        return True

    def _freeze(self, pid: int | None, limits_s: tuple[float, float]) -> bool:
        if not self._signal(pid, signal.SIGSTOP):
            return False
        time.sleep(self._random.uniform(*limits_s))
        self._signal(pid, signal.SIGCONT)
        return True

    def _signal(self, pid: int | None, number: signal.Signals) -> bool:
        try:
            os.kill(pid or -(2**30), number)
        except ProcessLookupError:
            return False
        return True


def _words(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read().split("\0")
    except OSError:
        return []

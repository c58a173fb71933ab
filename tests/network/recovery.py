"""How long it takes until work goes on elsewhere: `python tests/network/recovery.py [rounds]`, as root.

An actor that may restart is called every few milliseconds from the head's machine; its node is killed, or cut off. Said
are the seconds until the head knows (`seen`), until the first answer of the next life (`answered`), and until the node
is back as another one after its link is whole again (`back`).
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from network.machines import Machines, wait_until

PROGRAM = """
@trygon.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, resources={"home": 1})
class Actor:
    def where(self): return trygon.get_runtime_context().get_node_id()
trygon.init()
actor = Actor.remote()
while True:
    node = trygon.get(actor.where.remote())
    print(time.monotonic(), node, flush=True)
    time.sleep(0.005)
"""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with Machines(["a", "b", "c"], joined=False) as machines:
        machines.start(machines["a"])
        for name in "bc":
            machines.start(machines[name], more={"home": 100})
        program = machines.head.program(PROGRAM)
        assert program.stdout is not None
        said = iter(program.stdout)
        try:
            for kind in ("killed", "cut"):
                figures: dict[str, list[float]] = {"seen": [], "answered": [], "back": []}
                for _ in range(rounds):
                    one_round(machines, said, kind, figures)
                shown = {
                    name: f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
                    for name, values in figures.items()
                }
                print(kind, shown, flush=True)
        finally:
            program.kill()
            program.communicate()


def one_round(machines: Machines, said, kind: str, figures: dict[str, list[float]]) -> None:
    began = time.monotonic()
    for line in said:
        at, node = line.split()
        if float(at) > began + 0.5:
            break
    nodes = {each["NodeID"]: each["NodeName"] for each in machines.head.status()["nodes"]}
    machine = machines[nodes[node]]
    struck = time.monotonic()
    if kind == "killed":
        os.kill(_daemon(machine), signal.SIGKILL)
    else:
        machines.network.isolate(machine.name)

    def is_dead() -> bool:
        return not next(each["Alive"] for each in machines.head.status()["nodes"] if each["NodeID"] == node)

    wait_until(is_dead, 10, "it is given up")
    figures["seen"].append(time.monotonic() - struck)
    for line in said:
        at, other = line.split()
        if other != node:
            figures["answered"].append(float(at) - struck)
            break
    if kind == "cut":
        time.sleep(max(0.0, 20 - (time.monotonic() - struck)))
    healed = time.monotonic()
    if kind == "killed":
        machines.start(machine, more={"home": 100})
    else:
        machines.network.heal()
    wait_until(lambda: _alive(machines, machine.name), 30, "it is back")
    figures["back"].append(time.monotonic() - healed)


def _daemon(machine) -> int:
    return int((Path(machine.node["session"]) / "pid").read_text())


def _alive(machines: Machines, name: str) -> bool:
    return any(each["Alive"] and each["NodeName"] == name for each in machines.head.status()["nodes"])


if __name__ == "__main__":
    main()

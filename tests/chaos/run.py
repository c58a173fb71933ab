"""The workload and the monkey together: `python -m chaos.run --help`, or `make chaos`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from network.machines import Machines, wait_until  # noqa: E402

from chaos.monkey import Monkey  # noqa: E402
from chaos.workload import KINDS  # noqa: E402

WORKLOAD = Path(__file__).with_name("workload.py")
STORE_BYTES, DISK_BYTES = 80_000_000, 400_000_000


def chaos(
    *,
    seed: int,
    tasks: int,
    bytes_: float,
    seconds: float,
    pause_s: float,
    kinds: list[str] | None = None,
    loud: bool = False,
) -> dict[str, Any]:
    """Runs both on four machines; the workload's report with what was broken in it."""
    # Less memory for objects than the workload holds, so that they move between memory and disks all the time.
    small = {"store_bytes": STORE_BYTES, "disk_bytes": DISK_BYTES}
    with Machines(["a", "b", "c", "d"], **small) as machines, tempfile.TemporaryDirectory() as folder:
        words = [
            f"--tasks={tasks}",
            f"--bytes={bytes_}",
            f"--seconds={seconds}",
            f"--seed={seed}",
            f"--folder={folder}",
        ]
        driver = machines.head.host.start(sys.executable, str(WORKLOAD), *words, env=machines.head.environment)
        assert driver.stdout is not None and driver.stderr is not None
        complaints: list[str] = []
        errors = threading.Thread(target=lambda: complaints.extend(driver.stderr))
        errors.start()
        lines = iter(driver.stdout)
        last: dict[str, Any] = {}
        try:
            with Monkey(machines, seed, pause_s=pause_s, kinds=kinds) as monkey:
                for line in lines:
                    last = json.loads(line)
                    if loud:
                        print(line.rstrip(), dict(monkey.broken), flush=True)
                    if "report" in last:
                        break
            assert "report" in last, f"the driver ended: {last}\n" + "".join(complaints)[-5000:]
            assert driver.wait(30) == 0, "".join(complaints)[-5000:]
            wait_until(lambda: _alive(machines) == len(machines.machines), 30, "every machine is back")
        finally:
            driver.kill()
            driver.wait()
            errors.join()
            driver.stdout.close()
            driver.stderr.close()
        return {**last["report"], "broken": dict(monkey.broken), "monkey_errors": monkey.errors, "seed": seed}


def _alive(machines: Machines) -> int:
    return sum(node["Alive"] for node in machines.head.status()["nodes"])


def verdict(report: dict[str, Any]) -> str:
    """Empty when nothing was lost, wrong or hung."""
    bad = [
        f"{kind}: {report[kind][what]} {what}, {report[kind]['errors']}"
        for kind in KINDS
        for what in ("lost", "wrong", "hung")
        if report[kind][what]
    ]
    return "; ".join([*bad, *report["monkey_errors"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    parser.add_argument("--runs", type=int, default=1, help="how many, each with the next seed")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--bytes", type=float, default=1e10)
    parser.add_argument("--seconds", type=float, default=300, help="how long at least")
    parser.add_argument("--pause-s", type=float, default=1.5, help="between two failures, on average")
    parser.add_argument("--kinds", help="only these failures, separated by commas")
    options = parser.parse_args()
    failed = 0
    for seed in range(options.seed, options.seed + options.runs):
        report = chaos(
            seed=seed,
            tasks=options.tasks,
            bytes_=options.bytes,
            seconds=options.seconds,
            pause_s=options.pause_s,
            kinds=options.kinds.split(",") if options.kinds else None,
            loud=True,
        )
        print(json.dumps(report, indent=2))
        bad = verdict(report)
        print(f"seed {seed}: " + (bad or "nothing lost, nothing wrong, nothing hung"), flush=True)
        failed += bool(bad)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

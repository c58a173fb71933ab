"""The order of a run: environments, shared rows repeat by repeat, fresh processes, idling, sizes, report."""

import argparse
import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness import processes
from harness.engines import Engine, RowFailed
from harness.environment import Environment, prepare, sizes
from harness.machines import Place, why_not
from harness.report import Results, load_metrics, now_text, short, store, table
from rows import ROWS, Row
from rows.context import Context
from rows.fresh import EXTRA_WORKERS
from rows.registry import API_ENGINES

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
LIMITS_S = {"trygon": 30, "ray": 90, "pool": 30}
# For one step of a row between machines; starting one of Ray's nodes alone takes many seconds.
MACHINES_LIMITS_S = {"trygon": 60, "ray": 180}
REPEATS = {"trygon": 5, "ray": 3, "pool": 3}
QUICK_LIMITS_S = {"trygon": 15, "ray": 45, "pool": 15}
QUICK_REPEATS = {"trygon": 2, "ray": 1, "pool": 1}


class Run:
    """One run: the engines that live, and the results so far."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.begin = time.monotonic()
        self.results = Results()
        self.metrics = load_metrics()
        self.repeats = QUICK_REPEATS if options.quick else REPEATS
        self.limits_s = QUICK_LIMITS_S if options.quick else LIMITS_S
        self.seeds = random.SystemRandom()
        self.environments: dict[str, Environment] = {}
        self.shared: dict[str, Engine] = {}
        self.living: list[Engine] = []

    def say(self, text: str) -> None:
        """One line of progress."""
        print(f"[{time.monotonic() - self.begin:5.0f} s] {text}", file=sys.stderr, flush=True)

    def prepare(self) -> None:
        """Makes the environments and leaves out the engines that have none."""
        wanted = self.options.only
        # Calibration needs numpy and nothing else, which is the Pool environment.
        made = prepare(list(dict.fromkeys([*wanted, "pool"])), ROOT, self.options.wheel, self.say)
        self.calibrator = made["pool"]
        for name in wanted:
            self.results.versions[name] = made[name].version or made[name].problem
            if not made[name].problem:
                self.environments[name] = made[name]

    def selected(self, *kinds: str) -> list[Row]:
        """The rows of these kinds that --rows asks for."""
        pattern = re.compile(self.options.rows, re.IGNORECASE)
        names = {row.name: [row.name] for row in ROWS.values()}
        for metric in self.metrics.values():
            names.setdefault(metric.row, []).append(metric.name)
        return [row for row in ROWS.values() if row.kind in kinds and any(map(pattern.search, names[row.name]))]

    def wants(self, name: str) -> bool:
        """Whether --rows asks for something that is no row function."""
        pattern = re.compile(self.options.rows, re.IGNORECASE)
        return any(pattern.search(metric.name) for metric in self.metrics.values() if metric.row == name)

    def calibrate(self) -> None:
        """One pass of the calibration rows."""
        script = BENCH / "harness" / "calibration.py"
        done = subprocess.run([self.calibrator.python, script], capture_output=True, text=True, timeout=60)
        if done.returncode:
            self.say(f"calibration failed: {done.stderr.strip().splitlines()[-1:]}")
            return
        for name, value in json.loads(done.stdout).items():
            self.results.calibration.setdefault(name, []).append(value)
        self.say("calibration: " + ", ".join(f"{k} {short(v[-1])}" for k, v in self.results.calibration.items()))

    def launch(self, name: str, num_cpus: int | None) -> Engine:
        """A new engine process that this run will end."""
        log = ROOT / ".cache" / "bench" / "logs" / f"{name}.log"
        engine = Engine(self.environments[name], log)
        self.living.append(engine)
        try:
            return engine.launch(num_cpus, self.limits_s[name])
        except RowFailed:
            self.end(engine)
            raise

    def end(self, engine: Engine, forced: bool = False) -> None:
        """Ends an engine; one that had to be killed although nobody forced it is noted."""
        if engine in self.living:
            self.living.remove(engine)
            left = engine.end(0.0 if forced else 10.0)
            if left and not forced:
                kept = self.results.left_over.get(engine.name, 0)
                self.results.left_over[engine.name] = max(kept, left)

    def shared_engine(self, name: str) -> Engine:
        """The long-lived process of the engine, started again if it died."""
        engine = self.shared.get(name)
        if engine is None or not engine.alive():
            if engine is not None:
                self.end(engine, forced=True)
            engine = self.shared[name] = self.launch(name, 2)
        return engine

    def ask(self, row: Row, engine: Engine) -> dict[str, float]:
        """Runs the row there; the metrics it yielded."""
        request = {"op": "row", "row": row.name, "quick": self.options.quick, "seed": self.seeds.getrandbits(48)}
        answer = engine.ask(request, row.limit_s or self.limits_s[engine.name], row.count_processes)
        metrics = answer["metrics"]
        if row.count_processes:
            metrics[f"{row.name} processes"] = engine.peak_processes
        unknown = metrics.keys() - self.metrics.keys()
        if unknown:
            raise RowFailed(f"targets.toml does not know {sorted(unknown)}")
        return metrics

    def measure(self, row: Row, name: str) -> str:
        """One repeat of one row in one engine; the progress text."""
        engine = None
        try:
            if row.kind == "shared":
                engine = self.shared_engine(name)
            else:
                engine = self.launch(name, None if row.kind == "start" else row.num_cpus)
            metrics = self.ask(row, engine)
            self.results.add(name, metrics)
            return f"{name} {short(next(iter(metrics.values())))}"
        except RowFailed as reason:
            self.results.fail(row.name, name, str(reason))
            # Its state is unknown now (a hang, half a backlog): the next row gets a new one.
            if engine is not None:
                self.end(engine, forced=True)
            self.shared.pop(name, None) if row.kind == "shared" else None
            return f"{name} failed: {reason}"
        finally:
            if engine is not None and row.kind != "shared":
                self.end(engine)

    def is_due(self, row: Row, name: str, repeat: int) -> bool:
        """Whether this repeat of the row is to run in the engine."""
        if name in row.skip:
            self.results.skipped.setdefault(row.name, {})[name] = row.skip[name]
            return False
        if row.function_for(name) is None or name in self.results.failures.get(row.name, {}):
            return False
        return repeat < min(self.repeats[name], row.repeats.get(name, self.repeats[name]))

    def pass_over(self, rows: list[Row], repeat: int) -> None:
        """One repeat of these rows, all engines in turn at each row."""
        for row in rows:
            due = [name for name in self.environments if self.is_due(row, name, repeat)]
            if due:
                texts = [self.measure(row, name) for name in due]
                self.say(f"{repeat + 1}  {row.name:46} {'   '.join(texts)}")

    def run_rows(self) -> None:
        """All repeats: first the rows that share a process, then those that need their own."""
        shared, fresh = self.selected("shared"), self.selected("fresh", "start")
        count = max((self.repeats[name] for name in self.environments), default=0)
        for repeat in range(count):
            self.calibrate()
            self.pass_over(shared, repeat)
        for engine in list(self.living):
            self.end(engine)
        self.shared.clear()
        for repeat in range(count):
            self.pass_over(fresh, repeat)
        self.run_machines()

    def run_machines(self) -> None:
        """The rows between machines: one engine after the other, since each has a cluster of its own."""
        remote, own = self.selected("remote"), self.selected("machines")
        if not remote and not own:
            return
        if reason := why_not():
            for row in [*remote, *own]:
                self.results.skipped[row.name] = dict.fromkeys(self.environments, f"not asked: {reason}")
            return
        for name in self.environments:
            if remote and name in API_ENGINES:
                self.remote_rows(remote, name)
        for repeat in range(max(self.repeats.values())):
            for row in own:
                due = [name for name in self.environments if self.is_due(row, name, repeat)]
                if due:
                    texts = [self.measure_machines(row, name) for name in due]
                    self.say(f"{repeat + 1}  {row.name:46} {'   '.join(texts)}")

    def place(self, name: str, limit_s: float | None = None) -> Place:
        """Machines for one engine, not yet started."""
        log = ROOT / ".cache" / "bench" / "logs" / f"{name}-machines.log"
        return Place(self.environments[name], log, limit_s or MACHINES_LIMITS_S[name])

    def remote_rows(self, rows: list[Row], name: str) -> None:
        """The rows that share a cluster of two machines, all their repeats."""
        place = self.place(name)
        try:
            engine = place.open(["a", "b"], a={}, b={}).driver("a")
            for repeat in range(self.repeats[name]):
                for row in rows:
                    if self.is_due(row, name, repeat):
                        self.results.add(name, self.ask(row, engine))
                        self.say(f"{repeat + 1}  {row.name:46} {name} {self.last(row, name)}")
        except (RowFailed, OSError, subprocess.SubprocessError) as reason:
            for row in rows:
                if row.name not in self.results.samples:
                    self.results.fail(row.name, name, str(reason))
            self.say(f"{name} between machines: {reason}")
        finally:
            place.close()

    def last(self, row: Row, name: str) -> str:
        """The newest figures of a row, for people who watch."""
        found = [metric.name for metric in self.metrics.values() if metric.row == row.name]
        return ", ".join(short(self.results.samples[key][name][-1]) for key in found if key in self.results.samples)

    def measure_machines(self, row: Row, name: str) -> str:
        """One repeat of a row with machines of its own; the progress text."""
        place = self.place(name, row.limit_s)
        try:
            context = Context(name, self.options.quick, self.seeds.getrandbits(48), None, {}, 0.0)
            self.results.add(name, row.function_for(name)(place, context))
            return f"{name} {self.last(row, name)}"
        except (RowFailed, OSError, RuntimeError, subprocess.SubprocessError) as reason:
            self.results.fail(row.name, name, str(reason))
            return f"{name} failed: {reason}"
        finally:
            place.close()

    def idle(self) -> None:
        """Memory, processes and CPU of started engines that have nothing to do; all engines idle at the same time."""
        seconds = 6 if self.options.quick else 30
        idling: dict[str, Engine] = {}
        for name in self.environments:
            try:
                idling[name] = self.launch(name, 2)
                self.ask(ROWS["idle settle"], idling[name])
            except RowFailed as reason:
                self.fail_idle(name, idling, str(reason))
        time.sleep(2)
        self.say(f"idling for {seconds} s")
        before = {}
        for name, engine in idling.items():
            pids = engine.pids()
            memory = processes.memory_mb(pids)
            self.results.add(name, {"idle engine memory (PSS)": memory, "idle engine processes": len(pids)})
            before[name] = (time.monotonic(), processes.cpu_seconds(pids), memory, len(pids))
        time.sleep(seconds)
        for name, engine in list(idling.items()):
            start, used, memory, count = before[name]
            used_now, elapsed = processes.cpu_seconds(engine.pids()), time.monotonic() - start
            self.results.add(name, {"idle CPU": 100 * max(0.0, used_now - used) / elapsed})
            try:
                self.ask(ROWS["idle grow"], engine)
                time.sleep(1)
                pids = engine.pids()
                if len(pids) <= count:
                    raise RowFailed(f"{EXTRA_WORKERS} more actors added no process")
                grown = (processes.memory_mb(pids) - memory) / (len(pids) - count)
                self.results.add(name, {"one more idle worker (PSS)": grown})
            except RowFailed as reason:
                self.results.fail("idle grow", name, str(reason))
                self.say(f"idle grow: {name} failed: {reason}")
        for engine in idling.values():
            self.end(engine)

    def fail_idle(self, name: str, idling: dict[str, Engine], reason: str) -> None:
        """Notes that an engine cannot be measured while it idles, and ends it."""
        self.results.fail("idle", name, reason)
        self.say(f"idle: {name} failed: {reason}")
        engine = idling.pop(name, None)
        if engine is not None:
            self.end(engine, forced=True)

    def everything(self) -> None:
        """The whole run, with every process ended at its end whatever happens."""
        (ROOT / ".cache" / "bench" / "logs").mkdir(parents=True, exist_ok=True)
        for log in (ROOT / ".cache" / "bench" / "logs").glob("*.log"):
            log.unlink()
        try:
            self.prepare()
            self.begin = time.monotonic()
            self.run_rows()
            if self.wants("idle") or self.wants("idle grow"):
                self.idle()
            if self.wants("sizes"):
                for name, environment in self.environments.items():
                    self.results.add(name, sizes(environment))
        finally:
            for engine in list(self.living):
                self.end(engine, forced=True)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and shorter rounds; under two minutes")
    parser.add_argument("--rows", default="", metavar="PATTERN", help="only rows whose name matches (regular expression)")
    parser.add_argument("--only", default="trygon,ray,pool", help="engines, separated by commas")
    parser.add_argument("--out", type=Path, default=BENCH / "results", metavar="DIR", help="where results are stored")
    parser.add_argument("--wheel", type=Path, help="the trygon wheel to run (default: the newest in target/wheels/)")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a row is beyond its gate or failed")
    options = parser.parse_args(arguments)
    options.only = [name.strip() for name in options.only.split(",") if name.strip()]
    unknown = set(options.only) - set(LIMITS_S)
    if unknown:
        parser.error(f"unknown engine: {', '.join(sorted(unknown))}; known are {', '.join(LIMITS_S)}")
    return options


def interrupted(number: int, _) -> None:
    """Ends the run in the orderly way, so that no process stays behind."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(arguments: list[str] | None = None) -> int:
    """Runs the benchmark and prints the table; 0 unless --check finds a row beyond its gate."""
    options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    run = Run(options)
    run.results.options = {"quick": options.quick, "rows": options.rows, "only": options.only, "when": now_text()}
    try:
        run.everything()
    except KeyboardInterrupt:
        print("interrupted; every process of the run has been ended, nothing was stored", file=sys.stderr)
        return 130
    text, name = store(run.results, run.metrics, time.monotonic() - run.begin, options.out)
    print(text)
    print(f"stored as {name}.md and {name}.json", file=sys.stderr)
    missed = any(line[-1].startswith(("MISS", "FAILED")) for line in table(run.results, run.metrics))
    return 1 if options.check and missed else 0

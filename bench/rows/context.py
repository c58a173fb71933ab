"""What a row function gets besides the engine: sizes, random values, the clock loop, and checks of results."""

import random
import statistics
import time
from collections.abc import Callable

clock = time.perf_counter


class WrongResult(Exception):
    """A result differed from what the arguments demand; the row then counts as failed, however fast it was."""


def check(actual, expected, what: str) -> None:
    """Raises WrongResult unless both are equal."""
    if actual != expected:
        raise WrongResult(f"{what}: expected {expected!r}, got {actual!r}"[:300])


def percentile(samples: list[float], share: float) -> float:
    """The sample below which that share of all samples lies (nearest rank)."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Context:
    """One measurement of one row in one engine. `state` and `kit` live as long as the engine process."""

    def __init__(self, engine_name: str, quick: bool, seed: int, kit, state: dict, import_seconds: float):
        self.engine_name = engine_name
        self.quick = quick
        self.random = random.Random(seed)
        self.kit = kit
        self.state = state
        self.import_seconds = import_seconds
        self.budget_s = 0.2 if quick else 0.5

    def size(self, default: int, **by_engine: int) -> int:
        """A count of operations: `default`, or a smaller one for an engine that would need minutes for it."""
        return by_engine.get(self.engine_name, default)

    def values(self, count: int) -> list[int]:
        """Random arguments, new ones at each call."""
        bits = self.random.getrandbits
        return [bits(40) for _ in range(count)]

    def rounds(self, once: Callable[[], float], warm_key: str) -> list[float]:
        """Calls `once` (which returns the seconds it timed) until the budget is used; the first one ever is discarded."""
        if warm_key not in self.state:
            once()
            self.state[warm_key] = True
        seconds: list[float] = []
        end = clock() + self.budget_s
        while not seconds or (clock() < end and len(seconds) < 500):
            seconds.append(once())
        return seconds

    def rate(self, name: str, count: int, once: Callable[[], float]) -> dict[str, float]:
        """Operations per second when one round does `count` of them: the median round."""
        return {name: count / statistics.median(self.rounds(once, name))}

    def duration_ms(self, name: str, once: Callable[[], float]) -> dict[str, float]:
        """Milliseconds of one round: the median round."""
        return {name: 1e3 * statistics.median(self.rounds(once, name))}

    def latency(self, name: str, call: Callable[[int], int], added: int = 1, most: int = 20000) -> dict[str, float]:
        """Calls with a random value, one after the other, expecting value + added: calls/s, p50 and p99 in µs."""
        for value in self.values(1 if name in self.state else 20):
            check(call(value), value + added, name)
        self.state[name] = True
        samples: list[float] = []
        wrong = 0
        begin = clock()
        end = begin + 2 * self.budget_s
        while clock() < end and len(samples) < most:
            for value in self.values(50):
                start = clock()
                result = call(value)
                samples.append(clock() - start)
                wrong += result != value + added
        check(wrong, 0, f"{name}: wrong results")
        return {
            name: len(samples) / sum(samples),
            f"{name} p50": 1e6 * statistics.median(samples),
            f"{name} p99": 1e6 * percentile(samples, 0.99),
        }

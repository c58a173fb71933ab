"""Turns samples into the table: medians, ratios, verdicts against targets.toml; as text, Markdown and JSON."""

import datetime
import json
import platform
import re
import statistics
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from harness.calibration import UNITS

TARGETS_FILE = Path(__file__).resolve().parent.parent / "targets.toml"
COLUMNS = ["row", "unit", "trygon", "ray", "pool", "× ray", "× pool", "target", "gate", "scaled", "verdict"]

SCALED = " (scaled)"


@dataclass
class Metric:
    """One line of the table."""

    name: str
    unit: str
    better: str
    row: str = ""
    target: float | None = None
    gate: float | None = None
    # The calibration row with which the bars grow, and its value where the bars were set.
    scales_with: str = ""
    base: float = 0.0

    def reaches(self, value: float, bar: float) -> bool:
        """Whether the value is at least as good as the bar."""
        return value >= bar if self.better == "more" else value <= bar


def load_metrics() -> dict[str, Metric]:
    """The metrics of targets.toml in its order."""
    document = tomllib.loads(TARGETS_FILE.read_text())
    bases = document["calibration_base"]
    metrics = {}
    for entry in document["metric"]:
        base = bases[entry["scales_with"]] if "scales_with" in entry else 0.0
        metrics[entry["name"]] = Metric(**({"row": entry["name"], "base": base} | entry))
    return metrics


@dataclass
class Results:
    """Everything one run found out."""

    # metric -> engine -> one value per repeat
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    # row -> engine -> why there is no figure
    failures: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    calibration: dict[str, list[float]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    left_over: dict[str, int] = field(default_factory=dict)
    options: dict = field(default_factory=dict)

    def add(self, engine: str, metrics: dict[str, float]) -> None:
        """Takes the metrics of one repeat."""
        for name, value in metrics.items():
            self.samples.setdefault(name, {}).setdefault(engine, []).append(value)

    def fail(self, row: str, engine: str, reason: str) -> None:
        """Takes a failure; folders are cut out of its text, since results are published."""
        self.failures.setdefault(row, {})[engine] = re.sub(r"/(?:[\w.@+~-]+/)+", "…/", reason).replace("|", "/")

    def median(self, metric: str, engine: str) -> float | None:
        """The median over the repeats."""
        values = self.samples.get(metric, {}).get(engine)
        return statistics.median(values) if values else None


def short(value: float | None) -> str:
    """A figure with three significant digits and k or M."""
    if value is None:
        return ""
    for size, suffix in ((1e6, " M"), (1e4, " k")):
        if abs(value) >= size:
            scaled = value / (1e6 if suffix == " M" else 1e3)
            return f"{scaled:.0f}{suffix}" if scaled >= 100 else f"{scaled:.3g}{suffix}"
    return f"{value:.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"


def cell(results: Results, metric: Metric, engine: str) -> str:
    """What the table shows for one engine."""
    reason = results.failures.get(metric.row, {}).get(engine)
    if reason:
        return f"failed: {reason}"
    value = results.median(metric.name, engine)
    if value is not None:
        return short(value)
    return "not asked" if engine in results.skipped.get(metric.row, {}) else "–"


def ratio(results: Results, metric: Metric, other: str) -> float | None:
    """How many times better Trygon is than the other; above 1 is better whichever way the metric points."""
    ours, theirs = results.median(metric.name, "trygon"), results.median(metric.name, other)
    if metric.row in results.failures and {"trygon", other} & results.failures[metric.row].keys():
        return None
    if not ours or not theirs:
        return None
    return ours / theirs if metric.better == "more" else theirs / ours


def verdict(results: Results, metric: Metric) -> str:
    """target, gate (between the two), MISS (beyond the gate), FAILED, or nothing where there is no bar or no value."""
    if "trygon" in results.failures.get(metric.row, {}):
        return "FAILED"
    value = results.median(metric.name, "trygon")
    if value is None or (metric.target is None and metric.gate is None):
        return ""
    plain, scaled = judge(metric, value, 1.0), judge(metric, value, scale(results, metric))
    return scaled if scaled == plain else f"{scaled}{SCALED}"


def judge(metric: Metric, value: float, factor: float) -> str:
    """The verdict against the bars times the factor."""
    if metric.target is not None and metric.reaches(value, metric.target * factor):
        return "target"
    if metric.gate is None:
        return "below target"
    return "gate" if metric.reaches(value, metric.gate * factor) else "MISS"


def scale(results: Results, metric: Metric) -> float:
    """By how much this machine's wake-ups are slower than where the bars were set; 1 for bars that do not scale."""
    values = results.calibration.get(metric.scales_with)
    return statistics.median(values) / metric.base if values else 1.0


def scaled_bars(results: Results, metric: Metric) -> str:
    """Target and gate as they are judged on this machine, where that differs."""
    if not metric.scales_with:
        return ""
    factor = scale(results, metric)
    return " / ".join(short(bar * factor) for bar in (metric.target, metric.gate) if bar is not None)


def table(results: Results, metrics: dict[str, Metric]) -> list[list[str]]:
    """The lines of the table, the metrics of rows that were not run left out."""
    lines = []
    for metric in metrics.values():
        cells = {engine: cell(results, metric, engine) for engine in ("trygon", "ray", "pool")}
        if all(text in ("–", "not asked") for text in cells.values()):
            continue
        ratios = [ratio(results, metric, other) for other in ("ray", "pool")]
        lines.append(
            [metric.name, metric.unit, *cells.values()]
            + [f"{short(value)}×" if value else "" for value in ratios]
            + [short(metric.target), short(metric.gate), scaled_bars(results, metric), verdict(results, metric)]
        )
    return lines


def markdown_table(header: list[str], lines: list[list[str]]) -> str:
    """An aligned table that reads well as plain text too."""
    limited = [[text if len(text) <= 60 else text[:59] + "…" for text in line] for line in [header, *lines]]
    widths = [max(len(line[column]) for line in limited) for column in range(len(header))]
    rows = ["| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |" for line in limited]
    return "\n".join([rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]])


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", info)
    memory_kib = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1])
    return {
        "processor": model[1] if model else platform.machine(),
        "processors": str(info.count("processor\t")),
        "memory": f"{memory_kib / 2**20:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def notes(results: Results) -> list[str]:
    """Failures, rows not asked, processes that a shutdown left behind: one line each."""
    lines = [f"{row}, {engine}: {text}" for row, by in results.failures.items() for engine, text in by.items()]
    lines += [f"{row}, {engine}: {text}" for row, by in results.skipped.items() for engine, text in by.items()]
    lines += [f"{name}: {count} processes had to be killed after shutdown" for name, count in results.left_over.items()]
    return lines


def counts(lines: list[list[str]]) -> str:
    """How many metrics ended in which verdict."""
    found = [line[-1].removesuffix(SCALED) for line in lines if line[-1]]
    order = ["target", "gate", "below target", "MISS", "FAILED"]
    return ", ".join(f"{word}: {found.count(word)}" for word in order if word in found) or "no Trygon figures"


def as_markdown(results: Results, metrics: dict[str, Metric], seconds: float) -> str:
    """The whole report."""
    lines = table(results, metrics)
    calibration = [
        [name, UNITS[name], short(statistics.median(values)), f"{short(min(values))} … {short(max(values))}"]
        for name, values in results.calibration.items()
    ]
    parts = [
        "# Side-by-side benchmark",
        ", ".join(f"{key} {value}" for key, value in machine().items())
        + f"; {results.options['when']}; took {seconds:.0f} s"
        + ("; quick run, figures are rough" if results.options["quick"] else ""),
        "Versions: " + ", ".join(f"{name} {version}" for name, version in results.versions.items()),
        "Medians. A ratio above 1 means that Trygon is better, whichever way the metric points. bench/README.md explains.",
        markdown_table(COLUMNS, lines),
        f"Verdicts: {counts(lines)}",
        "## Calibration (no engine)",
        markdown_table(["what", "unit", "median", "least … most"], calibration),
    ]
    remarks = notes(results)
    if remarks:
        parts += ["## Notes", "\n".join(f"- {line}" for line in remarks)]
    return "\n\n".join(parts) + "\n"


def store(results: Results, metrics: dict[str, Metric], seconds: float, place: Path) -> tuple[str, str]:
    """Writes the Markdown and the JSON; returns the Markdown and the files' common name."""
    place.mkdir(parents=True, exist_ok=True)
    text = as_markdown(results, metrics, seconds)
    name = f"{results.options['when'].replace(':', '').replace(' ', '-')}{'-quick' if results.options['quick'] else ''}"
    (place / f"{name}.md").write_text(text)
    summary = {
        metric.name: {
            "unit": metric.unit,
            "better": metric.better,
            "target": metric.target,
            "gate": metric.gate,
            "bars_scaled_by": scale(results, metric),
            "verdict": verdict(results, metric),
            "times_ray": ratio(results, metric, "ray"),
            "times_pool": ratio(results, metric, "pool"),
            "medians": {engine: results.median(metric.name, engine) for engine in results.samples[metric.name]},
            "samples": results.samples[metric.name],
        }
        for metric in metrics.values()
        if metric.name in results.samples
    }
    document = {
        "options": results.options,
        "machine": machine(),
        "versions": results.versions,
        "calibration": results.calibration,
        "metrics": summary,
        "failures": results.failures,
        "not_asked": results.skipped,
        "left_over_processes": results.left_over,
        "seconds": round(seconds, 1),
    }
    (place / f"{name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return text, name


def now_text() -> str:
    """The date and minute, which also name the files."""
    return datetime.datetime.now().strftime("%Y-%m-%d %H:%M")

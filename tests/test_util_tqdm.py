"""Progress bars of workers: drawn below what is printed on a terminal, plain lines elsewhere."""

import os
import pty
import re
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import sys; sys.path[:] = {path!r}
import time, trygon
from trygon.experimental.tqdm_ray import tqdm, safe_print
trygon.init(num_cpus=3)

@trygon.remote
def work(name, count):
    for i in tqdm(range(count), desc=name, flush_interval_s=0.01):
        if i == 3: print("half", end="")
        if i % 5 == 0: print(name, "prints", i)
        time.sleep(0.02)
    return count

assert trygon.get([work.remote(f"bar{{i}}", 20) for i in range(2)]) == [20, 20]
bar = tqdm(desc="own", total=4, unit="step")
for i in range(4): bar.update()
safe_print("safe")
assert bar.n == 4 and bar.total == 4
bar.close()
"""


def program():
    return PROGRAM.format(path=sys.path)


def screen(data, width=200):
    """What a terminal shows: only the sequences that the bars use are known, anything else is an error."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\r?\n|[^\x1b\r\n]+", data):
        if part.endswith("\n"):
            row += 1
            if row == len(lines):
                lines.append("")
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.endswith("m") and part.startswith("\x1b"):
            continue
        else:
            assert not part.startswith("\x1b"), part
            assert lines[row] == "" or part.startswith(" "), (lines[row], part)
            lines[row] += part
    return lines


def test_plain_lines_where_there_is_no_terminal():
    done = subprocess.run([sys.executable, "-c", program()], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    bars = done.stderr.splitlines()
    assert len(bars) == 3, bars
    for name in ("bar0", "bar1"):
        assert any(re.match(rf"{name}: 100% \|█+\| 20/20 \[00:0\d, [\d.]+ it/s\]$", line) for line in bars), bars
    assert any(line.startswith("own: 100%") and "4/4" in line and "step/s" in line for line in bars)
    assert "\x01" not in done.stdout + done.stderr and "\x1b" not in done.stdout + done.stderr
    printed = [line.split(") ")[1] for line in done.stdout.splitlines() if line.startswith("(")]
    assert [line for line in printed if line.startswith("bar0 ")] == [f"bar0 prints {i}" for i in (0, 5, 10, 15)]
    assert "half" in printed
    assert "safe" in done.stdout.splitlines()


def test_drawn_below_on_a_terminal():
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program()],
        stdout=slave,
        stderr=slave,
        env={**os.environ, "COLUMNS": "120", "LINES": "50"},
    )
    os.close(slave)
    data = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        data += chunk
    os.close(master)
    assert process.wait(30) == 0, data
    text = data.decode()
    shown = [line for line in screen(text) if line]
    # Half-way states were drawn and are gone in the end.
    assert re.search(r"bar0:  \d+%|bar0:  *[1-9]\d?%", text)
    assert len([line for line in shown if line.startswith("bar0: 100%")]) == 1
    assert len([line for line in shown if line.startswith("bar1: 100%")]) == 1
    assert not [line for line in shown if re.match(r"bar\d: +\d\d?%", line)]
    assert len([line for line in shown if "prints" in line]) >= 6


def test_bars_without_a_total_and_closing_early():
    body = """
        import sys; sys.path[:] = {path!r}
        from trygon.experimental.tqdm_ray import tqdm
        with tqdm(desc="open") as bar:
            bar.update(2.5)
            bar.set_description("changed")
            bar.refresh()
        bar.close()
        for i in tqdm(iter([1, 2, 3]), desc="early"):
            break
        list(tqdm([1, 2]))
        try:
            list(tqdm(total=3))
        except ValueError as error:
            print(error)
    """
    code = textwrap.dedent(body).format(path=sys.path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^changed: 2.50 it \[", done.stderr, re.M)
    assert re.search(r"^100% \|█+\| 2/2", done.stderr, re.M)
    assert "without an iterable" in done.stdout


def test_closing_is_enough_where_nothing_was_drawn():
    from trygon._core.progress import PROGRESS_MARK, take

    assert take(["plain", f"{PROGRESS_MARK}no json", "x"], 1) == ["plain", f"{PROGRESS_MARK}no json", "x"]


@pytest.mark.parametrize("count", [200_000])
def test_updating_is_cheap(count):
    import time

    from trygon.experimental.tqdm_ray import tqdm

    began = time.perf_counter()
    for _ in tqdm(range(count)):
        pass
    assert time.perf_counter() - began < count * 5e-6

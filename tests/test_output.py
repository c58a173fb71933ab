"""What workers print reaches the driver: tagged, whole, in order, and not twice."""

import re
import subprocess
import sys
import textwrap

import pytest
import trygon


def run(body, *, env=None, init="trygon.init(num_cpus=2)"):
    """Runs a driver and returns what it printed, as (stdout, stderr)."""
    import os

    code = f"import sys; sys.path[:] = {sys.path!r}\nimport trygon\n{init}\n{textwrap.dedent(body)}\n"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_tagged_with_name_and_process():
    out, err = run(
        """
        @trygon.remote
        def speak():
            import sys
            print("hello"); print("oops", file=sys.stderr)
        trygon.get(speak.remote())
        """
    )
    assert re.fullmatch(r"\(speak pid=\d+\) hello\n", out)
    assert re.fullmatch(r"\(speak pid=\d+\) oops\n", err)


def test_nothing_is_lost_at_the_end():
    out, _ = run(
        """
        @trygon.remote
        def many(i):
            for k in range(200):
                print(f"line {i} {k}")
        trygon.get([many.remote(i) for i in range(4)])
        """
    )
    lines = [line.split(") ", 1)[1] for line in out.splitlines()]
    assert sorted(lines) == sorted(f"line {i} {k}" for i in range(4) for k in range(200))
    for i in range(4):
        assert [line for line in lines if line.startswith(f"line {i} ")] == [f"line {i} {k}" for k in range(200)]


def test_names_follow_what_runs():
    out, _ = run(
        """
        @trygon.remote
        def first(): print("from first")
        @trygon.remote
        def second(): print("from second")
        for _ in range(3):
            trygon.get(first.remote()); trygon.get(second.remote())
        """,
        init="trygon.init(num_cpus=1)",
        env={"TRYGON_DEDUP_LOGS": "0"},
    )
    assert len(out.splitlines()) == 6
    for line in out.splitlines():
        assert re.match(r"\((\w+) pid=\d+\) from \1$", line), line


def test_actors_are_named_by_class_or_repr():
    out, _ = run(
        """
        @trygon.remote
        class Plain:
            def speak(self): print("plain")
        @trygon.remote
        class Named:
            def __init__(self): self.x = 5
            def __repr__(self): return f"Named(x={self.x})"
            def speak(self): print("named")
        plain, named = Plain.remote(), Named.remote()
        trygon.get([plain.speak.remote(), named.speak.remote()])
        """
    )
    assert re.search(r"^\(Plain pid=\d+\) plain$", out, re.M)
    assert re.search(r"^\(Named\(x=5\) pid=\d+\) named$", out, re.M)


def test_parts_of_lines_unicode_and_long_lines():
    out, _ = run(
        """
        @trygon.remote
        def odd():
            import os, sys
            print("half", end=""); print(" whole")
            print("grün 雪 😀"); print("x" * 100_000)
            sys.stdout.write("no end"); sys.stdout.flush()
        trygon.get(odd.remote())
        """
    )
    lines = [line.split(") ", 1)[1] for line in out.splitlines()]
    assert lines[:2] == ["half whole", "grün 雪 😀"]
    assert "".join(lines[2:]).replace("no end", "").strip("x") == "" and sum(map(len, lines[2:])) == 100_006
    assert lines[-1].endswith("no end")


def test_subprocesses_of_a_task():
    out, _ = run(
        """
        @trygon.remote
        def child():
            import subprocess
            subprocess.run(["echo", "from a child"], check=True)
        trygon.get(child.remote())
        """
    )
    assert re.fullmatch(r"\(child pid=\d+\) from a child\n", out) or re.fullmatch(
        r"\(\S* ?pid=\d+\) from a child\n", out
    )


def test_the_same_line_of_many_workers_is_counted():
    out, _ = run(
        """
        @trygon.remote
        class Speaker:
            def speak(self): print("the same")
        speakers = [Speaker.remote() for _ in range(4)]
        trygon.get([s.speak.remote() for s in speakers])
        trygon.get([s.speak.remote() for s in speakers[:1]] * 1)
        """
    )
    said = [line for line in out.splitlines() if "the same" in line]
    assert 2 <= len(said) <= 3
    # The fifth comes from the first speaker, which may or may not be the one whose line was printed.
    assert re.search(r"printed [34] times more by other workers", said[-1])


def test_repeats_of_one_worker_are_all_printed():
    out, _ = run(
        """
        @trygon.remote
        def loop():
            for _ in range(10): print("again")
        trygon.get(loop.remote())
        """
    )
    assert out.count("again") == 10


def test_turned_off():
    out, err = run(
        """
        @trygon.remote
        def speak(): print("hidden")
        trygon.get(speak.remote())
        """,
        init="trygon.init(num_cpus=1, log_to_driver=False)",
    )
    assert out == err == ""


def test_a_dying_worker_says_its_last_words():
    _, err = run(
        """
        @trygon.remote(max_retries=0)
        def crash():
            import ctypes
            print("last words"); ctypes.string_at(0)
        try:
            trygon.get(crash.remote())
        except trygon.exceptions.WorkerCrashedError:
            pass
        """
    )
    assert "Segmentation fault" in err and "in crash" in err


def test_no_colour_without_a_terminal():
    out, _ = run("trygon.get(trygon.remote(lambda: print('plain')).remote())")
    assert "\x1b" not in out


@pytest.mark.parametrize("count", [20_000])
def test_a_flood_does_not_stop_the_driver(count):
    out, _ = run(
        f"""
        @trygon.remote
        def flood():
            for i in range({count}): print("flood", i)
            return 1
        assert trygon.get(flood.remote(), timeout=30) == 1
        """
    )
    printed = out.count("flood ")
    dropped = sum(int(number) for number in re.findall(r"\[(\d+) more lines", out))
    assert printed + dropped >= count


def test_printing_needs_no_engine():
    assert not trygon.is_initialized()

"""Parts of the package that need no engine: errors, identifiers, output, de-duplication, diagnosis, the machine."""

import io
import os
import pickle
import threading

import pytest
from trygon import exceptions
from trygon._core import ids, machine, output
from trygon._core.errors import decode_error, encode_error
from trygon._core.logs import WINDOW_S, Deduplicator
from trygon._core.retries import is_retryable
from trygon._core.system_errors import system_error


def raised(error, cause=None):
    try:
        raise error from cause
    except BaseException as caught:
        return caught


class Slotted(Exception):
    __slots__ = ("extra",)


@pytest.mark.parametrize("kind", [ids.JobID, ids.TaskID, ids.ActorID, ids.NodeID, ids.PlacementGroupID])
def test_ids(kind):
    one = kind.from_random()
    assert kind.from_hex(one.hex()) == one == kind(one.binary()) and hash(one) == hash(kind(one.binary()))
    assert pickle.loads(pickle.dumps(one)) == one
    assert kind.nil().is_nil() and not one.is_nil() and len(one.binary()) == kind.size()
    with pytest.raises(ValueError, match="bytes"):
        kind(b"short-of-any" * 9)
    with pytest.raises(TypeError):
        kind("text")
    assert (one < kind.nil()) != (kind.nil() < one)
    assert repr(one) == f"{kind.__name__}({one.hex()})"


def test_parts_of_ids():
    task = ids.TaskID(b"\x07\x00\x00\x00" + b"x" * 20)
    assert task.job_id() == ids.JobID.from_int(7) and task.job_id().int() == 7
    assert ids.NodeID.nil() != ids.WorkerID.nil()


@pytest.mark.parametrize(
    "error",
    [
        ValueError("v", 1),
        OSError(2, "No such file", "a", None, "b"),
        UnicodeEncodeError("ascii", "é", 0, 1, "bad"),
        StopIteration(4),
        ImportError("m", name="n", path="p"),
        SyntaxError("s", ("f.py", 1, 2, "text")),
        ExceptionGroup("g", [ValueError(1)]),
        KeyError(),
        Slotted("s"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive(error):
    decoded = decode_error(encode_error(raised(error), "f"))
    assert isinstance(decoded, exceptions.RayTaskError)
    assert isinstance(decoded.cause, type(error)) and repr(decoded.cause.args) == repr(error.args)
    assert isinstance(decoded, type(error)) or type(decoded) is exceptions.RayTaskError
    for name in ("errno", "filename", "filename2", "reason", "value", "name", "path", "lineno", "text"):
        if hasattr(error, name) and isinstance(decoded, type(error)):
            assert getattr(decoded, name) == getattr(error, name), name


def test_dual_classes_are_shared_and_travel():
    one, two = (decode_error(encode_error(raised(ValueError(i)), "f")) for i in range(2))
    assert type(one) is type(two) and type(one).__name__ == "RayTaskError(ValueError)"
    assert type(pickle.loads(pickle.dumps(one))) is type(one)
    assert one.as_instanceof_cause() is one


def test_chains_survive_and_cycles_end():
    inner, outer = KeyError("inner"), ValueError("outer")
    decoded = decode_error(encode_error(raised(outer, inner), "f"))
    assert isinstance(decoded.__cause__, KeyError) and "direct cause" in str(decoded)
    inner.__cause__ = outer
    assert isinstance(decode_error(encode_error(outer, "f")), ValueError)


def test_an_error_that_went_through_two_tasks_keeps_its_class():
    first = decode_error(encode_error(raised(ValueError("deep")), "inner"))
    second = decode_error(encode_error(raised(first), "outer"))
    assert type(second).__name__ == "RayTaskError(ValueError)" and type(second.cause) is ValueError
    assert second.function_name == "outer" and "task inner failed" in str(second)


def test_an_unknown_class_leaves_its_text():
    class Gone(Exception):
        def __reduce__(self):
            return __import__, ("no_such_module_at_all",)

    decoded = decode_error(encode_error(raised(Gone("the words")), "f"))
    assert "the words" in str(decoded) and decoded.type_name.endswith("Gone")


def test_retryable():
    kinds = pickle.dumps((OSError, ValueError))
    assert is_retryable(kinds, raised(FileNotFoundError(2, "x")))
    assert not is_retryable(kinds, raised(TypeError()))


@pytest.mark.parametrize(
    ("kind", "details", "expected", "text"),
    [
        (
            "worker_died",
            {"name": "f", "pid": 7, "signal": 9, "cause_kind": "signal"},
            "WorkerCrashedError",
            "signal 9 .SIGKILL",
        ),
        (
            "worker_died",
            {"name": "f", "exit_code": 3, "cause_kind": "exit", "attempts": 4},
            "WorkerCrashedError",
            "4 times",
        ),
        ("actor_died", {"class_name": "C", "cause_kind": "killed"}, "ActorDiedError", "trygon.kill"),
        ("actor_unavailable", {"class_name": "C"}, "ActorUnavailableError", "may or may not"),
        ("owner_died", {"object_id": "ab", "owner": "cd"}, "OwnerDiedError", "ab .*cd"),
        ("object_lost", {"message": "gone"}, "ObjectLostError", "gone"),
        ("get_timeout", {"timeout": "1"}, "GetTimeoutError", "1 s"),
        (
            "store_full",
            {"capacity_bytes": "1048576", "used_bytes": "1048576"},
            "ObjectStoreFullError",
            "1 MiB of 1 MiB",
        ),
        ("actor_name_taken", {"name": "n"}, "ActorAlreadyExistsError", "get_if_exists"),
        ("not_initialized", {}, "RaySystemError", "trygon.init"),
        ("invalid_argument", {"message": "get() takes x"}, "ValueError", "get"),
        ("something_new", {"message": "m"}, "RaySystemError", "something_new"),
    ],
)
def test_system_errors(kind, details, expected, text):
    made = system_error(kind, details)
    assert type(made).__name__ == expected
    with pytest.raises(type(made), match=text):
        raise made


def test_hierarchy():
    assert issubclass(exceptions.GetTimeoutError, TimeoutError)
    assert issubclass(exceptions.ActorAlreadyExistsError, ValueError)
    assert issubclass(exceptions.ReferenceCountingAssertionError, AssertionError)
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), exceptions.RayError)
    assert exceptions.__all__ == sorted(exceptions.__all__)


class Pipe:
    """A pair of descriptors, and the stream that writes to one of them."""

    def __enter__(self):
        self.read_end, self.write_end = os.pipe()
        raw = output.LineStream(self.write_end)
        self.stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
        return self

    def __exit__(self, *_):
        self.stream.detach()
        os.close(self.read_end)
        os.close(self.write_end)

    def read(self):
        os.set_blocking(self.read_end, False)
        try:
            return os.read(self.read_end, 1 << 20).decode()
        except BlockingIOError:
            return ""


def marker(name):
    return f"\x01trygon:name:{name}\n"


def test_output_is_marked_only_when_the_name_has_changed():
    with Pipe() as pipe:
        output.set_name("first")
        print("a", "b", file=pipe.stream)
        print("c", file=pipe.stream)
        output.set_name("silent")
        output.set_name("second")
        print("d", file=pipe.stream)
        assert pipe.read() == marker("first") + "a b\nc\n" + marker("second") + "d\n"


def test_half_lines_are_kept_until_they_end_or_the_name_changes():
    with Pipe() as pipe:
        output.set_name("one")
        print("half", end="", file=pipe.stream)
        assert pipe.read() == ""
        print(" whole", file=pipe.stream)
        assert pipe.read() == marker("one") + "half whole\n"
        print("left over", end="", file=pipe.stream)
        output.set_name("two")
        print("new", file=pipe.stream)
        assert pipe.read() == "left over\n" + marker("two") + "new\n"
        print("flushed", end="", file=pipe.stream, flush=True)
        assert pipe.read() == "flushed"
        pipe.stream.write("\ud800\n")
        assert pipe.read() == "\\ud800\n"


def test_lines_of_threads_do_not_mix():
    with Pipe() as pipe:
        output.set_name("threads")

        def work(letter):
            for _ in range(100):
                print(letter * 50, file=pipe.stream)

        threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = pipe.read().splitlines()[1:]
        assert len(lines) == 400 and all(len(set(line)) == 1 and len(line) == 50 for line in lines)


def test_echoes_of_other_workers_are_counted_and_said():
    seen = Deduplicator()
    assert seen.take("f", 1, False, "line", 0.0)
    assert seen.take("f", 1, False, "line", 0.1)
    assert not seen.take("f", 2, False, "line", 0.2)
    assert not seen.take("f", 3, False, "line", 0.3)
    assert seen.take("f", 2, True, "line", 0.3)
    assert seen.expired(1.0) == []
    assert seen.expired(WINDOW_S) == [("f", 1, False, "line [printed 2 times more by other workers]")] or seen.expired(
        99
    )
    assert seen.take("f", 4, False, "line", WINDOW_S + 1)
    assert Deduplicator(False).take("f", 1, False, "x", 0) and Deduplicator().take("f", 1, False, " ", 0)


def test_the_guilty_member_is_named(capsys):
    from trygon.util import inspect_serializability

    lock = threading.Lock()

    class Holder:
        def __init__(self):
            self.fine = 1
            self.lock = lock

    def uses():
        return lock

    fine, failures = inspect_serializability({"a": Holder()}, name="value")
    assert not fine
    assert {(failure.name, failure.obj) for failure in failures} == {("value['a'].lock", lock)}
    assert "value['a'].lock" in capsys.readouterr().out
    fine, failures = inspect_serializability(uses)
    assert not fine and next(iter(failures)).obj is lock
    assert inspect_serializability([1, 2]) == (True, set())


def test_the_machine():
    assert 1 <= machine.cpu_count() <= (os.cpu_count() or 1)
    assert machine.memory_bytes() > 50_000_000
    assert machine.gpu_count() >= 0


def test_visible_devices_limit_gpus(monkeypatch):
    monkeypatch.setattr(os, "listdir", lambda path: ["nvidia0", "nvidia1", "nvidiactl", "null"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert machine.gpu_count() == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert machine.gpu_count() == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.gpu_count() == 0

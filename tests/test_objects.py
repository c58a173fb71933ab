"""`put` and `get`."""

import pytest
import trygon


def test_small_and_large(engine, empty_table):
    for size in (0, 1, 1000, 100_000, 200_000, 5_000_000):
        data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        ref = trygon.put(data)
        assert trygon.get(ref) == data
        assert trygon.get(trygon.remote(lambda value: value).remote(ref)) == data
        assert trygon.get(trygon.remote(len).remote(data)) == size
    del ref


def test_changing_a_result_does_not_change_the_object(engine):
    ref = trygon.put([1, 2])
    trygon.get(ref).append(3)
    assert trygon.get(ref) == [1, 2]


def test_get_takes_lists_only(engine):
    ref = trygon.put(1)
    assert trygon.get([]) == []
    assert trygon.get([ref, ref]) == [1, 1]
    for wrong in ((ref,), {ref}, 1, None, "ab"):
        with pytest.raises(ValueError, match="get"):
            trygon.get(wrong)
    with pytest.raises(TypeError, match="ObjectRef"):
        trygon.get([ref, 1])
    with pytest.raises(ValueError, match=r"f\.remote"):
        trygon.get(trygon.remote(lambda: 1))
    with pytest.raises(ValueError, match="timeout"):
        trygon.get(trygon.remote(lambda: __import__("time").sleep(0.2)).remote(), timeout=-1)


def test_put_refuses_a_reference(engine):
    with pytest.raises(TypeError, match="stored already"):
        trygon.put(trygon.put(1))
    assert trygon.get(trygon.get(trygon.put([trygon.put(1)]))[0]) == 1


def test_reference_is_a_good_key(engine):
    ref = trygon.put(1)
    other = trygon.put(1)
    same = trygon.get(trygon.put([ref]))[0]
    assert same == ref and hash(same) == hash(ref) and same is not ref
    assert ref != other and len({ref, other, same}) == 2
    assert len(ref.hex()) == 56 and len(ref.binary()) == 28 and len(ref.task_id().binary()) == 24
    assert repr(ref) == f"ObjectRef({ref.hex()})"
    assert (ref < other) != (other < ref)


def test_timeout(engine):
    slow = trygon.remote(lambda: __import__("time").sleep(1)).remote()
    for timeout in (0, 0.05):
        with pytest.raises(trygon.exceptions.GetTimeoutError):
            trygon.get(slow, timeout=timeout)
        with pytest.raises(TimeoutError):
            trygon.get([slow], timeout=timeout)
    assert trygon.get(slow) is None


def test_custom_serializer(engine):
    class Socketlike:
        def __init__(self, port):
            self.port = port

        def __reduce__(self):
            raise TypeError("not this way")

    with pytest.raises(TypeError, match="Socketlike"):
        trygon.put(Socketlike(1))
    trygon.util.register_serializer(
        Socketlike, serializer=lambda one: one.port, deserializer=lambda port: ("made", port)
    )
    try:
        assert trygon.get(trygon.put(Socketlike(5))) == ("made", 5)
        assert trygon.get(trygon.remote(lambda x: x).remote([Socketlike(6)])) == [("made", 6)]
    finally:
        trygon.util.deregister_serializer(Socketlike)
    with pytest.raises(TypeError):
        trygon.put(Socketlike(1))


def test_what_cannot_be_sent_is_named(engine):
    import threading

    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"lock \(closure of.*_thread\.lock|lock.*_thread.lock"):
        trygon.remote(lambda: lock).remote()
    with pytest.raises(TypeError, match=r"\['b'\].*_thread\.lock"):
        trygon.remote(lambda x: x).remote({"a": 1, "b": lock})
    with pytest.raises(TypeError, match="inspect_serializability"):
        trygon.put(lock)


def test_instances_of_local_classes_keep_their_class(engine):
    class Point:
        def __init__(self, x):
            self.x = x

    got = trygon.get(trygon.remote(lambda point: point).remote(Point(3)))
    assert isinstance(got, Point) and got.x == 3


def test_what_came_with_a_registered_serializer_can_be_passed_on(engine):
    class Meter:
        def __init__(self, value):
            import threading

            self.value, self.lock = value, threading.Lock()

    @trygon.remote
    def value_of(meter):
        return meter.value

    @trygon.remote
    def pass_on(meter):
        return meter, trygon.get(value_of.remote(meter))

    trygon.util.register_serializer(Meter, serializer=lambda meter: meter.value, deserializer=Meter)
    try:
        meter, value = trygon.get(pass_on.remote(Meter(3)))
        assert meter.value == value == 3 and meter.lock is not None
    finally:
        trygon.util.deregister_serializer(Meter)
    with pytest.raises(TypeError):
        value_of.remote(Meter(3))

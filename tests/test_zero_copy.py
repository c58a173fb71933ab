"""Arrays come back as read-only views on shared memory, which live as long as the view."""

import gc
import time

import leaks
import pytest
import trygon

numpy = pytest.importorskip("numpy")
try:
    # Imported before the leak check looks: its allocator keeps a thread.
    import pyarrow

    pyarrow.py_buffer(b"").to_pybytes()
except ImportError:
    pyarrow = None


def in_store(array):
    """Whether the array's memory is shared memory of the engine."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        for line in maps:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if start <= address < end:
                return "memfd" in line
    return False


def test_numpy_is_a_read_only_view(engine):
    array = numpy.arange(1_000_000, dtype=numpy.float64)
    ref = trygon.put(array)
    first, second = trygon.get(ref), trygon.get(ref)
    assert numpy.array_equal(first, array) and in_store(first)
    assert first.__array_interface__["data"] == second.__array_interface__["data"]
    assert not first.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1
    assert first.__array_interface__["data"][0] % 64 == 0


def test_the_view_outlives_the_reference(engine):
    ref = trygon.put(numpy.full(500_000, 7.0))
    view = trygon.get(ref)[10:]
    del ref
    gc.collect()
    others = [trygon.put(numpy.full(500_000, float(i))) for i in range(20)]
    assert (view == 7.0).all()
    del others, view


def test_memory_comes_back_when_the_view_goes(engine):
    view = trygon.get(trygon.put(numpy.zeros(500_000)))
    assert leaks.live_objects()
    del view
    deadline = time.monotonic() + 2
    while leaks.live_objects() and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert not leaks.live_objects()


def test_arguments_and_results_are_views(engine):
    @trygon.remote
    def scale(array):
        assert not array.flags.writeable
        return array * 2

    array = numpy.arange(300_000)
    result = trygon.get(scale.remote(trygon.put(array)))
    assert numpy.array_equal(result, array * 2) and in_store(result) and not result.flags.writeable
    assert numpy.array_equal(trygon.get(scale.remote(array)), array * 2)


@pytest.mark.parametrize(
    "array",
    [
        numpy.zeros(0),
        numpy.array(5),
        numpy.arange(10),
        numpy.arange(60_000, dtype=">i4"),
        numpy.asfortranarray(numpy.random.default_rng(0).random((300, 400))),
        numpy.arange(1_000_000)[::3],
        numpy.array(["a", "bc"]),
        numpy.array([{"a": 1}, None], dtype=object),
        numpy.zeros(70_000, dtype=[("x", "f4"), ("y", "i8")]),
        numpy.ones((3, 0, 5)),
    ],
    ids=["empty", "scalar", "small", "big-endian", "fortran", "strided", "text", "objects", "record", "no-elements"],
)
def test_kinds_of_arrays(engine, array):
    got = trygon.get(trygon.put(array))
    assert got.dtype == array.dtype and got.shape == array.shape and (got == array).all()


def test_several_arrays_in_one_value(engine):
    value = {"a": numpy.arange(100_000), "b": [numpy.ones(200_000), b"raw" * 100_000], "c": "text"}
    got = trygon.get(trygon.remote(lambda x: x).remote(value))
    assert (
        numpy.array_equal(got["a"], value["a"])
        and numpy.array_equal(got["b"][0], value["b"][0])
        and got["b"][1] == value["b"][1]
    )
    assert in_store(got["a"]) and in_store(got["b"][0])


def test_a_kept_argument_stays_valid(engine):
    @trygon.remote
    class Keeper:
        def keep(self, array):
            self.array = array

        def total(self):
            return float(self.array.sum())

    keeper = Keeper.remote()
    trygon.get(keeper.keep.remote(trygon.put(numpy.ones(1_000_000))))
    gc.collect()
    filler = [trygon.put(numpy.zeros(1_000_000)) for _ in range(10)]
    assert trygon.get(keeper.total.remote()) == 1_000_000
    del filler


def test_arrow(engine):
    arrow = pyarrow or pytest.skip("no pyarrow")
    table = arrow.table({"x": numpy.arange(200_000), "name": ["n"] * 200_000})
    ref = trygon.put(table)
    before = arrow.total_allocated_bytes()
    got = trygon.get(ref)
    assert got.equals(table)
    assert arrow.total_allocated_bytes() - before < 100_000
    del got


def test_torch(engine):
    torch = pytest.importorskip("torch")
    tensor = torch.arange(300_000, dtype=torch.float32).reshape(300, 1000)
    got = trygon.get(trygon.put({"t": tensor, "half": tensor.bfloat16(), "one": torch.tensor(3)}))
    assert torch.equal(got["t"], tensor) and torch.equal(got["half"], tensor.bfloat16()) and got["one"] == 3
    assert in_store(got["t"].numpy())


def test_made_in_the_store(engine):
    from trygon.experimental import empty, zeros

    made = empty((1000, 500), dtype="float32")
    assert in_store(made.array)
    made.array[:] = 3
    made[0, 0] = 4
    address = made.array.__array_interface__["data"][0]
    ref = trygon.put(made)
    got = trygon.get(ref)
    assert got.shape == (1000, 500) and got.dtype == numpy.float32 and got[0, 0] == 4 and got[1, 1] == 3
    assert in_store(got) and not got.flags.writeable and not made.array.flags.writeable
    assert trygon.get(trygon.remote(lambda array: float(array.sum())).remote(ref)) == 3 * 500_000 + 1
    assert trygon.put(made) == ref
    assert isinstance(address, int)
    assert (trygon.get(trygon.put(zeros(10))) == 0).all()
    with pytest.raises(TypeError, match="Python objects"):
        empty(3, dtype=object)
    with pytest.raises(TypeError, match="put"):
        trygon.remote(len).remote(empty(3))


def test_an_array_that_is_never_sealed_leaves_nothing(engine):
    from trygon.experimental import empty

    made = empty(1_000_000)
    made.array.fill(1)
    del made
    gc.collect()
    deadline = time.monotonic() + 2
    while leaks.live_objects() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not leaks.live_objects()

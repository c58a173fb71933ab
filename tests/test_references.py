"""Reference counting: what keeps an object alive, and that nothing else does."""

import gc
import pickle
import time

import leaks
import pytest
import trygon


@trygon.remote
def identity(x):
    return x


@trygon.remote
def read(box):
    return trygon.get(box[0])


@trygon.remote
def make(value):
    return [trygon.put(value)]


@trygon.remote
class Keeper:
    def keep(self, box):
        self.box = box

    def read(self):
        return trygon.get(self.box[0])

    def drop(self):
        self.box = None

    def make(self, value):
        self.own = trygon.put(value)
        return [self.own]


def freed(limit_s=3.0):
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        gc.collect()
        if not leaks.live_objects():
            return True
        time.sleep(0.01)
    return leaks.live_objects()


def store_bytes():
    from trygon._core.state import query

    return query("store")


def test_dropped_references_free_objects(engine):
    refs = (
        [trygon.put(i) for i in range(100)]
        + [trygon.put(b"x" * 300_000) for _ in range(5)]
        + [identity.remote(i) for i in range(50)]
    )
    trygon.get(refs)
    del refs
    assert freed() is True


def test_an_argument_in_flight_keeps_its_object(engine):
    slow = trygon.remote(lambda x, box: (time.sleep(0.3), trygon.get(box[0]), x)[1:])
    ref, inner = trygon.put("direct"), trygon.put("inside" * 30_000)
    result = slow.remote(ref, [inner])
    del ref, inner
    gc.collect()
    assert trygon.get(result)[1] == "direct"
    del result
    assert freed() is True


def test_a_borrower_keeps_it(engine):
    keeper = Keeper.remote()
    ref = trygon.put("kept" * 50_000)
    trygon.get(keeper.keep.remote([ref]))
    del ref
    gc.collect()
    time.sleep(0.2)
    assert trygon.get(keeper.read.remote()) == "kept" * 50_000
    trygon.get(keeper.drop.remote())
    trygon.kill(keeper)
    del keeper
    assert freed() is True


def test_a_borrower_that_dies_lets_go(engine):
    keeper = Keeper.remote()
    ref = trygon.put("kept")
    trygon.get(keeper.keep.remote([ref]))
    del ref
    trygon.kill(keeper)
    del keeper
    assert freed() is True


def test_a_chain_of_borrowers(engine):
    @trygon.remote
    def forward(box, keeper, depth):
        if depth:
            return trygon.get(forward.remote(box, keeper, depth - 1))
        return trygon.get(keeper.keep.remote(box))

    for depth in (0, 1, 1, 1, 2, 3):
        keeper = Keeper.remote()
        ref = trygon.put("far")
        trygon.get(forward.remote([ref], keeper, depth), timeout=30)
        del ref
        gc.collect()
        time.sleep(0.05)
        assert trygon.get(keeper.read.remote(), timeout=10) == "far", depth


def test_references_in_results_are_borrowed(engine):
    keeper = Keeper.remote()
    box = trygon.get(keeper.make.remote("made there"))
    assert trygon.get(box[0]) == "made there"
    assert trygon.get(read.remote(box), timeout=10) == "made there"
    del box
    trygon.kill(keeper)
    del keeper
    assert freed() is True


def test_reference_made_by_a_task_outlives_it(engine):
    for size in (10, 1_000_000):
        box = trygon.get(make.remote("x" * size))
        time.sleep(0.1)
        assert len(trygon.get(box[0], timeout=10)) == size
    del box
    assert freed() is True


def test_nested_objects(engine):
    inner = trygon.put("inner")
    outer = trygon.put({"box": [inner]})
    del inner
    gc.collect()
    again = trygon.get(outer)["box"][0]
    del outer
    gc.collect()
    assert trygon.get(again) == "inner"
    assert trygon.get(read.remote([again])) == "inner"
    del again
    assert freed() is True


def test_nested_three_deep_and_passed_on(engine):
    ref = trygon.put(0)
    for _ in range(3):
        ref = trygon.put([ref])

    @trygon.remote
    def unwrap(value):
        while isinstance(value, list):
            value = trygon.get(value[0])
        return value

    assert trygon.get(unwrap.remote(ref), timeout=10) == 0
    del ref
    assert freed() is True


def test_a_reference_returned_unread(engine):
    @trygon.remote
    def spawn(n):
        return [identity.remote(i) for i in range(n)]

    assert trygon.get(trygon.get(spawn.remote(5)), timeout=10) == list(range(5))
    spawn.remote(5)
    assert freed() is True


def test_closure_over_a_reference(engine):
    ref = trygon.put("closed over")
    use = trygon.remote(lambda: trygon.get(ref))
    assert trygon.get(use.remote(), timeout=10) == "closed over"


def test_pickled_outside_the_engine_it_is_pinned(engine):
    ref = trygon.put("pinned")
    data = pickle.dumps(ref)
    del ref
    gc.collect()
    time.sleep(0.1)
    assert trygon.get(pickle.loads(data)) == "pinned"


def test_results_nobody_wants(engine):
    for _ in range(200):
        identity.remote(b"x" * 1000)
    for _ in range(5):
        identity.remote(b"x" * 300_000)
    assert freed(5) is True


def test_failed_tasks_leave_nothing(engine):
    @trygon.remote
    def bad(box):
        raise ValueError(len(box))

    refs = [bad.remote([trygon.put(i)]) for i in range(20)]
    for ref in refs:
        with pytest.raises(ValueError):
            trygon.get(ref)
    del refs, ref
    assert freed() is True


def test_shared_memory_comes_back(engine):
    for _ in range(20):
        ref = trygon.put(b"x" * 50_000_000)
        assert len(trygon.get(ref)) == 50_000_000
        del ref
    assert freed() is True
    used = store_bytes()
    assert used.get("objects", 0) == 0, used


def test_a_reference_that_a_task_pickles_itself_stays_good(engine):
    """Nobody can say when such a copy goes, so the object stays as long as the job."""

    @trygon.remote
    def pickled():
        return pickle.dumps(trygon.put(42))

    data = trygon.get(pickled.remote())
    gc.collect()
    time.sleep(0.1)
    assert trygon.get(pickle.loads(data), timeout=10) == 42

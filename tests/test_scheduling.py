"""Where tasks and actors run: strategies, labels, accelerators, memory; and a fair order among those who wait."""

import threading
import time
import warnings

import pytest
import trygon
from trygon import exceptions
from trygon.util.scheduling_strategies import (
    DoesNotExist,
    Exists,
    In,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    NotIn,
    PlacementGroupSchedulingStrategy,
)


@trygon.remote
def held():
    return trygon.get_runtime_context().get_assigned_resources()


@trygon.remote
def sleep(seconds):
    time.sleep(seconds)
    return "slept"


@trygon.remote
class Actor:
    def held(self):
        return trygon.get_runtime_context().get_assigned_resources()


@pytest.fixture
def labelled():
    with trygon.init(num_cpus=2, labels={"zone": "a", "example.com/disk": "ssd"}) as context:
        yield context


def runs(**options):
    return trygon.get(held.options(**options).remote(), timeout=5) == {"CPU": 1.0}


def waits(**options):
    """It neither runs nor fails."""
    reference = held.options(**options).remote()
    return trygon.wait([reference], timeout=0.15)[0] == []


def test_named_strategies(engine):
    for strategy in ("DEFAULT", "SPREAD", None):
        assert runs(scheduling_strategy=strategy)
        actor = Actor.options(scheduling_strategy=strategy).remote()
        assert trygon.get(actor.held.remote(), timeout=5) == {}


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"scheduling_strategy": "FAST"}, ValueError, "SPREAD"),
        ({"scheduling_strategy": 3}, TypeError, "NodeAffinitySchedulingStrategy"),
        ({"scheduling_strategy": NodeAffinitySchedulingStrategy("ab", soft=False)}, ValueError, "hexadecimal"),
        ({"label_selector": 3}, TypeError, "label_selector"),
        ({"label_selector": {"a": 1}}, TypeError, "label_selector"),
        ({"label_selector": {1: "a"}}, TypeError, "label_selector"),
        ({"label_selector": {"": "a"}}, ValueError, "label_selector"),
        ({"label_selector": {"-a": "b"}}, ValueError, "label"),
        ({"label_selector": {"a": "b c"}}, ValueError, "!in"),
        ({"label_selector": {"a": "in()"}}, ValueError, "!in"),
        ({"label_selector": {"a": "in(a"}}, ValueError, "!in"),
        ({"label_selector": {"a": "!"}}, ValueError, "!in"),
        ({"label_selector": {"a": "b|c"}}, ValueError, "!in"),
        ({"label_selector": {"a": "*"}}, ValueError, "!in"),
        ({"fallback_strategy": 3}, TypeError, "fallback_strategy"),
        ({"fallback_strategy": {"label_selector": {"a": "b"}}}, TypeError, "list"),
        ({"fallback_strategy": [3]}, ValueError, "label_selector"),
        ({"fallback_strategy": [{}]}, ValueError, "label_selector"),
        ({"fallback_strategy": [{"x": 1}]}, ValueError, "'x'"),
        ({"fallback_strategy": [{"label_selector": {"a": 1}}]}, TypeError, "label_selector"),
        ({"accelerator_type": 3}, TypeError, "accelerator_type"),
        ({"placement_group_capture_child_tasks": 1}, TypeError, "capture"),
        ({"placement_group_bundle_index": "1"}, TypeError, "bundle_index"),
    ],
)
def test_what_says_nothing_of_a_place_is_refused_at_the_call(options, error, named):
    for target in (held, Actor):
        with pytest.raises(error, match=named):
            target.options(**options).remote()
    assert not trygon.is_initialized()


def test_strategies_check_themselves():
    with pytest.raises(TypeError, match="soft"):
        NodeAffinitySchedulingStrategy("a" * 56)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="node_id"):
        NodeAffinitySchedulingStrategy(3, soft=True)
    with pytest.raises(ValueError, match="soft=True"):
        NodeAffinitySchedulingStrategy("a" * 56, False, _spill_on_unavailable=True)
    with pytest.raises(ValueError, match="soft=False"):
        NodeAffinitySchedulingStrategy("a" * 56, True, _fail_on_unavailable=True)
    for hard in ({}, None):
        with pytest.raises(ValueError, match="both are empty"):
            NodeLabelSchedulingStrategy(hard)
    for hard in ({"a": "b"}, {1: In("a")}, 3):
        with pytest.raises(ValueError, match="hard"):
            NodeLabelSchedulingStrategy(hard)
    with pytest.raises(ValueError, match="soft"):
        NodeLabelSchedulingStrategy({"a": Exists()}, soft={"a": "b"})
    for make in (In, NotIn):
        with pytest.raises(ValueError, match=make.__name__):
            make(3)
        with pytest.raises(ValueError, match="at least one"):
            make()


def test_equal_strategies_are_equal():
    assert PlacementGroupSchedulingStrategy(None) == PlacementGroupSchedulingStrategy(None)
    label = {"a": In("x", "y"), "b": DoesNotExist()}
    one, other = NodeLabelSchedulingStrategy(label), NodeLabelSchedulingStrategy(dict(label))
    assert one == other and hash(one) == hash(other) and one != NodeLabelSchedulingStrategy({"a": In("x")})
    assert NodeAffinitySchedulingStrategy("a" * 56, True) != NodeAffinitySchedulingStrategy("a" * 56, False)
    assert repr(In("a")) == "In('a')" and "soft=True" in repr(NodeAffinitySchedulingStrategy("a" * 56, True))


def test_on_this_node(engine):
    node = trygon.get_runtime_context().get_node_id()
    ids = (node, node.upper(), trygon.NodeID.from_hex(node))
    for node_id in ids:
        assert runs(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False))
    actor = Actor.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
    assert trygon.get(actor.held.remote(), timeout=5) == {}


def test_on_a_node_that_does_not_exist(engine):
    nowhere = "a" * 56
    hard = NodeAffinitySchedulingStrategy(nowhere, soft=False)
    for _ in range(2):
        with pytest.raises(exceptions.TaskUnschedulableError, match=nowhere):
            trygon.get(held.options(scheduling_strategy=hard).remote(), timeout=5)
    actor = Actor.options(scheduling_strategy=hard).remote()
    with pytest.raises(exceptions.ActorUnschedulableError, match=nowhere):
        trygon.get(actor.held.remote(), timeout=5)
    soft = NodeAffinitySchedulingStrategy(nowhere, soft=True, _spill_on_unavailable=True)
    assert runs(scheduling_strategy=soft)
    # A node that exists and is too small will not do either.
    here = NodeAffinitySchedulingStrategy(trygon.get_runtime_context().get_node_id(), soft=False)
    with pytest.raises(exceptions.TaskUnschedulableError, match="CPU: 50"):
        trygon.get(held.options(num_cpus=50, scheduling_strategy=here).remote(), timeout=5)


def test_on_a_node_with_labels(labelled):
    hard = NodeLabelSchedulingStrategy
    assert runs(scheduling_strategy=hard({"zone": In("a", "b"), "example.com/disk": Exists()}))
    assert runs(scheduling_strategy=hard({"zone": NotIn("b"), "other": DoesNotExist(), "more": NotIn("x")}))
    assert runs(scheduling_strategy=hard({}, soft={"zone": In("b")}))
    node = trygon.get_runtime_context().get_node_id()
    assert runs(scheduling_strategy=hard({"ray.io/node-id": In(node)}))
    for unmet in ({"zone": In("b")}, {"zone": NotIn("a")}, {"other": Exists()}, {"zone": DoesNotExist()}):
        assert waits(scheduling_strategy=hard(unmet))
    actor = Actor.options(scheduling_strategy=hard({"zone": In("a")})).remote()
    assert trygon.get(actor.held.remote(), timeout=5) == {}
    with pytest.raises(ValueError, match="value of a label"):
        held.options(scheduling_strategy=hard({"zone": In("a)&(b")}))


def test_label_selectors(labelled):
    node = trygon.get_runtime_context().get_node_id()
    met = ({}, {"zone": "a"}, {"zone": "in(a, b)"}, {"zone": "!b"}, {"other": "!a"}, {"trygon.io/node-id": node})
    for selector in met:
        assert runs(label_selector=selector), selector
    assert runs(label_selector={"zone": "a", "example.com/disk": "!in(hdd)"}, scheduling_strategy="SPREAD")
    for selector in ({"zone": "b"}, {"zone": "!a"}, {"zone": "!in(a,b)"}, {"zone": "a", "other": "x"}, {"zone": ""}):
        assert waits(label_selector=selector), selector
    actor = Actor.options(label_selector={"zone": "a"}).remote()
    assert trygon.get(actor.held.remote(), timeout=5) == {}


def test_fallbacks_are_tried_in_turn(labelled):
    here, elsewhere = {"label_selector": {"zone": "a"}}, {"label_selector": {"zone": "b"}}
    assert runs(label_selector={"zone": "c"}, fallback_strategy=[elsewhere, here])
    assert waits(label_selector={"zone": "c"}, fallback_strategy=[elsewhere])
    assert runs(fallback_strategy=[elsewhere]) and runs(label_selector={"zone": "a"}, fallback_strategy=[])
    # What every node must have holds for the fallbacks too.
    strategy = NodeLabelSchedulingStrategy({"zone": In("b")})
    assert waits(label_selector={"zone": "c"}, fallback_strategy=[here], scheduling_strategy=strategy)


def test_the_node_shows_its_labels(labelled):
    (node,) = trygon.nodes()
    labels = {"zone": "a", "example.com/disk": "ssd"}
    labels |= {"ray.io/node-id": node["NodeID"], "trygon.io/node-id": node["NodeID"]}
    assert node["Labels"] == labels == trygon.get_runtime_context().get_node_labels()


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (3, TypeError),
        ({"a": 1}, TypeError),
        ({1: "a"}, TypeError),
        ({"a b": "c"}, ValueError),
        ({"a": "b c"}, ValueError),
        ({"ray.io/node-id": "x"}, ValueError),
    ],
)
def test_what_is_no_label_is_refused_by_init(labels, error):
    with pytest.raises(error, match="label"):
        trygon.init(num_cpus=1, labels=labels)
    assert not trygon.is_initialized()


def test_resources_of_the_node(engine):
    total = trygon.cluster_resources()
    assert total["node:127.0.0.1"] == total["node:__internal_head__"] == 1
    assert total["memory"] > 0 and total["object_store_memory"] > 0 and total["widget"] == 2
    pinned = held.options(resources={"node:127.0.0.1": 0.01, "node:__internal_head__": 0.01})
    assert trygon.get(pinned.remote(), timeout=5)["node:127.0.0.1"] == 0.01


def test_memory_is_counted():
    with trygon.init(num_cpus=4, object_store_memory=80 * 10**6):
        total = trygon.cluster_resources()["memory"]
        half = sleep.options(num_cpus=0, memory=total * 0.6)
        began = time.monotonic()
        assert trygon.get([half.remote(0.2), half.remote(0.2)], timeout=10) == ["slept"] * 2
        assert time.monotonic() - began > 0.4
        found = trygon.get(held.options(num_cpus=0, memory=1000).remote(), timeout=5)
        assert found == {"memory": 1000.0}
        with pytest.raises(ValueError, match="object_store_memory"):
            held.options(object_store_memory=10)
        actor = Actor.options(object_store_memory=10**6).remote()
        assert trygon.get(actor.held.remote(), timeout=5) == {"object_store_memory": 10**6}
        assert trygon.available_resources()["object_store_memory"] == 79 * 10**6


def test_a_kind_of_accelerator_is_a_resource():
    with trygon.init(num_cpus=2, num_gpus=1, resources={"accelerator_type:A100": 1}):
        kind = {"accelerator_type:A100": 0.001}
        found = trygon.get(held.options(accelerator_type="A100").remote(), timeout=5)
        assert found == {"CPU": 1.0, **kind}
        actor = Actor.options(num_gpus=0.5, accelerator_type="A100").remote()
        assert kind.items() <= trygon.get(actor.held.remote(), timeout=5).items()
        assert waits(accelerator_type="T4")


def test_what_cannot_be_met_says_why_once(capfd):
    with trygon.init(num_cpus=2, labels={"zone": "a"}):
        never = held.options(resources={"gadget": 1})
        references = [never.remote() for _ in range(3)]
        references.append(held.options(label_selector={"zone": "b"}).remote())
        actor = Actor.options(num_cpus=50).remote()
        call = actor.held.remote()
        assert trygon.wait([*references, call], timeout=0.3)[0] == []
    said = "".join(capfd.readouterr())
    assert said.count("gadget: 1") == 1 and "CPU: 2" in said
    assert said.count("zone=b") == 1 and "zone=a" in said
    assert said.count("CPU: 50") == 1


# A fair order among those who wait (FAIR-1 of the node's brain).


class Endless(threading.Thread):
    """Keeps the engine busy with more short tasks of one CPU than there are CPUs."""

    def __init__(self, depth=64, seconds=0.005):
        super().__init__()
        self.depth, self.seconds = depth, seconds
        self.is_over, self.finished = False, 0

    def run(self):
        pending = [sleep.remote(self.seconds) for _ in range(self.depth)]
        while not self.is_over:
            done, pending = trygon.wait(pending, num_returns=1)
            self.finished += len(done)
            pending += [sleep.remote(self.seconds) for _ in done]
        trygon.get(pending)

    def __enter__(self):
        trygon.get([sleep.remote(0) for _ in range(8)])
        self.start()
        time.sleep(0.3)
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.join()


def test_a_large_task_is_not_overtaken_for_ever(engine):
    with Endless() as others:
        for _ in range(3):
            before = others.finished
            assert trygon.get(held.options(num_cpus=4).remote(), timeout=5) == {"CPU": 4.0}
            time.sleep(0.1)
            assert others.finished > before


def test_a_large_actor_is_not_overtaken_for_ever(engine):
    with Endless():
        actor = Actor.options(num_cpus=3).remote()
        assert trygon.get(actor.held.remote(), timeout=5) == {"CPU": 3.0}


def test_an_owner_with_endless_work_lets_others_in(engine):
    @trygon.remote(num_cpus=0)
    class Other:
        def work(self):
            return trygon.get([sleep.remote(0.001) for _ in range(20)], timeout=5)

    other = Other.remote()
    trygon.get(other.__ray_ready__.remote())
    with Endless():
        assert trygon.get(other.work.remote(), timeout=8) == ["slept"] * 20


def test_what_runs_may_wait_for_what_is_held_back(engine):
    """A task that looks for another by its own means keeps a large one waiting: the other must still get its CPU."""

    @trygon.remote
    class Flag:
        is_up = False

        def raise_it(self):
            self.is_up = True

        def read(self):
            return self.is_up

    @trygon.remote(num_cpus=3)
    def poll(flag):
        while not trygon.get(flag.read.remote()):
            time.sleep(0.01)
        return "seen"

    @trygon.remote
    def lift(flag):
        return trygon.get(flag.raise_it.remote())

    flag = Flag.options(num_cpus=0).remote()
    trygon.get(flag.read.remote())
    polling = poll.remote(flag)
    time.sleep(0.1)
    busy = sleep.remote(0.6)
    large = held.options(num_cpus=4).remote()
    time.sleep(0.3)
    lifting = lift.remote(flag)
    assert trygon.get([polling, lifting, busy, large], timeout=20) == ["seen", None, "slept", {"CPU": 4.0}]


def test_nothing_warns_by_itself(engine):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert runs(scheduling_strategy=PlacementGroupSchedulingStrategy(None))

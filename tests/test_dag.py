"""Graphs: bound calls, executed."""

import dataclasses
import os

import pytest
import trygon
from graph_parts import Counter, add, graph, kind, run
from trygon.dag import (
    ClassMethodNode,
    DAGInputData,
    DAGNode,
    FunctionNode,
    InputAttributeNode,
    InputNode,
    MultiOutputNode,
    plot,
)


def test_functions(engine):
    node = add.bind(add.bind(1, 2), right=add.bind(3, 4))
    assert isinstance(node, FunctionNode) and isinstance(node, DAGNode)
    assert run(node) == 10 == run(node)
    assert isinstance(node.execute(), trygon.ObjectRef)
    assert run(add.options(num_cpus=2).bind(1)) == 2
    assert run(add.bind(trygon.put(5), 6)) == 11


def test_nodes_in_containers(engine):
    @dataclasses.dataclass(frozen=True)
    class Pair:
        left: object
        right: object

    @trygon.remote
    def total(things):
        def flat(value):
            if isinstance(value, trygon.ObjectRef):
                return trygon.get(value)
            if isinstance(value, dict):
                return sum(flat(each) for pair in value.items() for each in pair if not isinstance(each, str))
            if isinstance(value, (list, tuple, set)):
                return sum(flat(each) for each in value)
            return flat(value.left) + flat(value.right) if isinstance(value, Pair) else value

        return flat(things)

    one, two = add.bind(0), add.bind(1)
    assert run(kind.bind([one])) == "list"
    assert run(total.bind([one, [two, (one,)]])) == 4
    assert run(total.bind({"a": one, "b": [two], "c": {"d": {two}}})) == 5
    assert run(total.bind(Pair(one, Pair(two, 10)))) == 13
    with InputNode() as given:
        node = total.bind([given, one, {"x": given}])
    assert run(node, 5) == 11


def test_a_shared_node_runs_once(engine):
    counter = Counter.remote()
    once = counter.add.bind(1)
    assert run(add.bind(once, once)) == 2
    assert run(add.bind(once, once)) == 4
    assert trygon.get(counter.add.remote(0)) == 2


def test_a_long_chain(engine):
    node = add.bind(0)
    for _ in range(3000):
        node = add.bind(node)
    assert run(node) == 3001


def test_actors_are_made_once_for_each_execution(engine):
    actor = Counter.bind(5)
    pids = MultiOutputNode([actor.pid.bind(), actor.pid.bind()])
    first, second = run_list(pids), run_list(pids)
    assert first[0] == first[1] and second[0] == second[1] and first != second
    assert run(actor.add.bind(1)) == 6
    handle = Counter.bind(1).execute()
    assert trygon.get(handle.add.remote(2)) == 3
    assert run(Counter.bind(add.bind(1, 1)).add.bind(1)) == 3
    assert run(Counter.options(name="named").bind(7).add.bind(1)) == 8


def run_list(node, *args, **kwargs):
    return trygon.get(node.execute(*args, **kwargs), timeout=20)


def test_calls_on_a_new_actor_keep_their_order(engine):
    actor = Counter.bind()
    first = actor.add.bind(10)
    second = actor.add.bind(100)
    assert run(second) == 110 == run(second)
    assert run(first) == 10
    assert second.get_other_args_to_resolve()["prev_class_method_call"] is first


def test_methods_of_an_actor_that_is_there(engine):
    counter = Counter.remote(10)
    one, two = counter.add.bind(1), counter.add.bind(2)
    assert isinstance(one, ClassMethodNode)
    assert run(two) == 12
    assert run(one) == 13
    assert two.get_args() == (2,) and two.get_kwargs() == {} and two.get_method_name() == "add"
    left, right = counter.two.options(num_returns=2).bind(4)
    assert trygon.get([left.execute(), right.execute()]) == [4, 8]
    left, right = counter.declared_two.bind(add.bind(1))
    assert run_list(MultiOutputNode([right, left, left])) == [6, 2, 2]
    assert right.is_class_method_output and right.output_idx == 1 and not left.class_method_call.is_class_method_output


def test_input(engine):
    with InputNode() as given:
        whole = add.bind(given, 10)
        by_position = add.bind(given[0], given[1])
        by_name = add.bind(given.left, given["right"])
        kind_of = kind.bind(given)
    assert run(whole, 5) == 15
    assert run(whole, trygon.put(5)) == 15
    assert run(by_position, 5, 6) == 11 == run(by_position, [5, 6])
    assert run(by_name, left=1, right=2) == 3
    assert run(kind_of, 1, 2) == run(kind_of, 1, name=2) == run(kind_of) == "DAGInputData"
    assert run(kind_of, [1]) == "list"
    with InputNode() as given:
        attribute = add.bind(given.x)
    assert run(attribute, dataclasses.make_dataclass("Point", ["x"])(4)) == 5
    with pytest.raises(IndexError, match="positional argument 1"):
        by_position.execute(5, left=3)
    with pytest.raises(KeyError, match="right"):
        by_name.execute(1, left=1)
    assert isinstance(given[0], InputAttributeNode) and given[0].key == 0
    assert DAGInputData(1, x=2)["x"] == 2


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "no arguments", lambda: InputNode(1)),
        (ValueError, "position or a name", lambda: InputNode()[1.5]),
        (ValueError, "list of nodes", lambda: MultiOutputNode(add.bind(1))),
        (ValueError, "constructor of Counter", lambda: Counter.bind(InputNode())),
        (ValueError, "constructor of Counter", lambda: Counter.bind([InputNode().x])),
        (AttributeError, "no method 'nothing'", lambda: Counter.bind().nothing.bind()),
        (AttributeError, "Use .execute", lambda: add.bind(1).remote()),
        (AttributeError, "use .bind", lambda: Counter.bind().add.remote()),
        (TypeError, "lacks the argument 'left'", lambda: add.bind().execute()),
        (NotImplementedError, "object store", lambda: add.bind(1).with_tensor_transport("nccl")),
        (ValueError, "InputNode", lambda: add.bind(1).experimental_compile()),
        (ValueError, "_max_inflight_executions", lambda: graph().experimental_compile(_max_inflight_executions=0)),
        (ValueError, "_submit_timeout", lambda: graph().experimental_compile(_submit_timeout="long")),
        (TypeError, "enable_asyncio", lambda: graph().experimental_compile(enable_asyncio=1)),
        (ValueError, "one InputNode", lambda: add.bind(InputNode(), InputNode()).experimental_compile()),
    ],
)
def test_what_is_refused(engine, error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_nodes_travel(engine):
    with InputNode() as given:
        node = add.bind(Counter.bind(3).add.bind(given.x), [1][0])
    copied = trygon.cloudpickle.loads(trygon.cloudpickle.dumps(node))
    assert copied.get_stable_uuid() == node.get_stable_uuid()
    assert run(copied, x=4) == 8

    @trygon.remote
    def elsewhere(nodes):
        return trygon.get(nodes[0].execute(x=1))

    assert trygon.get(elsewhere.remote([node])) == 5


def test_what_a_node_tells(engine):
    with InputNode() as given:
        node = add.bind(given, Counter.bind(1).add.bind(given.x))
    assert str(node).splitlines() == [
        "0: input",
        "1: Counter (actor)",
        "2: input.x <- 0",
        "3: Counter.add() <- 1, 2",
        "4: add() <- 0, 3",
    ]
    seen = []
    node.traverse_and_apply(seen.append)
    assert seen[-1] is node and len(seen) == 5
    first = add.bind(1)
    last = add.bind(first)
    last.execute(_ray_cache_refs=True)
    refs = last.get_object_refs_from_last_execute()
    assert trygon.get(refs[first.get_stable_uuid()]) == 2
    last.clear_cache()
    assert last.get_object_refs_from_last_execute() == {}


def test_pictures(engine, tmp_path):
    node = graph()
    assert plot(node, str(tmp_path / "graph.dot")).startswith("digraph {")
    assert "add()" in (tmp_path / "graph.dot").read_text()
    compiled = node.experimental_compile()
    assert compiled.visualize(format="ascii") == "0: input\n1: add() <- 0"
    assert '"add()"' in compiled.visualize(format="dot")
    if not any(os.access(os.path.join(folder, "dot"), os.X_OK) for folder in os.environ["PATH"].split(os.pathsep)):
        with pytest.raises(ImportError, match="Graphviz"):
            compiled.visualize(str(tmp_path / "graph"))


def test_the_inline_mode():
    with trygon.init(mode="inline"):
        counter = Counter.remote(10)
        with InputNode() as given:
            node = add.bind(Counter.bind(3).add.bind(given), counter.add.bind(given))
        assert [run(node, 1), run(node, 2)] == [4 + 11, 5 + 13]
        compiled = node.experimental_compile()
        assert trygon.get([compiled.execute(1), compiled.execute(1)]) == [4 + 14, 5 + 15]
        compiled.teardown()

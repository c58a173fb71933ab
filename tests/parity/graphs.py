"""Graphs of bound calls."""

import ray
from observe import case, raised, run
from ray.dag import InputNode, MultiOutputNode


@ray.remote
def add(a, b):
    return a + b


@ray.remote
def note(x):
    return x


@ray.remote
class Counter:
    def __init__(self, start=0):
        self.value = start

    def add(self, amount):
        self.value += amount
        return self.value


@case
def functions():
    return ray.get(add.bind(add.bind(1, 2), 3).execute())


@case
def inputs():
    with InputNode() as given:
        graph = add.bind(given, 10)
    return ray.get(graph.execute(1)), ray.get(graph.execute(2))


@case
def parts_of_inputs():
    with InputNode() as given:
        graph = add.bind(given[0], given.x)
    return ray.get(graph.execute(1, x=5))


@case
def keyed_inputs():
    with InputNode() as given:
        graph = add.bind(given["a"], given["b"])
    return raised(lambda: ray.get(graph.execute({"a": 1, "b": 2})))


@case
def actors():
    graph = Counter.bind(5).add.bind(2)
    return ray.get(graph.execute())


@case
def handles():
    counter = Counter.remote(1)
    with InputNode() as given:
        graph = counter.add.bind(given)
    return [ray.get(graph.execute(value)) for value in (1, 2)]


@case
def several_outputs():
    with InputNode() as given:
        graph = MultiOutputNode([add.bind(given, 1), add.bind(given, 2)])
    return ray.get(graph.execute(1))


@case
def shared_nodes_run_once():
    counter = Counter.remote()
    shared = counter.add.bind(1)
    return ray.get(add.bind(shared, shared).execute()), ray.get(counter.add.remote(0))


@case
def nested_in_containers():
    @ray.remote
    def total(box):
        return sum(ray.get(box) if isinstance(box[0], ray.ObjectRef) else box)

    return ray.get(total.bind([note.bind(1), note.bind(2)]).execute())


@case
def with_options():
    return ray.get(add.options(num_cpus=1).bind(1, 2).execute())


@case
def errors():
    @ray.remote
    def fail(x):
        raise KeyError(x)

    return raised(lambda: ray.get(add.bind(fail.bind(1), 2).execute()))


@case
def compiled():
    counter = Counter.remote(1)
    with InputNode() as given:
        graph = counter.add.bind(given)
    compiled = graph.experimental_compile()
    found = [ray.get(compiled.execute(value)) for value in (1, 2)]
    compiled.teardown()
    return found


run(num_cpus=4)

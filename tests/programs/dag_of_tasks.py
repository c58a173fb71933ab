"""A graph that is bound once and run often."""

import ray
from ray.dag import InputNode

ray.init(num_cpus=4)


@ray.remote
def preprocess(text):
    return text.strip().lower()


@ray.remote
class Model:
    def __init__(self, suffix):
        self.suffix = suffix

    def predict(self, text):
        return text + self.suffix


@ray.remote
def combine(*answers):
    return " | ".join(answers)


first, second = Model.remote("!"), Model.remote("?")
with InputNode() as text:
    clean = preprocess.bind(text)
    graph = combine.bind(first.predict.bind(clean), second.predict.bind(clean))
for given in ("  Hello", "World  "):
    print(ray.get(graph.execute(given)))

"""Two stages of actors, fed through pools."""

import ray
from ray.util import ActorPool

ray.init(num_cpus=4)


@ray.remote
class Parser:
    def parse(self, line):
        name, number = line.split("=")
        return name, int(number)


@ray.remote
class Scorer:
    def __init__(self, factor):
        self.factor = factor

    def score(self, item):
        return item[0], item[1] * self.factor


lines = [f"n{number}={number}" for number in range(10)]
parsers = ActorPool([Parser.remote() for _ in range(2)])
scorers = ActorPool([Scorer.remote(10) for _ in range(2)])
parsed = parsers.map(lambda actor, line: actor.parse.remote(line), lines)
scored = scorers.map(lambda actor, item: actor.score.remote(item), parsed)
print(list(scored))
print(sorted(scorers.map_unordered(lambda actor, item: actor.score.remote(item), [("x", 1), ("y", 2)])))

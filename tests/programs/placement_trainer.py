"""Workers of one training run, placed together."""

import numpy as np
import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

ray.init(num_cpus=4)


@ray.remote(num_cpus=1)
class Trainer:
    def __init__(self, rank, world):
        self.rank, self.world = rank, world
        self.data = np.arange(rank, 40, world)

    def step(self, weight):
        return float((self.data * weight - 2 * self.data).mean())

    def place(self):
        return ray.util.get_current_placement_group().bundle_count, ray.get_runtime_context().get_actor_name()


group = placement_group([{"CPU": 1}] * 3, strategy="PACK")
ray.get(group.ready())
trainers = [
    Trainer.options(
        name=f"trainer-{rank}",
        scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank),
    ).remote(rank, 3)
    for rank in range(3)
]
weight = 0.0
for _ in range(10):
    weight -= 0.02 * sum(ray.get([trainer.step.remote(weight) for trainer in trainers])) / 3
print(round(weight, 3), ray.get([trainer.place.remote() for trainer in trainers]))
remove_placement_group(group)

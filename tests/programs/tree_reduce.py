"""Adds numbers in a tree of tasks."""

import ray

ray.init(num_cpus=4)


@ray.remote
def add(a, b):
    return a + b


values = [ray.put(number) for number in range(64)]
while len(values) > 1:
    values = values[2:] + [add.remote(values[0], values[1])]
print(ray.get(values[0]))

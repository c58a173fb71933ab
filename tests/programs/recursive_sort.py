"""Quick sort by tasks that make tasks."""

import random

import ray

ray.init(num_cpus=4)


@ray.remote
def sort(values):
    if len(values) < 200:
        return sorted(values)
    pivot = values[len(values) // 2]
    low = sort.remote([value for value in values if value < pivot])
    same = [value for value in values if value == pivot]
    high = sort.remote([value for value in values if value > pivot])
    return ray.get(low) + same + ray.get(high)


values = [random.Random(7).randrange(100000) for _ in range(1)] + [number * 7919 % 10007 for number in range(3000)]
print(ray.get(sort.remote(values)) == sorted(values))

"""Map and reduce: counts words."""

from collections import Counter

import ray

ray.init(num_cpus=4)

TEXT = ["the quick brown fox", "the lazy dog", "the fox and the dog", "quick quick slow"]


@ray.remote(num_returns=3)
def map_words(line):
    parts = [Counter() for _ in range(3)]
    for word in line.split():
        parts[len(word) % 3][word] += 1
    return parts


@ray.remote
def reduce_words(*parts):
    total = Counter()
    for part in parts:
        total.update(part)
    return total


mapped = [map_words.remote(line) for line in TEXT]
reduced = ray.get([reduce_words.remote(*[parts[index] for parts in mapped]) for index in range(3)])
whole = sum(reduced, Counter())
print(sorted(whole.items(), key=lambda item: (-item[1], item[0])))

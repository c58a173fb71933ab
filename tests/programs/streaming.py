"""A task that streams batches to tasks that work on them."""

import ray

ray.init(num_cpus=4)


@ray.remote
def read(batches, size):
    for batch in range(batches):
        yield list(range(batch * size, (batch + 1) * size))


@ray.remote
def transform(batch):
    return [item * 2 for item in batch]


pending = [transform.remote(ref) for ref in read.remote(4, 5)]
print(ray.get(pending))


@ray.remote
class Source:
    def numbers(self, count):
        for number in range(count):  # noqa: UP028
            yield number


source = Source.remote()
print([ray.get(ref) for ref in source.numbers.options(num_returns="streaming").remote(3)])

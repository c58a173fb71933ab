"""A counter that tasks find by its name."""

import ray

ray.init(num_cpus=4, namespace="counting")


@ray.remote
class Counter:
    def __init__(self):
        self.values = {}

    def add(self, key, amount=1):
        self.values[key] = self.values.get(key, 0) + amount

    def read(self):
        return self.values


@ray.remote
def work(number):
    counter = ray.get_actor("counter")
    ray.get(counter.add.remote("even" if number % 2 == 0 else "odd"))


counter = Counter.options(name="counter", get_if_exists=True).remote()
ray.get([work.remote(number) for number in range(10)])
print(sorted(ray.get(counter.read.remote()).items()))
print(ray.util.list_named_actors(), ray.get(ray.get_actor("counter", namespace="counting").read.remote())["odd"])
try:
    ray.get_actor("nobody")
except ValueError as error:
    print(type(error).__name__)

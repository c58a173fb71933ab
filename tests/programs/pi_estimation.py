"""Estimates pi; an actor keeps the progress."""

import random

import ray

ray.init(num_cpus=4)


@ray.remote
class Progress:
    def __init__(self, total):
        self.total, self.done = total, {}

    def report(self, task, count):
        self.done[task] = count

    def get(self):
        return sum(self.done.values()) / self.total


@ray.remote
def sample(samples, task, progress):
    generator = random.Random(task)
    inside = 0
    for index in range(samples):
        x, y = generator.random(), generator.random()
        inside += x * x + y * y <= 1
        if (index + 1) % 5000 == 0:
            progress.report.remote(task, index + 1)
    ray.get(progress.report.remote(task, samples))
    return inside


TASKS, SAMPLES = 6, 20_000
progress = Progress.remote(TASKS * SAMPLES)
results = [sample.remote(SAMPLES, task, progress) for task in range(TASKS)]
pi = 4 * sum(ray.get(results)) / (TASKS * SAMPLES)
print(round(pi, 2), ray.get(progress.get.remote()))

"""Tasks report to an actor; the driver waits for it with await-able events."""

import asyncio

import ray

ray.init(num_cpus=4)


@ray.remote
class ProgressBar:
    def __init__(self):
        self.counter, self.delta = 0, 0
        self.event = asyncio.Event()

    def update(self, count):
        self.counter += count
        self.delta += count
        self.event.set()

    async def wait_for_update(self):
        await self.event.wait()
        self.event.clear()
        delta, self.delta = self.delta, 0
        return delta, self.counter


@ray.remote
def work(bar, number):
    bar.update.remote(1)
    return number


bar = ProgressBar.remote()
results = [work.remote(bar, number) for number in range(20)]
seen = 0
while seen < 20:
    delta, seen = ray.get(bar.wait_for_update.remote())
print(seen, sum(ray.get(results)))

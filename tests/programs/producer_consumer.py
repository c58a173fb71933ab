"""Producers and consumers around a queue of limited size."""

import ray
from ray.util.queue import Empty, Queue

ray.init(num_cpus=6)

queue = Queue(maxsize=5)
END = None


@ray.remote
def produce(queue, start):
    for number in range(start, start + 10):
        queue.put(number)
    queue.put(END)


@ray.remote
def consume(queue):
    found = []
    while True:
        item = queue.get(timeout=20)
        if item is END:
            return found
        found.append(item)


consumers = [consume.remote(queue) for _ in range(2)]
producers = [produce.remote(queue, start) for start in (0, 100)]
ray.get(producers)
items = [item for found in ray.get(consumers) for item in found]
print(sorted(items))
try:
    queue.get(block=False)
except Empty:
    print("empty", queue.empty(), queue.size())

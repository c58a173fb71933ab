"""A parameter server and workers that send gradients, synchronously and asynchronously."""

import numpy as np
import ray

ray.init(num_cpus=4)


@ray.remote
class ParameterServer:
    def __init__(self, size):
        self.weights = np.zeros(size)
        self.updates = 0

    def apply(self, *gradients):
        self.weights = self.weights + np.sum(gradients, axis=0)
        self.updates += len(gradients)
        return self.weights

    def get(self):
        return self.weights

    def count(self):
        return self.updates


@ray.remote
class Worker:
    def __init__(self, seed):
        self.seed = seed

    def gradient(self, weights):
        return np.full(weights.shape, self.seed) - 0.1 * weights


server = ParameterServer.remote(10)
workers = [Worker.remote(seed) for seed in range(4)]

current = server.get.remote()
for _ in range(5):
    current = server.apply.remote(*[worker.gradient.remote(current) for worker in workers])
print("synchronous", np.round(ray.get(current), 4)[:3])

in_flight = {worker.gradient.remote(current): worker for worker in workers}
for _ in range(12):
    (done,), _ = ray.wait(list(in_flight))
    worker = in_flight.pop(done)
    current = server.apply.remote(done)
    in_flight[worker.gradient.remote(current)] = worker
ray.get(list(in_flight))
print("updates", ray.get(server.count.remote()))

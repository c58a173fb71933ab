"""A supervisor that makes workers, asks them, replaces one that dies."""

import os

import ray

ray.init(num_cpus=8)


@ray.remote
class Worker:
    def __init__(self, number):
        self.number = number

    def work(self):
        return self.number * self.number

    def die(self):
        os._exit(1)


@ray.remote
class Supervisor:
    def __init__(self, count):
        self.workers = [Worker.remote(number) for number in range(count)]
        self.replaced = 0

    def work(self):
        results = []
        for number, worker in enumerate(self.workers):
            try:
                results.append(ray.get(worker.work.remote()))
            except ray.exceptions.RayActorError:
                self.workers[number] = Worker.remote(number)
                self.replaced += 1
                results.append(ray.get(self.workers[number].work.remote()))
        return results

    def harm(self, number):
        try:
            ray.get(self.workers[number].die.remote())
        except ray.exceptions.RayActorError as error:
            return type(error).__name__

    def replacements(self):
        return self.replaced


supervisor = Supervisor.remote(3)
print(ray.get(supervisor.work.remote()))
print(ray.get(supervisor.harm.remote(1)))
print(ray.get(supervisor.work.remote()), ray.get(supervisor.replacements.remote()))

"""Tasks and actors that die now and then."""

import os
import tempfile

import ray

ray.init(num_cpus=4)
folder = tempfile.mkdtemp()


def tries(name):
    path = os.path.join(folder, name)
    with open(path, "a") as file:
        file.write("x")
    return os.path.getsize(path)


@ray.remote(max_retries=3)
def crashes_twice(name):
    if tries(name) < 3:
        os._exit(1)
    return "survived"


@ray.remote(max_retries=2, retry_exceptions=True)
def raises_once(name):
    if tries(name) < 2:
        raise ConnectionError("later")
    return "connected"


@ray.remote(max_restarts=2, max_task_retries=2)
class Fragile:
    def __init__(self):
        self.calls = 0

    def call(self, name):
        self.calls += 1
        if tries(name) == 2:
            os._exit(1)
        return self.calls


print(ray.get([crashes_twice.remote("a"), raises_once.remote("b")]))
fragile = Fragile.remote()
print([ray.get(fragile.call.remote("c")) for _ in range(4)])
try:
    ray.get(crashes_twice.options(max_retries=0).remote("d"))
except ray.exceptions.WorkerCrashedError as error:
    print(type(error).__name__)

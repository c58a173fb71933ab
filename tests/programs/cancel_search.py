"""The first answer wins, the other searches are cancelled."""

import time

import ray

ray.init(num_cpus=3)


@ray.remote
def search(name, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.02)
    return name


searches = {name: search.remote(name, seconds) for name, seconds in (("slow", 60), ("quick", 2), ("other", 60))}
(first,), rest = ray.wait(list(searches.values()))
print(ray.get(first))
for ref in rest:
    ray.cancel(ref)
for ref in rest:
    try:
        ray.get(ref)
    except ray.exceptions.TaskCancelledError:
        print("cancelled")

"""Trials as tasks, the best ones kept as they come."""

import ray

ray.init(num_cpus=4)


@ray.remote
def train(rate, momentum, data):
    loss = 1.0
    for value in data:
        loss = loss * (1 - rate) + 0.01 * momentum * value
    return {"rate": rate, "momentum": momentum, "loss": round(loss, 6)}


data = ray.put([1.0, 0.5, 0.25] * 10)
pending = [train.remote(rate, momentum, data) for rate in (0.01, 0.1, 0.3) for momentum in (0.0, 0.5, 0.9)]
best = None
while pending:
    (done,), pending = ray.wait(pending, num_returns=1)
    trial = ray.get(done)
    if best is None or trial["loss"] < best["loss"]:
        best = trial
print(best)

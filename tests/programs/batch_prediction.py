"""A model in the object store, predictors that share it."""

import numpy as np
import ray

ray.init(num_cpus=4)
model = ray.put(np.arange(12.0).reshape(4, 3))


@ray.remote
class Predictor:
    def __init__(self, model):
        self.model = model
        self.shared = not model.flags.writeable

    def predict(self, batch):
        return batch @ self.model, self.shared


@ray.remote
def load(number):
    return np.full((2, 4), number, dtype=float)


predictors = [Predictor.remote(model) for _ in range(2)]
results = ray.get([predictors[number % 2].predict.remote(load.remote(number)) for number in range(4)])
print([result[0].sum() for result in results])

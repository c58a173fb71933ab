"""A service with a loop in one thread, stopped by a call in another."""

import time

import ray

ray.init(num_cpus=4)


@ray.remote(max_concurrency=2)
class Service:
    def __init__(self):
        self.running, self.messages = False, []

    def start(self):
        self.running = True
        while self.running:
            time.sleep(0.01)
        return len(self.messages)

    def send(self, message):
        self.messages.append(message)

    def is_running(self):
        return self.running

    def stop(self):
        self.running = False


service = Service.remote()
done = service.start.remote()
while not ray.get(service.is_running.remote()):
    time.sleep(0.01)
for number in range(3):
    service.send.remote(number)
ray.get(service.stop.remote())
print(ray.get(done) in (2, 3))

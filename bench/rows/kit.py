"""The remote functions and actors that several rows use, made once per engine process.

They are all nested in methods on purpose: a nested function is shipped by value, so no worker has to find this module.
"""

from functools import cached_property


class Kit:
    """Remote functions and actors of one running engine, each made when first asked for."""

    def __init__(self, engine):
        self.engine = engine

    @cached_property
    def increment(self):
        """x -> x + 1"""

        @self.engine.remote
        def increment(x):
            return x + 1

        return increment

    @cached_property
    def batch(self):
        """(x, count) -> sum of `count` children's results, the children being increment(x), increment(x + 1), ..."""
        engine, increment = self.engine, self.increment

        @engine.remote
        def batch(x, count):
            return sum(engine.get([increment.remote(x + i) for i in range(count)]))

        return batch

    @cached_property
    def nested(self):
        """x -> x + 2, the first 1 being added by a child task."""
        engine, increment = self.engine, self.increment

        @engine.remote
        def nested(x):
            return engine.get(increment.remote(x)) + 1

        return nested

    @cached_property
    def put_small(self):
        """(x, count) -> sum of `count` small objects put by the task and read back by it at the end."""
        engine = self.engine

        @engine.remote
        def put_small(x, count):
            refs = [engine.put(x + i) for i in range(count)]
            return engine.get(refs[-1]) - x + 1

        return put_small

    @cached_property
    def put_large(self):
        """(x, count, length) -> puts `count` arrays of int64, returns the sum of their last items."""
        engine = self.engine

        @engine.remote
        def put_large(x, count, length):
            import numpy

            array = numpy.full(length, x, dtype=numpy.int64)
            total = 0
            for _ in range(count):
                ref = engine.put(array)
                total += int(engine.get(ref)[-1])
                del ref
            return total

        return put_large

    @cached_property
    def spin(self):
        """(iterations, x) -> x + 1 after that many turns of an empty loop."""

        @self.engine.remote
        def spin(iterations, x):
            for _ in range(iterations):
                pass
            return x + 1

        return spin

    @cached_property
    def spin_seconds(self):
        """iterations -> seconds that the loop of `spin` takes in the worker"""

        @self.engine.remote
        def spin_seconds(iterations):
            import time

            start = time.perf_counter()
            for _ in range(iterations):
                pass
            return time.perf_counter() - start

        return spin_seconds

    @cached_property
    def add_all(self):
        """(*values) -> their sum"""

        @self.engine.remote
        def add_all(*values):
            return sum(values)

        return add_all

    @cached_property
    def Server(self):
        """The actor class that answers x + 1."""

        @self.engine.remote(num_cpus=0)
        class Server:
            def increment(self, x):
                return x + 1

        return Server

    @cached_property
    def Client(self):
        """The actor class that calls others."""
        engine, increment = self.engine, self.increment

        @engine.remote(num_cpus=0)
        class Client:
            def __init__(self, servers):
                self.servers = servers

            def call_tasks(self, x, count):
                return sum(engine.get([increment.remote(x + i) for i in range(count)]))

            def call_servers(self, x, count):
                refs = [server.increment.remote(x + i) for server in self.servers for i in range(count)]
                return sum(engine.get(refs))

            def call_servers_with_object(self, x, count):
                argument = engine.put(x)
                refs = [server.increment.remote(argument) for server in self.servers for _ in range(count)]
                return sum(engine.get(refs))

        return Client

    @cached_property
    def servers(self):
        """Two actors that answer."""
        return [self.Server.remote() for _ in range(2)]

    @cached_property
    def clients(self):
        """Two actors that call, each knowing both servers."""
        return [self.Client.remote(self.servers) for _ in range(2)]

    @cached_property
    def ready(self):
        """Ten thousand references to small objects, and the values behind them."""
        values = [7 * i + 1 for i in range(10_000)]
        return [self.engine.put(value) for value in values], values

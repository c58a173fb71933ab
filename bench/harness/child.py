"""Runs inside an engine's own environment: executes row requests, one JSON object a line on stdin, answers likewise.

Nothing else may reach the answer stream, so standard output is moved aside first and what the engine prints goes to the
log with standard error. The imports are kept few, because this process is measured when the engine idles.
"""

import faulthandler
import json
import os
import signal
import sys
import time
import traceback


class Child:
    """The state of this process: the engine once started, and what its rows keep between repeats."""

    def __init__(self, engine_name: str, import_seconds: float):
        self.engine_name = engine_name
        self.import_seconds = import_seconds
        self.engine = None
        self.kit = None
        self.state: dict = {}

    def start(self, num_cpus: int | None = None, address: str = "", node_ip: str = "") -> dict:
        """Starts the engine with default options, or connects to the one at the address."""
        begin = time.perf_counter()
        if self.engine_name == "pool":
            import multiprocessing

            self.engine = multiprocessing.Pool(num_cpus)
        else:
            import importlib

            from rows.kit import Kit

            self.engine = importlib.import_module(self.engine_name)
            if not address:
                self.engine.init(num_cpus=num_cpus)
            elif self.engine_name == "ray":
                self.engine.init(address=address, _node_ip_address=node_ip)
            else:
                self.engine.init(address=address)
            self.kit = Kit(self.engine)
        return {"seconds": time.perf_counter() - begin}

    def run(self, request: dict) -> dict:
        """Runs one row and returns its metrics."""
        from rows import ROWS
        from rows.context import Context

        function = ROWS[request["row"]].function_for(self.engine_name)
        context = Context(
            self.engine_name, request["quick"], request["seed"], self.kit, self.state, self.import_seconds
        )
        return {"metrics": function(self.engine, context, **request.get("arguments", {}))}

    def stop(self) -> None:
        """Stops the engine in the way a program would."""
        self.kit = None
        self.state.clear()
        if self.engine is None:
            return
        if self.engine_name == "pool":
            self.engine.terminate()
        else:
            self.engine.shutdown()


def describe(error: BaseException) -> str:
    """One line that says what went wrong; the whole traceback is in the log."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # A remote error's text may be a whole traceback: its last line is the error itself.
    text = lines[-1] if lines else ""
    return f"{type(error).__name__}: {text}"[:200]


def main() -> None:
    """Answers requests until the input ends or says quit."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    begin = time.perf_counter()
    if sys.argv[1] == "pool":
        import multiprocessing  # noqa: F401  (timed here for the start-up row)
    child = Child(sys.argv[1], time.perf_counter() - begin)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["op"] == "quit":
                break
            print(f"=== {request}", file=sys.stderr, flush=True)
            answer = child.start(**{k: v for k, v in request.items() if k != "op"}) if request["op"] == "init" else child.run(request)
        except BaseException as error:  # noqa: BLE001  (whatever it is, the run goes on and the table says so)
            traceback.print_exc()
            answer = {"error": describe(error)}
        answers.write(json.dumps(answer) + "\n")
    child.stop()


if __name__ == "__main__":
    # This file is a script two levels below the folder that holds the rows.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    main()

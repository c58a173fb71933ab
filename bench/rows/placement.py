"""The row about placement groups: a hundred are made, waited for and removed."""

import importlib

from rows.context import check, clock
from rows.registry import row

GROUPS = 100
# So little that none waits for another.
CPUS = 0.001


@row("placement group create + remove", repeats={"ray": 2})
def create_and_remove(engine, context):
    module = importlib.import_module(f"{context.engine_name}.util.placement_group")

    def once() -> float:
        start = clock()
        groups = [module.placement_group([{"CPU": CPUS}]) for _ in range(GROUPS)]
        ready = sum(group.wait(30) for group in groups)
        for group in groups:
            module.remove_placement_group(group)
        seconds = clock() - start
        check(ready, GROUPS, "groups that were ready")
        return seconds

    return context.rate("placement group create + remove", GROUPS, once)

"""Placement groups and scheduling strategies on one machine."""

import time

import ray
from observe import case, describe, raised, run
from ray.util.placement_group import (
    PlacementGroup,
    get_current_placement_group,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import (
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)


def until(condition, limit_s=10):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@ray.remote
def inside():
    group = get_current_placement_group()
    return group and group.id.hex(), ray.get_runtime_context().get_assigned_resources().get("CPU")


def used(group, index=-1, **options):
    return inside.options(
        scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=index), **options
    )


@case
def create_use_remove():
    group = placement_group([{"CPU": 1}, {"CPU": 1}], strategy="PACK")
    ready = ray.get(group.ready())
    own, cpus = ray.get(used(group).remote())
    shape = group.bundle_count, group.bundle_specs, group.is_empty, type(group).__name__, type(ready).__name__
    waited = group.wait(5), group.wait(timeout_seconds=1)
    remove_placement_group(group)
    return (
        own == group.id.hex(),
        shape,
        waited,
        until(lambda: placement_group_table(group)["state"] == "REMOVED"),
        until(lambda: ray.available_resources().get("CPU") == 4),
    )


@case
def outside():
    return get_current_placement_group(), ray.get(inside.remote())[0]


@case
def strategies():
    found = {}
    for strategy in ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"):
        group = placement_group([{"CPU": 1}], strategy=strategy)
        found[strategy] = group.wait(10)
        remove_placement_group(group)
    until(lambda: ray.available_resources().get("CPU") == 4)
    return found


@case
def cannot_spread_on_one_machine():
    group = placement_group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_SPREAD")
    waited = group.wait(1)
    remove_placement_group(group)
    return waited


@case
def wrong_groups():
    return {
        "empty": raised(placement_group, []),
        "empty bundle": raised(placement_group, [{}]),
        "zero": raised(placement_group, [{"CPU": 0}]),
        "no list": raised(placement_group, {"CPU": 1}),
        "no dict": raised(placement_group, ["CPU"]),
        "strategy": raised(placement_group, [{"CPU": 1}], strategy="NO_SUCH"),
        "lifetime": raised(placement_group, [{"CPU": 1}], lifetime="for ever"),
    }


@case
def table():
    group = placement_group([{"CPU": 1}], name="tabled", strategy="SPREAD")
    group.wait(10)
    row = placement_group_table(group)
    every = placement_group_table()
    remove_placement_group(group)
    until(lambda: ray.available_resources().get("CPU") == 4)
    return (
        sorted(row),
        row["name"],
        row["state"],
        row["strategy"],
        row["bundles"],
        row["placement_group_id"] == group.id.hex(),
        group.id.hex() in every,
        sorted(row["stats"]),
    )


@case
def by_name():
    group = placement_group([{"CPU": 1}], name="named")
    group.wait(10)
    found = get_placement_group("named")
    remove_placement_group(group)
    return found.id == group.id, raised(get_placement_group, "nobody"), raised(get_placement_group, "")


@case
def bundles_by_index():
    group = placement_group([{"CPU": 1}, {"CPU": 2}])
    group.wait(10)
    result = (
        ray.get(used(group, 0).remote())[1],
        ray.get(used(group, 1, num_cpus=2).remote())[1],
        raised(lambda: used(group, 2).remote()),
        raised(lambda: used(group, -2).remote()),
        raised(lambda: used(group, num_cpus=3).remote()),
    )
    remove_placement_group(group)
    until(lambda: ray.available_resources().get("CPU") == 4)
    return result


@case
def actors_inside():
    @ray.remote(num_cpus=1)
    class Member:
        def group(self):
            return get_current_placement_group().id.hex()

    group = placement_group([{"CPU": 1}])
    member = Member.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group)).remote()
    same = ray.get(member.group.remote()) == group.id.hex()
    remove_placement_group(group)

    def dead():
        try:
            ray.get(member.group.remote(), timeout=5)
        except ray.exceptions.RayActorError as error:
            return describe(error)

    until(lambda: dead() is not None)
    return same, dead()


@case
def older_spelling():
    group = placement_group([{"CPU": 1}])
    group.wait(10)
    own, _ = ray.get(inside.options(placement_group=group, placement_group_bundle_index=0).remote())
    remove_placement_group(group)
    until(lambda: ray.available_resources().get("CPU") == 4)
    return own == group.id.hex()


@case
def children():
    @ray.remote(num_cpus=1)
    def parent():
        return ray.get(inside.options(num_cpus=0).remote())[0]

    group = placement_group([{"CPU": 2}])
    group.wait(10)
    found = [
        ray.get(
            parent.options(
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_capture_child_tasks=capture)
            ).remote()
        )
        for capture in (True, False, None)
    ]
    remove_placement_group(group)
    until(lambda: ray.available_resources().get("CPU") == 4)
    return [one == group.id.hex() for one in found]


@case
def resources_while_it_lives():
    group = placement_group([{"CPU": 2}, {"widget": 1}])
    group.wait(10)
    until(lambda: ray.available_resources().get("CPU") == 2)
    until(lambda: any(group.id.hex() in name for name in ray.cluster_resources()))
    until(lambda: "widget" not in ray.available_resources())
    left = ray.available_resources()
    whole = ray.cluster_resources()
    shown = sorted(name.replace(group.id.hex(), "ID") for name in whole if group.id.hex() in name)
    remove_placement_group(group)
    until(lambda: ray.available_resources().get("CPU") == 4)
    return left.get("CPU"), left.get("widget"), shown


@case
def waits_for_room():
    first = placement_group([{"CPU": 3}])
    first.wait(10)
    second = placement_group([{"CPU": 3}])
    early = second.wait(0.5)
    state = placement_group_table(second)["state"]
    remove_placement_group(first)
    later = second.wait(10)
    remove_placement_group(second)
    until(lambda: ray.available_resources().get("CPU") == 4)
    return early, state, later


@case
def travels():
    @ray.remote
    def look(group):
        return group.id.hex(), group.bundle_specs, ray.get(group.ready()) is not None

    group = placement_group([{"CPU": 1}])
    group.wait(10)
    identifier, specs, ready = ray.get(look.remote(group))
    remove_placement_group(group)
    return identifier == group.id.hex(), specs, ready, PlacementGroup.empty().is_empty


@case
def node_affinity():
    here = ray.get_runtime_context().get_node_id()
    nowhere = "ab" * 28
    return (
        ray.get(inside.options(scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False)).remote())[0],
        ray.get(inside.options(scheduling_strategy=NodeAffinitySchedulingStrategy(nowhere, soft=True)).remote())[0],
        raised(
            lambda: ray.get(
                inside.options(scheduling_strategy=NodeAffinitySchedulingStrategy(nowhere, soft=False)).remote(),
                timeout=10,
            )
        ),
        raised(NodeAffinitySchedulingStrategy, 5, soft=False),
        raised(NodeAffinitySchedulingStrategy, here),
        NodeLabelSchedulingStrategy.__name__,
    )


@case
def spread():
    return ray.get(inside.options(scheduling_strategy="SPREAD").remote())[0]


run(num_cpus=4, resources={"widget": 1})

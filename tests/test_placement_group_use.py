"""Tasks and actors in placement groups: where they run, what captures their children, what removal does to them."""

import pickle
import random
import time
import warnings

import pytest
import trygon
from groups import Member, available, everything_is_free, group_of_child, sleep, wait_until, where
from trygon import exceptions
from trygon.util import placement_group
from trygon.util.placement_group import (
    get_current_placement_group,
    get_placement_group,
    placement_group_table,
    remove_placement_group,
)
from trygon.util.scheduling_strategies import PlacementGroupSchedulingStrategy as InGroup


@pytest.fixture
def group(engine):
    group = placement_group([{"CPU": 1}, {"CPU": 1, "widget": 1}], name="team")
    assert group.wait(5)
    return group


def test_tasks_run_in_a_group(group):
    group_id = group.id.hex()
    assert trygon.get(where.remote()) == (None, {"CPU": 1.0})
    assert trygon.get(where.options(scheduling_strategy=InGroup(group)).remote()) == (group_id, {"CPU": 1.0})
    nothing = where.options(num_cpus=0, scheduling_strategy=InGroup(group, 0))
    assert trygon.get(nothing.remote()) == (group_id, {})
    with_widget = where.options(resources={"widget": 1}, scheduling_strategy=InGroup(group))
    assert trygon.get(with_widget.remote()) == (group_id, {"CPU": 1.0, "widget": 1.0})


def test_tasks_wait_for_their_bundle_and_for_nothing_else(group):
    first = sleep.options(scheduling_strategy=InGroup(group, 0)).remote(0.3)
    second = where.options(scheduling_strategy=InGroup(group, 0)).remote()
    other = where.options(scheduling_strategy=InGroup(group, 1)).remote()
    outside = where.remote()
    ready, _ = trygon.wait([first, second, other, outside], num_returns=2, timeout=5)
    assert set(ready) == {other, outside}
    assert trygon.get([first, second], timeout=5)[1][0] == group.id.hex()


def test_actors_live_in_a_group(group):
    group_id = group.id.hex()
    light = Member.options(scheduling_strategy=InGroup(group)).remote()
    held = Member.options(num_cpus=1, scheduling_strategy=InGroup(group, 1)).remote()
    assert trygon.get(light.where.remote(), timeout=5) == (group_id, {})
    assert trygon.get(held.where.remote(), timeout=5) == (group_id, {"CPU": 1.0})
    free = available()
    assert f"CPU_group_1_{group_id}" not in free and free[f"CPU_group_0_{group_id}"] == 1


def test_a_restarted_actor_is_in_its_group_again(group):
    @trygon.remote(max_restarts=1, max_task_retries=1, num_cpus=1)
    class Restarted(Member.__wrapped__):
        def die(self, life):
            import os

            if trygon.get_runtime_context().was_current_actor_reconstructed:
                return self.where()
            os._exit(1)

    actor = Restarted.options(scheduling_strategy=InGroup(group, 0)).remote()
    assert trygon.get(actor.die.remote(0), timeout=10) == (group.id.hex(), {"CPU": 1.0})


def test_the_group_is_known_to_tasks_and_actors(group):
    @trygon.remote
    def look(handle):
        current = get_current_placement_group()
        return current == handle, current.bundle_specs, handle.wait(1), get_placement_group("team") == handle

    same, bundles, ready, found = trygon.get(look.options(scheduling_strategy=InGroup(group)).remote(group), timeout=5)
    assert same and ready and found and bundles == group.bundle_specs


def test_a_task_may_make_and_use_and_remove_groups(engine):
    @trygon.remote(num_cpus=0)
    def make():
        inner = placement_group([{"CPU": 1}])
        used = trygon.get(where.options(scheduling_strategy=InGroup(inner)).remote())
        return inner, used[0]

    made, used = trygon.get(make.remote(), timeout=10)
    assert used == made.id.hex()
    # A group belongs to the program, not to the task that made it.
    assert placement_group_table(made)["state"] == "CREATED"
    assert trygon.get(where.options(scheduling_strategy=InGroup(made)).remote(), timeout=5)[0] == used
    remove_placement_group(made)
    everything_is_free()


def test_a_group_of_a_detached_actor_ends_with_it(engine):
    @trygon.remote(num_cpus=0)
    class Maker:
        def make(self, lifetime=None):
            group = placement_group([{"CPU": 0.5}], lifetime=lifetime)
            assert group.wait(5)
            return group

    plain, lasting = Maker.remote(), Maker.options(lifetime="detached", name="maker").remote()
    of_job, of_actor, detached = trygon.get(
        [plain.make.remote(), lasting.make.remote(), lasting.make.remote("detached")]
    )
    trygon.kill(plain)
    trygon.kill(lasting)
    wait_until(lambda: placement_group_table(of_actor)["state"] == "REMOVED")
    assert [placement_group_table(group)["state"] for group in (of_job, detached)] == ["CREATED"] * 2


def test_a_group_may_be_used_elsewhere_at_once(engine):
    """Its creation travels by another connection than the handle."""

    @trygon.remote(num_cpus=0)
    class User:
        def use(self, group):
            return trygon.get(where.options(scheduling_strategy=InGroup(group)).remote())[0]

    user = User.remote()
    trygon.get(user.__ray_ready__.remote())
    for _ in range(30):
        group = placement_group([{"CPU": 1}])
        assert trygon.get(user.use.remote(group), timeout=10) == group.id.hex()
        remove_placement_group(group)


def test_children_are_captured_when_they_are_to_be(group):
    group_id = group.id.hex()

    @trygon.remote
    def parent():
        children = [
            group_of_child,
            group_of_child.options(placement_group="default"),
            group_of_child.options(placement_group=None),
            group_of_child.options(scheduling_strategy="DEFAULT"),
            group_of_child.options(scheduling_strategy="SPREAD"),
        ]
        found = [trygon.get(child.remote()) for child in children]
        actor = Member.options(num_cpus=0).remote()
        found.append(trygon.get(actor.where.remote())[0])
        return found, trygon.get_runtime_context().should_capture_child_tasks_in_placement_group

    captured = parent.options(scheduling_strategy=InGroup(group, 0, True)).remote()
    assert trygon.get(captured, timeout=10) == ([group_id, group_id, None, None, None, group_id], True)
    free = parent.options(scheduling_strategy=InGroup(group, 0)).remote()
    assert trygon.get(free, timeout=10) == ([None] * 6, False)
    assert trygon.get(parent.remote(), timeout=10) == ([None] * 6, False)
    actor = Member.options(scheduling_strategy=InGroup(group, -1, True)).remote()
    assert trygon.get(actor.group_of_child.remote(), timeout=10) == group_id
    assert trygon.get(group_of_child.remote(), timeout=10) is None


def test_a_worker_follows_the_group_of_each_task(engine):
    """The same process runs tasks in two groups and outside, with and without capture."""
    groups = [placement_group([{"CPU": 1}]) for _ in range(2)]

    @trygon.remote
    def child():
        return trygon.get(group_of_child.remote())

    for _ in range(3):
        for group in groups:
            strategy = InGroup(group, placement_group_capture_child_tasks=True)
            assert trygon.get(child.options(scheduling_strategy=strategy).remote(), timeout=10) == group.id.hex()
            assert trygon.get(child.options(scheduling_strategy=InGroup(group)).remote(), timeout=10) is None
        assert trygon.get(child.remote(), timeout=10) is None


def test_a_task_that_waits_lends_its_bundle_to_its_children(engine):
    group = placement_group([{"CPU": 1}])

    @trygon.remote
    def nested(depth):
        return 1 if depth == 0 else 1 + trygon.get(nested.remote(depth - 1))

    strategy = InGroup(group, placement_group_capture_child_tasks=True)
    assert trygon.get(nested.options(scheduling_strategy=strategy).remote(4), timeout=20) == 5


def test_the_old_spelling_works_and_warns_once(group, monkeypatch):
    monkeypatch.setattr("trygon._core.scheduling._warned", False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = where.options(placement_group=group, placement_group_bundle_index=1)
        second = where.options(placement_group=group)
        actor = Member.options(placement_group=group).remote()
    assert [entry.category for entry in caught] == [DeprecationWarning]
    assert "PlacementGroupSchedulingStrategy" in str(caught[0].message)
    found = trygon.get([first.remote(), second.remote(), actor.where.remote()], timeout=10)
    assert [group_id for group_id, _ in found] == [group.id.hex()] * 3


def test_what_does_not_fit_is_refused_at_the_call(group):
    for options in ({"num_cpus": 2}, {"resources": {"gadget": 1}}, {"num_gpus": 1}, {"memory": 10}):
        with pytest.raises(ValueError, match="fit into any bundle"):
            where.options(scheduling_strategy=InGroup(group), **options)
        with pytest.raises(ValueError, match="Member"):
            Member.options(scheduling_strategy=InGroup(group), **options).remote()
    with pytest.raises(ValueError, match="bundle 0"):
        where.options(resources={"widget": 1}, scheduling_strategy=InGroup(group, 0))
    for index in (2, -2):
        with pytest.raises(ValueError, match="0 to 1"):
            where.options(scheduling_strategy=InGroup(group, index))
    with pytest.raises(TypeError, match="bundle_index"):
        where.options(scheduling_strategy=InGroup(group, "0"))
    with pytest.raises(ValueError, match="exclude each other"):
        where.options(placement_group=group, scheduling_strategy="SPREAD")
    with pytest.raises(ValueError, match="bundle_index"):
        where.options(placement_group_bundle_index=1)
    for nothing in (3, "team"):
        with pytest.raises(TypeError, match="PlacementGroup"):
            where.options(placement_group=nothing)
        with pytest.raises(TypeError, match="PlacementGroup"):
            where.options(scheduling_strategy=InGroup(nothing))
    assert trygon.get(where.options(scheduling_strategy=InGroup(None)).remote()) == (None, {"CPU": 1.0})


def test_removal_ends_what_runs_and_refuses_what_waits(group):
    inside = InGroup(group, 0)
    started = trygon.remote(lambda: time.sleep(60)).options(max_retries=0, scheduling_strategy=inside).remote()
    retried = sleep.options(num_cpus=0, scheduling_strategy=inside).remote()
    waiting = where.options(scheduling_strategy=inside).remote()
    living = Member.options(scheduling_strategy=InGroup(group, 1)).remote()
    outside = Member.remote()
    trygon.get([living.where.remote(), outside.where.remote()], timeout=5)
    call = living.sleep.remote()
    unmade = Member.options(num_cpus=1, scheduling_strategy=inside).remote()
    unmade_call = unmade.where.remote()
    wait_until(lambda: f"CPU_group_0_{group.id.hex()}" not in available())
    time.sleep(0.1)
    remove_placement_group(group)
    for task in (started, retried, waiting):
        with pytest.raises(exceptions.TaskPlacementGroupRemoved):
            trygon.get(task, timeout=5)
    # Ray's class of what was running is that of a crash.
    with pytest.raises(exceptions.WorkerCrashedError):
        trygon.get(started, timeout=5)
    for gone, ray_class in ((call, exceptions.ActorDiedError), (unmade_call, exceptions.ActorUnschedulableError)):
        with pytest.raises(exceptions.ActorPlacementGroupRemoved) as caught:
            trygon.get(gone, timeout=5)
        assert isinstance(caught.value, ray_class)
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), exceptions.ActorPlacementGroupRemoved)
    with pytest.raises(exceptions.ActorDiedError):
        trygon.get(living.where.remote(), timeout=5)
    with pytest.raises(exceptions.TaskPlacementGroupRemoved):
        trygon.get(where.options(scheduling_strategy=inside).remote(), timeout=5)
    remove_placement_group(group)
    assert trygon.get(outside.where.remote(), timeout=5)[0] is None
    everything_is_free()


def test_an_actor_that_may_restart_ends_with_its_group(group):
    actor = Member.options(max_restarts=-1, scheduling_strategy=InGroup(group)).remote()
    trygon.get(actor.where.remote(), timeout=5)
    remove_placement_group(group)
    # The removal travels by the daemon: a call may reach the actor before it.
    with pytest.raises(exceptions.ActorPlacementGroupRemoved):
        for _ in range(1000):
            trygon.get(actor.where.remote(), timeout=5)
            time.sleep(0.005)


def test_a_worker_that_is_done_survives_the_removal_of_its_group(engine):
    """What it owns stays: a lease that is idle is given back before the group goes."""

    @trygon.remote
    def put():
        return [trygon.put("kept")]

    group = placement_group([{"CPU": 1}])
    (inner,) = trygon.get(put.options(scheduling_strategy=InGroup(group)).remote(), timeout=5)
    remove_placement_group(group)
    time.sleep(0.1)
    assert trygon.get(inner, timeout=5) == "kept"


def test_groups_created_at_once_on_scarce_resources_all_get_their_turn(engine):
    @trygon.remote(num_cpus=0)
    def use(seed):
        dice = random.Random(seed)
        bundles = [{"CPU": dice.randint(1, 2)}, {"CPU": 1, "widget": 1}, {"widget": 1}][: dice.randint(1, 3)]
        group = placement_group(bundles)
        assert group.wait(30)
        index = dice.randrange(len(bundles))
        cpus = min(bundles[index].get("CPU", 0), 1)
        got = trygon.get(where.options(num_cpus=cpus, scheduling_strategy=InGroup(group, index)).remote())
        remove_placement_group(group)
        return got[0] == group.id.hex()

    assert all(trygon.get([use.remote(seed) for seed in range(24)], timeout=50))
    everything_is_free()


def test_a_hundred_groups_take_turns_on_one_cpu(one_cpu):
    groups = [placement_group([{"CPU": 1}]) for _ in range(100)]
    left = {group.ready(): group for group in groups}
    while left:
        (ready,), _ = trygon.wait(list(left), timeout=10)
        remove_placement_group(left.pop(ready))
    everything_is_free()


def test_groups_and_tasks_take_turns(engine):
    """Endless small tasks do not keep a group waiting, nor the other way round."""
    stop_at = time.monotonic() + 8
    pending = [sleep.remote(0.01) for _ in range(40)]
    group = placement_group([{"CPU": 2}, {"CPU": 2}])
    ready = group.ready()
    while ready in (left := trygon.wait([ready, *pending], num_returns=1)[1]):
        pending = [reference for reference in left if reference != ready]
        pending += [sleep.remote(0.01) for _ in range(40 - len(pending))]
        assert time.monotonic() < stop_at, "the group was overtaken all the time"
    remove_placement_group(group)
    assert trygon.get(pending, timeout=20) == ["slept"] * len(pending)


@pytest.mark.parametrize("seed", range(4))
def test_any_use_leaves_everything_free(engine, seed):
    dice = random.Random(seed)
    groups, references, actors = [], [], []
    for _ in range(60):
        choice = dice.randrange(6)
        if choice == 0 or not groups:
            bundles = [{"CPU": dice.choice([0.5, 1, 2])} for _ in range(dice.randint(1, 3))]
            groups.append(placement_group(bundles, strategy=dice.choice(["PACK", "SPREAD", "STRICT_PACK"])))
        elif choice == 1:
            remove_placement_group(groups.pop(dice.randrange(len(groups))))
        elif choice == 2:
            group = dice.choice(groups)
            actors.append(Member.options(num_cpus=0.5, scheduling_strategy=InGroup(group)).remote())
            references.append(actors[-1].where.remote())
        elif choice == 3 and actors:
            trygon.kill(actors.pop())
        else:
            group = dice.choice([*groups, None])
            task = dice.choice([where, sleep])
            arguments = (dice.choice([0, 0.02]),) if task is sleep else ()
            options = {"num_cpus": dice.choice([0, 0.5]), "scheduling_strategy": InGroup(group)}
            references.append(task.options(**options).remote(*arguments))
        if dice.randrange(10) == 0:
            time.sleep(0.02)
    for group in groups:
        remove_placement_group(group)
    for reference in references:
        try:
            trygon.get(reference, timeout=10)
        except exceptions.GetTimeoutError:
            raise
        except exceptions.RayError:
            pass
    actors.clear()
    del references
    everything_is_free()
    assert set(trygon.cluster_resources()) == {
        "CPU",
        "widget",
        "memory",
        "object_store_memory",
        "node:127.0.0.1",
        "node:__internal_head__",
    }

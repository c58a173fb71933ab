"""Tasks, actors and waits that the tests of placement groups share."""

import time

import trygon


@trygon.remote
def where():
    context = trygon.get_runtime_context()
    return context.get_placement_group_id(), context.get_assigned_resources()


@trygon.remote
def sleep(seconds=60):
    time.sleep(seconds)
    return "slept"


@trygon.remote(num_cpus=0)
def group_of_child():
    return trygon.get_runtime_context().get_placement_group_id()


@trygon.remote
class Member:
    def where(self):
        context = trygon.get_runtime_context()
        return context.get_placement_group_id(), context.get_assigned_resources()

    def sleep(self):
        time.sleep(60)

    def group_of_child(self):
        return trygon.get(group_of_child.remote())


def available():
    return trygon.available_resources()


def wait_until(condition, limit_s=5.0):
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.005)
    return found


def still_held():
    """What is not free, with how much of it is and how much there is."""
    total, free = trygon.cluster_resources(), available()
    return {
        name: (free.get(name, 0), total.get(name, 0)) for name in {*total, *free} if free.get(name) != total.get(name)
    }


def everything_is_free():
    # Leases that are idle go back after some milliseconds.
    deadline = time.monotonic() + 5
    while held := still_held():
        assert time.monotonic() < deadline, held
        time.sleep(0.005)

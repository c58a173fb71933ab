"""Options that are wrong: what raises, where the option is written or used."""

import ray
from observe import case, raised, run


def f(x=1):
    return x


class A:
    def m(self):
        return 1


def for_task(**options):
    return raised(lambda: ray.remote(**options)(f).remote()), raised(lambda: ray.remote(f).options(**options).remote())


def for_actor(**options):
    return raised(lambda: ray.remote(**options)(A)), raised(lambda: ray.remote(A).options(**options))


TASKS = {
    "unknown": {"no_such_option": 1},
    "num_cpus negative": {"num_cpus": -1},
    "num_cpus text": {"num_cpus": "1"},
    "num_gpus negative": {"num_gpus": -1},
    "num_gpus fraction above one": {"num_gpus": 1.5},
    "memory negative": {"memory": -1},
    "memory text": {"memory": "1"},
    "resources CPU": {"resources": {"CPU": 1}},
    "resources GPU": {"resources": {"GPU": 1}},
    "resources list": {"resources": ["a"]},
    "resources negative": {"resources": {"a": -1}},
    "num_returns negative": {"num_returns": -1},
    "num_returns text": {"num_returns": "2"},
    "max_retries below -1": {"max_retries": -2},
    "max_retries text": {"max_retries": "1"},
    "retry_exceptions number": {"retry_exceptions": 1},
    "retry_exceptions not classes": {"retry_exceptions": ["x"]},
    "name number": {"name": 1},
    "scheduling_strategy unknown": {"scheduling_strategy": "NO_SUCH"},
    "scheduling_strategy number": {"scheduling_strategy": 1},
    "runtime_env text": {"runtime_env": "x"},
    "label_selector list": {"label_selector": ["a"]},
    "max_restarts of a task": {"max_restarts": 1},
    "lifetime of a task": {"lifetime": "detached"},
}
ACTORS = {
    "unknown": {"no_such_option": 1},
    "num_cpus negative": {"num_cpus": -1},
    "num_cpus text": {"num_cpus": "1"},
    "resources CPU": {"resources": {"CPU": 1}},
    "max_restarts below -1": {"max_restarts": -2},
    "max_restarts text": {"max_restarts": "x"},
    "max_task_retries below -1": {"max_task_retries": -2},
    "max_concurrency negative": {"max_concurrency": -1},
    "max_pending_calls below -1": {"max_pending_calls": -2},
    "lifetime unknown": {"lifetime": "for ever"},
    "name number": {"name": 1},
    "name empty": {"name": ""},
    "namespace number": {"namespace": 1},
    "namespace empty": {"namespace": ""},
    "num_returns of an actor": {"num_returns": 2},
    "max_calls of an actor": {"max_calls": 2},
    "concurrency_groups list": {"concurrency_groups": ["io"]},
    "scheduling_strategy unknown": {"scheduling_strategy": "NO_SUCH"},
}


@case
def wrong_for_tasks():
    return {name: for_task(**options) for name, options in TASKS.items()}


@case
def wrong_for_actors():
    return {name: for_actor(**options) for name, options in ACTORS.items()}


@case
def right_for_tasks():
    good = [
        {"num_cpus": 1},
        {"num_cpus": 0.5},
        {"num_cpus": 0},
        {"num_returns": 1},
        {"max_retries": -1},
        {"max_retries": 0},
        {"retry_exceptions": True},
        {"retry_exceptions": [ValueError]},
        {"name": "n"},
        {"scheduling_strategy": "DEFAULT"},
        {"scheduling_strategy": "SPREAD"},
        {"memory": 1000},
        {"resources": {"widget": 0.5}},
        {"resources": {}},
        {"enable_task_events": True},
        {"label_selector": None},
        {"runtime_env": {}},
        {"runtime_env": None},
        {"accelerator_type": None},
        {"num_gpus": 0},
        {"_labels": {}},
        {"enable_task_events": False},
    ]
    return [raised(lambda options=options: ray.get(ray.remote(f).options(**options).remote(3))) for options in good]


@case
def right_for_actors():
    good = [
        {"num_cpus": 1},
        {"max_restarts": -1},
        {"max_task_retries": -1},
        {"max_concurrency": 2},
        {"max_pending_calls": 5},
        {"lifetime": "non_detached"},
        {"lifetime": None},
        {"name": None},
        {"scheduling_strategy": "SPREAD"},
        {"concurrency_groups": {}},
        {"allow_out_of_order_execution": None},
        {"enable_task_events": False},
        {"runtime_env": {}},
    ]
    found = []
    for options in good:
        if "concurrency_groups" in options:
            found.append(raised(lambda options=options: ray.get(ray.remote(**options)(A).remote().m.remote())))
        else:
            found.append(raised(lambda options=options: ray.get(ray.remote(A).options(**options).remote().m.remote())))
    return found


@case
def of_methods():
    actor = ray.remote(A).remote()
    return {
        "num_returns": raised(lambda: actor.m.options(num_returns=-1).remote()),
        "unknown": raised(lambda: actor.m.options(no_such=1).remote()),
        "name": ray.get(actor.m.options(name="named").remote()),
        "concurrency_group": raised(lambda: actor.m.options(concurrency_group=5).remote()),
    }


@case
def only_at_the_decorator():
    return (
        raised(lambda: ray.remote(f).options(max_calls=1)),
        raised(lambda: ray.remote(A).options(concurrency_groups={"a": 1})),
    )


run(num_cpus=4, resources={"widget": 4})

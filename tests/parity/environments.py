"""Runtime environments, as far as they need no network."""

import os
import shutil
import tempfile

import ray
from observe import case, raised, run


@ray.remote
def variable(name):
    return os.environ.get(name)


@case
def of_a_task():
    changed = variable.options(runtime_env={"env_vars": {"PARITY": "task"}})
    return ray.get(changed.remote("PARITY")), ray.get(variable.remote("PARITY")), ray.get(variable.remote("PARITY_JOB"))


@case
def of_an_actor():
    @ray.remote(runtime_env={"env_vars": {"PARITY": "actor"}})
    class Reader:
        def read(self, name):
            return os.environ.get(name)

    reader = Reader.remote()
    return ray.get([reader.read.remote("PARITY"), reader.read.remote("PARITY_JOB")])


@case
def inherited():
    @ray.remote(runtime_env={"env_vars": {"PARITY_A": "a"}})
    def parent():
        child = variable.options(runtime_env={"env_vars": {"PARITY_B": "b"}})
        return ray.get([child.remote("PARITY_A"), child.remote("PARITY_B"), variable.remote("PARITY_A")])

    return ray.get(parent.remote())


@case
def working_directory():
    folder = tempfile.mkdtemp()
    try:
        with open(os.path.join(folder, "data.txt"), "w") as file:
            file.write("content")
        with open(os.path.join(folder, "parity_module.py"), "w") as file:
            file.write("VALUE = 42\n")

        @ray.remote(runtime_env={"working_dir": folder})
        def read():
            import parity_module

            with open("data.txt") as file:
                return file.read(), parity_module.VALUE

        return ray.get(read.remote())
    finally:
        shutil.rmtree(folder)


@case
def modules():
    folder = tempfile.mkdtemp()
    package = os.path.join(folder, "parity_package")
    os.makedirs(package)
    try:
        with open(os.path.join(package, "__init__.py"), "w") as file:
            file.write("NAME = 'packed'\n")

        @ray.remote(runtime_env={"py_modules": [package]})
        def read():
            import parity_package

            return parity_package.NAME

        return ray.get(read.remote())
    finally:
        shutil.rmtree(folder)


@case
def wrong_ones():
    def attempt(environment):
        return raised(lambda: variable.options(runtime_env=environment).remote("x"))

    return {
        "text": attempt("x"),
        "env_vars list": attempt({"env_vars": ["a"]}),
        "env_vars number": attempt({"env_vars": {"A": 1}}),
        "working_dir number": attempt({"working_dir": 5}),
        "pip and conda": attempt({"pip": ["x"], "conda": "y"}),
    }


@case
def in_the_context():
    @ray.remote(runtime_env={"env_vars": {"PARITY": "seen"}})
    def read():
        return dict(ray.get_runtime_context().runtime_env)["env_vars"]

    return ray.get(read.remote())


@case
def as_an_object():
    from ray.runtime_env import RuntimeEnv, RuntimeEnvConfig

    environment = RuntimeEnv(env_vars={"PARITY": "object"})
    return (
        ray.get(variable.options(runtime_env=environment).remote("PARITY")),
        environment["env_vars"],
        RuntimeEnvConfig(setup_timeout_seconds=5)["setup_timeout_seconds"],
        raised(RuntimeEnv, env_vars=5),
    )


run(num_cpus=4, runtime_env={"env_vars": {"PARITY_JOB": "job"}})

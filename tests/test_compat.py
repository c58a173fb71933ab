"""`import ray` means Trygon: the import hook, workers, children, the commands that start programs."""

import json
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import trygon

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(trygon.__file__).resolve().parent / "_bin" / "trygon"


def environment(**extra):
    path = os.pathsep.join([str(Path(trygon.__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, **extra}


def run_program(tmp_path, text, *arguments, command=None, **extra):
    """Runs a script under `trygon.compat`; returns what it printed, or fails with what it complained of."""
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(text), encoding="utf-8")
    command = command or [sys.executable, "-m", "trygon.compat"]
    done = subprocess.run(
        [*command, str(script), *arguments], env=environment(**extra), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_one_object_under_both_names(tmp_path):
    out = run_program(
        tmp_path,
        """
        import ray, trygon
        import ray.exceptions, ray.actor, ray.util.accelerators
        from ray.util import list_named_actors, inspect_serializability
        from ray.exceptions import GetTimeoutError
        from ray._raylet import ObjectRef, TaskID
        import ray.cloudpickle as pickle
        import cloudpickle
        assert ray.get is trygon.get and ray.exceptions is trygon.exceptions and ray.actor is trygon.actor
        assert GetTimeoutError is trygon.exceptions.GetTimeoutError and ObjectRef is trygon.ObjectRef is ray.ObjectID
        assert TaskID is ray.TaskID and list_named_actors is trygon.util.list_named_actors and pickle is cloudpickle
        assert trygon.__version__ != ray.__version__ and ray.__version__.startswith("2.60")
        assert trygon.exceptions.__spec__.name == "trygon.exceptions"
        assert "get" in dir(ray) and "init" in ray.__all__ and ray.util.accelerators.NVIDIA_H100 == "H100"
        assert pickle.loads(pickle.dumps(ray)) is ray and pickle.loads(pickle.dumps(ray.util)) is ray.util
        import importlib.util
        assert importlib.util.find_spec("ray") and importlib.util.find_spec("ray.exceptions")
        print("same")
        """,
    )
    assert out == "same"


def test_in_workers_children_and_spawned_processes(tmp_path):
    out = run_program(
        tmp_path,
        """
        import json, multiprocessing, subprocess, sys
        import ray

        def version(_=None):
            import ray
            import ray.exceptions
            return ray.__version__

        if __name__ == "__main__":
            ray.init(num_cpus=2)
            task = ray.get(ray.remote(version).remote())
            child = ray.get(ray.remote(lambda: subprocess.check_output(
                [sys.executable, "-c", "import ray; print(ray.__version__)"], text=True).strip()).remote())
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                spawned = pool.map(version, [1])[0]
            print(json.dumps([task, child, spawned, ray.__version__]))
        """,
    )
    versions = json.loads(out)
    assert len(set(versions)) == 1 and versions[0].startswith("2.60")


def test_install_in_a_running_program(tmp_path):
    out = run_program(
        tmp_path,
        """
        import trygon.compat.ray
        assert not trygon.compat.ray.is_installed()
        trygon.compat.ray.install()
        trygon.compat.ray.install()
        import ray
        ray.init(num_cpus=1)

        @ray.remote
        def f():
            import ray
            import ray.util
            return ray.is_initialized(), ray.util.get_node_ip_address()

        print(ray.get(f.remote()))
        """,
        command=[sys.executable],
    )
    assert out == "(True, '127.0.0.1')"


def test_a_package_called_ray_that_is_installed_gives_way(tmp_path):
    (tmp_path / "site" / "ray").mkdir(parents=True)
    (tmp_path / "site" / "ray" / "__init__.py").write_text("__version__ = '0'\n")
    text = """
        import ray
        print(ray.__version__.split("+")[0])
        """
    path = os.pathsep.join([str(tmp_path / "site"), environment()["PYTHONPATH"]])
    assert run_program(tmp_path, text, PYTHONPATH=path) == "2.60.0"
    text = """
        import ray, trygon.compat.ray
        try:
            trygon.compat.ray.install()
        except RuntimeError as error:
            print("before the first import" in str(error) and "site" in str(error))
        """
    assert run_program(tmp_path, text, command=[sys.executable], PYTHONPATH=path) == "True"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ray.data", "pandas"),
        ("ray.serve", "not part of Trygon"),
        ("ray.train.torch", "not part of Trygon"),
        ("ray.tune", "Optuna"),
        ("ray.rllib", "not part of Trygon"),
        ("ray.workflow", "Ray itself removed"),
        ("ray.util.state", "state API"),
        ("ray._private.worker", "private"),
        ("ray.no_such_module", "nothing under this name"),
    ],
)
def test_what_is_absent_is_named(tmp_path, name, says):
    out = run_program(
        tmp_path,
        f"""
        import importlib
        try:
            importlib.import_module({name!r})
        except ImportError as error:
            print(error, "|", error.name)
        """,
    )
    assert says in out and name.startswith(out.rpartition("| ")[2])


@pytest.mark.parametrize("statement", ["from ray import tune", "from ray import data, train", "import ray.serve"])
def test_what_is_absent_is_named_by_every_import(tmp_path, statement):
    out = run_program(
        tmp_path,
        f"""
        try:
            {statement}
        except ImportError as error:
            print(error)
        """,
    )
    assert "is not part of Trygon" in out


def test_absent_attributes_are_named(tmp_path):
    out = run_program(
        tmp_path,
        """
        import ray
        for name in ("data", "serve", "no_such_name"):
            try:
                getattr(ray, name)
            except AttributeError as error:
                print(error)
        """,
    )
    lines = out.splitlines()
    assert "ray.data is not part of Trygon" in lines[0] and "ray.serve" in lines[1] and "no_such_name" in lines[2]


def test_script_sees_an_interpreter_of_its_own(tmp_path):
    out = run_program(
        tmp_path,
        """
        import sys, os
        import __main__
        print(sys.argv[1:], __name__, os.path.basename(__main__.__file__), sys.path[0] == os.path.dirname(__file__))
        """,
        "--ray",
        "x",
    )
    assert out == "['--ray', 'x'] __main__ program.py True"


def test_modules_run_too(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text("import ray, sys\nprint(ray.__version__[:4], sys.argv[1:])\n")
    done = subprocess.run(
        [sys.executable, "-m", "trygon.compat", "-m", "package", "a"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "2.60 ['a']", done.stderr


def test_the_command(tmp_path):
    text = """
        import ray, sys
        ray.init(num_cpus=1)
        print(ray.get(ray.remote(lambda: 5).remote()), sys.argv[1:])
        sys.exit(0)
        """
    command = [str(BINARY), "run", "--ray"]
    assert run_program(tmp_path, text, "-x", "--ray", command=command, TRYGON_PYTHON=sys.executable) == (
        "5 ['-x', '--ray']"
    )
    plain = "import trygon, sys; print('ray' in sys.modules, trygon.__name__)"
    command = [str(BINARY), "run"]
    assert run_program(tmp_path, plain, command=command, TRYGON_PYTHON=sys.executable) == "False trygon"


def run_command(*arguments, **extra):
    return subprocess.run(
        [str(BINARY), *arguments], env=environment(**extra), capture_output=True, text=True, timeout=60
    )


def test_the_command_complains_clearly(tmp_path):
    missing = run_command("run", "--ray", str(tmp_path / "none.py"), TRYGON_PYTHON=sys.executable)
    assert missing.returncode != 0 and "no file" in missing.stderr and "none.py" in missing.stderr
    script = tmp_path / "exits.py"
    script.write_text("import sys; sys.exit(7)\n")
    assert run_command("run", "--ray", str(script), TRYGON_PYTHON=sys.executable).returncode == 7
    no_python = run_command("run", str(script), TRYGON_PYTHON=str(tmp_path / "nopython"))
    assert no_python.returncode != 0 and "TRYGON_PYTHON" in no_python.stderr
    assert run_command("run").returncode == 2


def test_tracebacks_show_the_program_only(tmp_path):
    script = tmp_path / "raises.py"
    script.write_text("import ray\nraise ValueError('mine')\n")
    done = subprocess.run(
        [sys.executable, "-m", "trygon.compat", str(script)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and "ValueError: mine" in done.stderr and "trygon" not in done.stderr


def test_annotations_of_libraries(tmp_path):
    out = run_program(
        tmp_path,
        """
        import warnings
        from ray.util.annotations import Deprecated, DeveloperAPI, PublicAPI

        @PublicAPI
        def a():
            return 1

        @PublicAPI(stability="beta")
        class B:
            pass

        @DeveloperAPI
        def c():
            return 3

        @Deprecated(message="use a()", warning=True)
        def d():
            return 4

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            print(a(), B.__name__, c(), d(), "use a()" in str(caught[0].message))
        """,
    )
    assert out == "1 B 3 4 True"


def test_errors_are_caught_under_either_name(engine):
    from trygon.exceptions import RayTaskError

    error = RayTaskError("f", "text", KeyError("k")).as_instanceof_cause()
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, KeyError) and isinstance(again, RayTaskError) and again.cause.args == ("k",)

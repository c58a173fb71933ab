"""Runtime environments: variables, working directories, modules, set-up hooks; per job, task and actor, and nested."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import leaks
import pytest
import trygon
from trygon.exceptions import RuntimeEnvSetupError
from trygon.runtime_env import RuntimeEnv
from wheels import write_wheel


@trygon.remote
def variables(*names: str) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in names}


@trygon.remote
def where() -> tuple[str, list[str], str]:
    return os.getcwd(), sys.path[:3], os.environ.get("PYTHONPATH", "")


@trygon.remote
def imported(name: str) -> object:
    module = __import__(name)
    return module.VALUE


@trygon.remote
def pid() -> int:
    return os.getpid()


def with_variable(value: str) -> dict[str, object]:
    return {"env_vars": {"FLAVOUR": value}}


# --- variables


def test_variables_of_the_job_reach_every_worker_and_not_the_driver() -> None:
    with trygon.init(num_cpus=2, runtime_env={"env_vars": {"FLAVOUR": "salt", "TWICE": "${FLAVOUR}-$FLAVOUR"}}):
        found = trygon.get([variables.remote("FLAVOUR", "TWICE") for _ in range(20)], timeout=20)
        assert all(one == {"FLAVOUR": "salt", "TWICE": "salt-salt"} for one in found)
        assert "FLAVOUR" not in os.environ


def test_variables_of_a_task_are_added_to_those_of_the_job() -> None:
    with trygon.init(num_cpus=2, runtime_env={"env_vars": {"FLAVOUR": "salt", "SHAPE": "round"}}):
        own = variables.options(runtime_env={"env_vars": {"FLAVOUR": "mint", "HOUSE": "${HOME}/x${NO_SUCH_VARIABLE}"}})
        found = trygon.get(own.remote("FLAVOUR", "SHAPE", "HOUSE"), timeout=20)
        assert found == {"FLAVOUR": "mint", "SHAPE": "round", "HOUSE": f"{os.environ['HOME']}/x"}
        assert trygon.get(variables.remote("FLAVOUR", "HOUSE"), timeout=20) == {"FLAVOUR": "salt", "HOUSE": None}


def test_children_inherit_and_override(engine: object) -> None:
    @trygon.remote(runtime_env={"env_vars": {"FLAVOUR": "salt", "LINE": "${FLAVOUR}!"}})
    def parent() -> list[dict[str, str | None]]:
        names = ("FLAVOUR", "LINE")
        changed = variables.options(runtime_env=with_variable("mint"))
        return trygon.get([variables.remote(*names), changed.remote(*names)], timeout=20)

    inherited, changed = trygon.get(parent.remote(), timeout=30)
    assert inherited == {"FLAVOUR": "salt", "LINE": "salt!"}
    assert changed == {"FLAVOUR": "mint", "LINE": "mint!"}


def test_a_variable_that_the_loader_reads_is_there_when_the_process_starts(engine: object) -> None:
    @trygon.remote(runtime_env={"env_vars": {"LD_LIBRARY_PATH": "/nowhere/at/all"}})
    def first_environment() -> str:
        # Workers are forked: what their zygote was started with is what the loader saw.
        return Path("/proc/self/environ").read_text()

    assert "LD_LIBRARY_PATH=/nowhere/at/all" in trygon.get(first_environment.remote(), timeout=20)


def test_pythonpath_is_honoured(engine: object, tmp_path: Path) -> None:
    (tmp_path / "found_by_path.py").write_text("VALUE = 5")
    own = imported.options(runtime_env={"env_vars": {"PYTHONPATH": str(tmp_path)}})
    assert trygon.get(own.remote("found_by_path"), timeout=20) == 5


# --- workers are kept apart


def test_a_worker_never_runs_tasks_of_two_environments(engine: object) -> None:
    flavours = ["salt", "mint", "plain"]

    @trygon.remote
    def look() -> tuple[int, str]:
        return os.getpid(), os.environ.get("FLAVOUR", "plain")

    functions = [look.options(runtime_env=with_variable(flavour)) for flavour in flavours[:2]] + [look]
    refs = [functions[number % 3].remote() for number in range(300)]
    results = trygon.get(refs, timeout=60)
    assert [flavour for _, flavour in results] == [flavours[number % 3] for number in range(300)]
    seen: dict[int, set[str]] = {}
    for process, flavour in results:
        seen.setdefault(process, set()).add(flavour)
    assert all(len(found) == 1 for found in seen.values()), seen


def test_the_same_environment_uses_a_worker_again(engine: object) -> None:
    # Written twice, and equal: the environment is known by its content.
    first = trygon.get(pid.options(runtime_env=with_variable("salt")).remote(), timeout=20)
    again = {trygon.get(pid.options(runtime_env=with_variable("salt")).remote(), timeout=20) for _ in range(5)}
    assert again == {first}


def test_actors_have_environments(engine: object) -> None:
    @trygon.remote(runtime_env=with_variable("salt"), max_restarts=1)
    class Taster:
        def taste(self) -> str | None:
            return os.environ.get("FLAVOUR")

        def child(self) -> dict[str, str | None]:
            return trygon.get(variables.remote("FLAVOUR"))

        def crash(self) -> None:
            os._exit(1)

    salty, minty = Taster.remote(), Taster.options(runtime_env=with_variable("mint")).remote()
    assert trygon.get([salty.taste.remote(), minty.taste.remote()], timeout=20) == ["salt", "mint"]
    assert trygon.get(minty.child.remote(), timeout=20) == {"FLAVOUR": "mint"}
    salty.crash.remote()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            assert trygon.get(salty.taste.remote(), timeout=20) == "salt", "after a restart too"
            break
        except trygon.exceptions.RayActorError:
            time.sleep(0.05)
    else:
        pytest.fail("the actor did not come back")


def test_a_function_with_an_environment_works_elsewhere(engine: object) -> None:
    salted = variables.options(runtime_env=with_variable("salt"))

    @trygon.remote
    def outer(function: object) -> dict[str, str | None]:
        return trygon.get(function.remote("FLAVOUR"))  # type: ignore[attr-defined]

    assert trygon.get(outer.remote(salted), timeout=20) == {"FLAVOUR": "salt"}


# --- working directories


def project(folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "stale.pyc").write_text("stale")
    (folder / "helper_of_project.py").write_text("VALUE = 1")
    (folder / "data" / "table.txt").write_text("rows")
    (folder / "data" / "secret.key").write_text("hidden")
    (folder / "big.log").write_text("noise")
    (folder / ".gitignore").write_text("*.log\n")
    return folder


@trygon.remote
def listing() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


def test_a_working_directory_is_copied(tmp_path: Path) -> None:
    source = project(tmp_path / "project")
    fields = {"working_dir": str(source), "excludes": ["data/*.key"]}
    with trygon.init(num_cpus=2, runtime_env=fields):
        folder, search_path, python_path = trygon.get(where.remote(), timeout=20)
        assert search_path[0] == folder != str(source)
        assert python_path.split(os.pathsep)[0] == folder
        assert trygon.get(listing.remote(), timeout=20) == [".gitignore", "data/table.txt", "helper_of_project.py"]
        assert trygon.get(imported.remote("helper_of_project"), timeout=20) == 1
        # Whoever starts later sees what was there when the job began.
        (source / "helper_of_project.py").write_text("VALUE = 2")

        @trygon.remote
        class Reader:
            def read(self) -> str:
                return Path("helper_of_project.py").read_text()

        readers = [Reader.remote() for _ in range(3)]
        assert trygon.get([reader.read.remote() for reader in readers], timeout=20) == ["VALUE = 1"] * 3
    assert not os.path.exists(folder)


def test_a_task_has_a_working_directory_of_its_own(engine: object, tmp_path: Path) -> None:
    source = project(tmp_path / "project")
    own = imported.options(runtime_env={"working_dir": str(source)})
    assert trygon.get(own.remote("helper_of_project"), timeout=20) == 1
    (source / "helper_of_project.py").write_text("VALUE = 2")
    # Another content is another environment; the old one keeps what it had.
    assert (
        trygon.get(imported.options(runtime_env={"working_dir": str(source)}).remote("helper_of_project"), timeout=20)
        == 2
    )
    assert trygon.get(own.remote("helper_of_project"), timeout=20) == 1
    with pytest.raises(ModuleNotFoundError):
        trygon.get(imported.remote("helper_of_project"), timeout=20)


def test_children_inherit_the_working_directory(tmp_path: Path) -> None:
    source = project(tmp_path / "project")

    @trygon.remote(runtime_env=with_variable("salt"))
    def parent() -> tuple[str, object, str | None]:
        here = os.getcwd()
        os.chdir("/")
        return here, trygon.get(imported.remote("helper_of_project")), os.environ.get("FLAVOUR")

    with trygon.init(num_cpus=2, runtime_env={"working_dir": str(source)}):
        here, value, flavour = trygon.get(parent.remote(), timeout=20)
        assert (here, value, flavour) == (trygon.get(where.remote(), timeout=20)[0], 1, "salt")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_as_working_directory(tmp_path: Path, kind: str) -> None:
    source = project(tmp_path / "project")
    import shutil

    archive = shutil.make_archive(str(tmp_path / "packed"), {"zip": "zip", "tar.gz": "gztar"}[kind], source)
    with trygon.init(num_cpus=1, runtime_env={"working_dir": archive}):
        assert trygon.get(imported.remote("helper_of_project"), timeout=20) == 1


def test_a_working_directory_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "huge.bin").write_bytes(bytes(3 * 2**20))
    monkeypatch.setenv("TRYGON_RUNTIME_ENV_LIMIT_MIB", "2")
    with pytest.raises(RuntimeEnvSetupError, match=r"3\.0 MiB to copy, and 2 are allowed .* huge\.bin \(3\.0 MiB\)"):
        trygon.init(num_cpus=1, runtime_env={"working_dir": str(tmp_path)})
    assert not trygon.is_initialized()
    monkeypatch.setenv("TRYGON_RUNTIME_ENV_LIMIT_MIB", "5")
    with pytest.warns(UserWarning, match="above 5 MiB it would be refused"):
        trygon.init(num_cpus=1, runtime_env={"working_dir": str(tmp_path)})
    trygon.shutdown()
    # What is left out does not count.
    monkeypatch.setenv("TRYGON_RUNTIME_ENV_LIMIT_MIB", "1")
    with trygon.init(num_cpus=1, runtime_env={"working_dir": str(tmp_path), "excludes": ["*.bin"]}):
        assert trygon.get(listing.remote(), timeout=20) == []


def test_nothing_stays_after_a_driver_that_is_killed(tmp_path: Path) -> None:
    source = project(tmp_path / "project")
    script = f"""
        import os, sys, time, trygon
        trygon.init(num_cpus=1, runtime_env={{"working_dir": {str(source)!r}}})
        @trygon.remote
        def where():
            return os.getcwd()
        print(trygon.get(where.remote(), timeout=20), flush=True)
        time.sleep(60)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert driver.stdout is not None
    with driver.stdout:
        folder = Path(driver.stdout.readline().strip())
        assert folder.is_dir()
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    deadline = time.monotonic() + 5
    while folder.parent.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not folder.parent.exists()


# --- modules


def test_modules_of_every_kind(tmp_path: Path) -> None:
    package = tmp_path / "package_sent"
    package.mkdir()
    (package / "__init__.py").write_text("from package_sent.inner import VALUE")
    (package / "inner.py").write_text("VALUE = 'package'")
    single = tmp_path / "single_sent.py"
    single.write_text("VALUE = 'single'")
    wheel = write_wheel(tmp_path / "wheels", "wheel_sent", "1.0", "VALUE = 'wheel'")
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zip_sent.py", "VALUE = 'zip'")
    sys.path.insert(0, str(tmp_path / "driver_only"))
    (tmp_path / "driver_only").mkdir()
    (tmp_path / "driver_only" / "object_sent.py").write_text("VALUE = 'object'")
    try:
        import object_sent  # type: ignore[import-not-found]
    finally:
        del sys.path[0]
    modules = [str(package), single, str(wheel), str(archive), object_sent]
    with trygon.init(num_cpus=2, runtime_env={"py_modules": modules}):
        names = ["package_sent", "single_sent", "wheel_sent", "zip_sent", "object_sent"]
        found = trygon.get([imported.remote(name) for name in names], timeout=30)
        assert found == ["package", "single", "wheel", "zip", "object"]


# --- set-up hooks


def test_a_set_up_hook_runs_once_in_each_worker_before_its_first_task() -> None:
    def hook() -> None:
        import builtins

        builtins.hook_runs = getattr(builtins, "hook_runs", 0) + 1  # type: ignore[attr-defined]
        os.environ["FLAVOUR"] = "hooked"

    @trygon.remote
    def runs() -> tuple[int, str | None]:
        import builtins

        time.sleep(0.01)
        return getattr(builtins, "hook_runs", 0), os.environ.get("FLAVOUR")

    with trygon.init(num_cpus=2, runtime_env={"worker_process_setup_hook": hook}):
        assert set(trygon.get([runs.remote() for _ in range(10)], timeout=20)) == {(1, "hooked")}


def test_a_set_up_hook_by_its_import_path(tmp_path: Path) -> None:
    (tmp_path / "hooks_of_project.py").write_text("import os\ndef hook():\n    os.environ['FLAVOUR'] = 'by path'\n")
    fields = {"working_dir": str(tmp_path), "worker_process_setup_hook": "hooks_of_project.hook"}
    with trygon.init(num_cpus=1, runtime_env=fields):
        assert trygon.get(variables.remote("FLAVOUR"), timeout=20) == {"FLAVOUR": "by path"}


def test_a_set_up_hook_that_raises_fails_tasks_and_actors_and_nothing_else(engine: object) -> None:
    def hook() -> None:
        raise KeyError("no such shelf")

    @trygon.remote
    class Actor:
        def method(self) -> None: ...

    fields = {"worker_process_setup_hook": hook}
    with pytest.raises(RuntimeEnvSetupError, match=r"(?s)hook raised in worker.*KeyError: 'no such shelf'"):
        trygon.get(variables.options(runtime_env=fields).remote(), timeout=20)
    with pytest.raises(RuntimeEnvSetupError, match=r"(?s)Actor Actor .*KeyError"):
        trygon.get(Actor.options(runtime_env=fields).remote().method.remote(), timeout=20)
    failing = [variables.options(runtime_env=fields).remote() for _ in range(20)]
    for ref in failing:
        with pytest.raises(RuntimeEnvSetupError):
            trygon.get(ref, timeout=20)
    assert trygon.get(variables.remote(), timeout=20) == {}


def test_a_set_up_hook_that_ends_its_process_is_not_tried_for_ever(engine: object) -> None:
    def hook() -> None:
        os._exit(3)

    with pytest.raises(RuntimeEnvSetupError, match=r"3 workers in a row died before they were ready.*code 3"):
        trygon.get(variables.options(runtime_env={"worker_process_setup_hook": hook}).remote(), timeout=30)
    assert trygon.get(variables.remote(), timeout=20) == {}


def test_a_job_whose_hook_raises_fails_its_tasks() -> None:
    def hook() -> None:
        raise RuntimeError("never ready")

    with trygon.init(num_cpus=2, runtime_env={"worker_process_setup_hook": hook}):
        for _ in range(2):
            with pytest.raises(RuntimeEnvSetupError, match="never ready"):
                trygon.get(variables.remote(), timeout=20)


# --- interpreters


def test_another_interpreter_of_the_same_version(engine: object, tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "only_there.py").write_text("VALUE = 'there'")
    own = imported.options(runtime_env={"py_executable": str(folder / "bin" / "python")})
    assert trygon.get(own.remote("only_there"), timeout=20) == "there"


def test_an_interpreter_that_is_none(engine: object) -> None:
    for command, message in (("/no/such/python", "cannot be run"), ("echo hello", "is no Python interpreter")):
        with pytest.raises(RuntimeEnvSetupError, match=message):
            trygon.get(variables.options(runtime_env={"py_executable": command}).remote(), timeout=20)


# --- what programs see of it


def test_the_context_shows_the_environment(tmp_path: Path) -> None:
    @trygon.remote
    def seen() -> tuple[str, object]:
        context = trygon.get_runtime_context()
        return context.get_runtime_env_string(), context.runtime_env

    with trygon.init(num_cpus=2, runtime_env={"env_vars": {"A": "1", "B": "x${A}"}}):
        expected = {"env_vars": {"A": "1", "B": "x${A}"}}
        assert json.loads(trygon.get_runtime_context().get_runtime_env_string()) == expected
        text, shown = trygon.get(seen.remote(), timeout=20)
        assert json.loads(text) == shown == expected
        assert isinstance(shown, RuntimeEnv)
        text, _ = trygon.get(seen.options(runtime_env={"env_vars": {"A": "2"}}).remote(), timeout=20)
        assert json.loads(text) == {"env_vars": {"A": "2", "B": "x${A}"}}
    with trygon.init(num_cpus=1):
        assert trygon.get(seen.remote(), timeout=20) == ("{}", {})


def test_an_engine_forgets_the_environment_of_the_one_before() -> None:
    with trygon.init(num_cpus=1, runtime_env=with_variable("salt")):
        assert trygon.get(variables.remote("FLAVOUR"), timeout=20) == {"FLAVOUR": "salt"}
    with trygon.init(num_cpus=1):
        assert trygon.get(variables.remote("FLAVOUR"), timeout=20) == {"FLAVOUR": None}
        own = variables.options(runtime_env={"env_vars": {"SHAPE": "round"}})
        assert trygon.get(own.remote("FLAVOUR", "SHAPE"), timeout=20) == {"FLAVOUR": None, "SHAPE": "round"}


def test_many_environments_at_once(engine: object) -> None:
    functions = [variables.options(num_cpus=0, runtime_env=with_variable(str(number))) for number in range(24)]
    for _ in range(2):
        refs = [function.remote("FLAVOUR") for function in functions]
        assert [one["FLAVOUR"] for one in trygon.get(refs, timeout=60)] == [str(number) for number in range(24)]
    # Zygotes that were not used for longest are ended; their environments work when they are wanted again.
    deadline = time.monotonic() + 5
    while len(zygotes := [name for name in leaks.engine_processes() if "trygon-worker" not in name]) > 18:
        assert time.monotonic() < deadline, zygotes
        time.sleep(0.05)


def test_a_daemon_that_is_killed_leaves_no_files(tmp_path: Path) -> None:
    source = project(tmp_path / "project")
    with trygon.init(num_cpus=1, runtime_env={"working_dir": str(source)}) as context:
        folder = Path(trygon.get(where.remote(), timeout=20)[0])
        os.kill(context["daemon_pid"], signal.SIGKILL)
        deadline = time.monotonic() + 10
        while leaks.wait_gone([context["daemon_pid"]], 0.1) and time.monotonic() < deadline:
            pass
        assert folder.is_dir()
    assert not folder.parent.exists()


def test_a_zygote_imports_nothing_of_the_job(tmp_path: Path) -> None:
    """What every worker needs is imported before the job's folders are on the search path."""
    source = tmp_path / "project"
    source.mkdir()
    marker = tmp_path / "imported"
    for name in ("cloudpickle", "signal", "only_here"):
        (source / f"{name}.py").write_text(f"VALUE = open({str(marker)!r}, 'a').write('{name} ')")
    with trygon.init(num_cpus=1):
        fields = {"working_dir": str(source), "env_vars": {"PYTHONPATH": str(source)}}
        own = imported.options(runtime_env=fields)
        assert trygon.get(own.remote("only_here"), timeout=20)
    assert marker.read_text() == "only_here "


def test_a_zygote_that_is_killed_is_replaced(engine: object) -> None:
    own = variables.options(num_cpus=0, runtime_env=with_variable("salt"))
    assert trygon.get(own.remote("FLAVOUR"), timeout=20) == {"FLAVOUR": "salt"}
    killed = 0
    for process in leaks.engine_processes():
        number = process.partition(" ")[0]
        if b"TRYGON_PREPARES_ENVIRONMENT=1" in Path(f"/proc/{number}/environ").read_bytes() and "worker" not in process:
            os.kill(int(number), signal.SIGKILL)
            killed += 1
    assert killed == 1

    @trygon.remote
    class Actor:
        def flavour(self) -> str | None:
            return os.environ.get("FLAVOUR")

    # More workers than there are, so that new ones are forked.
    actors = [Actor.options(num_cpus=0, runtime_env=with_variable("salt")).remote() for _ in range(3)]
    assert trygon.get([actor.flavour.remote() for actor in actors], timeout=20) == ["salt"] * 3

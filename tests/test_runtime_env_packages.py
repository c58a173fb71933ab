"""Packages of runtime environments: installed once into a cache, shared, kept apart, and refused with what went wrong.

The wheels are written by the tests, so that no index is needed; one test uses a real package and is skipped without
one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest
import trygon
from trygon.exceptions import RuntimeEnvSetupError
from wheels import write_wheel


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TRYGON_RUNTIME_ENV_CACHE", str(folder))
    # An index that is configured on the machine must not answer in the place of the test's wheels.
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    write_wheel(folder, "trygon_leaf", "1.0", "VALUE = 1")
    write_wheel(folder, "trygon_leaf", "2.0", "VALUE = 2")
    write_wheel(folder, "trygon_branch", "1.0", "from trygon_leaf import VALUE", requires=("trygon_leaf<2",))
    return folder


def offline(wheels: Path, *packages: str, **others: object) -> dict[str, object]:
    options = ["--no-index", "--find-links", str(wheels)]
    return {"pip": {"packages": list(packages), "pip_install_options": options, **others}}


@trygon.remote
def imported(name: str) -> object:
    return __import__(name).VALUE


@trygon.remote
def interpreter() -> tuple[str, str, str | None, list[str]]:
    return sys.executable, sys.prefix, os.environ.get("VIRTUAL_ENV"), sys.path


def environments(cache: Path) -> list[Path]:
    return sorted(path.with_suffix("") for path in cache.glob("*.json"))


def test_packages_are_installed_once_and_for_those_who_ask(cache: Path, wheels: Path) -> None:
    with trygon.init(num_cpus=2):
        first = imported.options(runtime_env=offline(wheels, "trygon_leaf==1.0"))
        second = imported.options(runtime_env=offline(wheels, "trygon_leaf==2.0"))
        refs = [function.remote("trygon_leaf") for function in (first, second) * 4]
        assert trygon.get(refs, timeout=60) == [1, 2] * 4
        with pytest.raises(ModuleNotFoundError):
            trygon.get(imported.remote("trygon_leaf"), timeout=20)
    made = {path: path.stat().st_ctime_ns for path in environments(cache)}
    assert len(made) == 2
    # Another job finds them: nothing is installed, and it takes no longer than starting a process.
    with trygon.init(num_cpus=2, runtime_env=offline(wheels, "trygon_leaf==1.0")):
        began = time.monotonic()
        assert trygon.get(imported.remote("trygon_leaf"), timeout=30) == 1
        assert time.monotonic() - began < 1.5
    assert {path: path.stat().st_ctime_ns for path in environments(cache)} == made


def test_packages_bring_what_they_need_and_inherit_the_drivers(wheels: Path) -> None:
    with trygon.init(num_cpus=1, runtime_env=offline(wheels, "trygon_branch", pip_check=False)):
        assert trygon.get(imported.remote("trygon_branch"), timeout=60) == 1

        @trygon.remote
        def inherited() -> str:
            import cloudpickle

            return str(cloudpickle.__file__)

        import cloudpickle

        assert trygon.get(inherited.remote(), timeout=20) == cloudpickle.__file__


def test_a_package_of_the_environment_hides_the_drivers(cache: Path, wheels: Path) -> None:
    write_wheel(wheels, "pytest", "9999.0", "VALUE = 'hidden'")
    with trygon.init(num_cpus=1):
        own = imported.options(runtime_env=offline(wheels, "pytest==9999.0"))
        assert trygon.get(own.remote("pytest"), timeout=60) == "hidden"
    assert pytest.__version__ != "9999.0"


def test_the_interpreter_is_the_environments(cache: Path, wheels: Path) -> None:
    with trygon.init(num_cpus=1, runtime_env=offline(wheels, "trygon_leaf==1.0")):
        executable, prefix, virtual, search_path = trygon.get(interpreter.remote(), timeout=60)
        (folder,) = environments(cache)
        assert (executable, prefix, virtual) == (str(folder / "bin" / "python"), str(folder), str(folder))
        site = next(path for path in search_path if path.startswith(str(folder)))
        inherited = [path for path in search_path if path.endswith("site-packages") and path != site]
        assert all(search_path.index(site) < search_path.index(path) for path in inherited)

        @trygon.remote
        def child() -> str:
            code = "import trygon_leaf; print(trygon_leaf.VALUE)"
            return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

        assert trygon.get(child.remote(), timeout=20) == "1\n", "also in a process that the task starts"


def test_a_requirements_file(tmp_path: Path, wheels: Path) -> None:
    more = tmp_path / "more.txt"
    more.write_text("trygon_leaf==2.0  # a comment\n")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# packages\n--no-index\n--find-links wheels\n-r more.txt\n\n")
    with trygon.init(num_cpus=1, runtime_env={"pip": str(requirements)}):
        assert trygon.get(imported.remote("trygon_leaf"), timeout=60) == 2


def test_a_wheel_by_its_path_and_its_new_content(cache: Path, wheels: Path) -> None:
    path = wheels / "trygon_leaf-1.0-py3-none-any.whl"
    with trygon.init(num_cpus=1):
        fields = {"pip": {"packages": [str(path)], "pip_install_options": ["--no-index"]}}
        assert trygon.get(imported.options(runtime_env=fields).remote("trygon_leaf"), timeout=60) == 1
    write_wheel(wheels, "trygon_leaf", "1.0", "VALUE = 'changed'")
    with trygon.init(num_cpus=1):
        assert trygon.get(imported.options(runtime_env=fields).remote("trygon_leaf"), timeout=60) == "changed"
    assert len(environments(cache)) == 2


def test_a_package_that_does_not_exist(cache: Path, wheels: Path) -> None:
    @trygon.remote
    class Actor:
        def method(self) -> None: ...

    fields = offline(wheels, "no_such_package_anywhere")
    with trygon.init(num_cpus=2):
        message = r"(?s)installing no_such_package_anywhere with pip failed.*No matching distribution"
        refs = [imported.options(runtime_env=fields).remote("x") for _ in range(5)]
        for ref in refs:
            with pytest.raises(RuntimeEnvSetupError, match=message):
                trygon.get(ref, timeout=60)
        with pytest.raises(RuntimeEnvSetupError, match=message):
            trygon.get(Actor.options(runtime_env=fields).remote().method.remote(), timeout=60)
        # Others go on.
        assert trygon.get(interpreter.remote(), timeout=20)[0] == sys.executable
    assert environments(cache) == []


def test_a_job_with_a_package_that_does_not_exist(wheels: Path) -> None:
    fields = offline(wheels, "no_such_package_anywhere")
    with (
        trygon.init(num_cpus=1, runtime_env=fields),
        pytest.raises(RuntimeEnvSetupError, match="no_such_package_anywhere"),
    ):
        trygon.get(imported.remote("x"), timeout=60)


def test_a_check_of_the_packages(wheels: Path) -> None:
    write_wheel(wheels, "trygon_broken", "1.0", "VALUE = 0", requires=("trygon_absent",))
    fields = offline(wheels, "trygon_broken", pip_check=True)
    fields["pip"]["pip_install_options"].append("--no-deps")  # type: ignore[index]
    own = imported.options(runtime_env=fields)
    message = r"(?s)checking the packages.*trygon[-_]absent"
    with trygon.init(num_cpus=1), pytest.raises(RuntimeEnvSetupError, match=message):
        trygon.get(own.remote("trygon_broken"), timeout=60)


def slow_package(tmp_path: Path) -> Path:
    """A source package whose build never ends, and that says where it runs."""
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (folder / "backend.py").write_text(
        f"import os, time\nopen({str(tmp_path / 'builder')!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(600)\n"
    )
    return folder


def offline_source(folder: Path, **others: object) -> dict[str, object]:
    options = ["--no-index", "--no-build-isolation"]
    return {"pip": {"packages": [str(folder)], "pip_install_options": options}, **others}


def builders(tmp_path: Path, limit_s: float = 30) -> list[int]:
    deadline = time.monotonic() + limit_s
    file = tmp_path / "builder"
    while not file.exists() or not file.read_text():
        assert time.monotonic() < deadline, "the build did not begin"
        time.sleep(0.05)
    return [int(line) for line in file.read_text().split()]


def test_an_installation_that_takes_too_long(tmp_path: Path) -> None:
    fields = offline_source(slow_package(tmp_path), config={"setup_timeout_seconds": 4})
    with trygon.init(num_cpus=1):
        began = time.monotonic()
        with pytest.raises(RuntimeEnvSetupError, match="took longer than setup_timeout_seconds=4"):
            trygon.get(imported.options(runtime_env=fields).remote("x"), timeout=40)
        assert 3 < time.monotonic() - began < 20
        # The leak check sees to it that nothing of the installer stays.


def test_an_engine_that_ends_while_packages_are_installed(tmp_path: Path) -> None:
    import leaks

    with trygon.init(num_cpus=1):
        ref = imported.options(runtime_env=offline_source(slow_package(tmp_path))).remote("x")
        pids = builders(tmp_path)
        # Whoever does not need the environment does not wait for it.
        assert trygon.get(interpreter.remote(), timeout=20)[0] == sys.executable
    assert leaks.wait_gone(pids, 3) == []
    del ref


def test_progress_is_told(tmp_path: Path) -> None:
    script = f"""
        import trygon
        trygon.init(num_cpus=1)
        @trygon.remote(runtime_env={offline_source(slow_package(tmp_path), config={"setup_timeout_seconds": 7})!r})
        def task():
            pass
        try:
            trygon.get(task.remote(), timeout=40)
        except trygon.exceptions.RuntimeEnvSetupError:
            print("refused")
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, env=environment, timeout=50
    )
    assert done.stdout.strip().endswith("refused"), done.stderr
    assert "A runtime environment is being made: " in done.stdout + done.stderr


def test_two_jobs_build_an_environment_once(cache: Path, tmp_path: Path, wheels: Path) -> None:
    fields = offline(wheels, "trygon_branch")
    script = f"""
        import trygon
        @trygon.remote
        def value():
            import trygon_branch
            return trygon_branch.VALUE
        with trygon.init(num_cpus=1, runtime_env={fields!r}):
            print(trygon.get(value.remote(), timeout=60))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    jobs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    assert [job.communicate(timeout=90)[0].strip() for job in jobs] == ["1", "1"]
    assert len(environments(cache)) == 1


def test_a_build_that_was_killed_is_begun_again(cache: Path, wheels: Path) -> None:
    fields = offline(wheels, "trygon_leaf==1.0")
    with trygon.init(num_cpus=1, runtime_env=fields):
        assert trygon.get(imported.remote("trygon_leaf"), timeout=60) == 1
    (folder,) = environments(cache)
    # As a kill in the middle would leave it.
    folder.with_suffix(".json").unlink()
    for module in folder.rglob("trygon_leaf.py"):
        module.write_text("raise RuntimeError('half of it')")
    with trygon.init(num_cpus=1, runtime_env=fields):
        assert trygon.get(imported.remote("trygon_leaf"), timeout=60) == 1


def test_the_cache_has_a_limit(cache: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with trygon.init(num_cpus=1, runtime_env=offline(wheels, "trygon_leaf==1.0")):
        assert trygon.get(imported.remote("trygon_leaf"), timeout=60) == 1
    (first,) = environments(cache)
    # Nothing but the newest has room, and what is in use stays.
    monkeypatch.setenv("TRYGON_RUNTIME_ENV_CACHE_GB", "0.000001")
    with trygon.init(num_cpus=1, runtime_env=offline(wheels, "trygon_leaf==2.0")):
        assert trygon.get(imported.remote("trygon_leaf"), timeout=60) == 2
        (second,) = environments(cache)
        assert second != first and not first.exists()
        third = imported.options(runtime_env=offline(wheels, "trygon_branch"))
        assert trygon.get(third.remote("trygon_branch"), timeout=60) == 1
        assert second in environments(cache)


def has_index() -> bool:
    index = os.environ.get("PIP_INDEX_URL") or os.environ.get("UV_INDEX_URL") or "https://pypi.org/simple"
    try:
        with urllib.request.urlopen(f"{index.rstrip('/')}/iniconfig/", timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_real_package(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_CONFIG_FILE")
    if not has_index():
        pytest.skip("no package index can be reached")

    @trygon.remote
    def shout() -> str:
        import pyfiglet  # type: ignore[import-not-found]

        return str(pyfiglet.__file__)

    with trygon.init(num_cpus=1):
        own = shout.options(runtime_env={tool: ["pyfiglet==1.0.2"]})
        assert trygon.get(own.remote(), timeout=120).endswith("site-packages/pyfiglet/__init__.py")

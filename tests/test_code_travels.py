"""Code on other machines: working directories, modules, packages and functions reach a node that has none of the
driver's files.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from apart import HEADER, Apart, why_not
from programs import finish
from wheels import write_wheel

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


@pytest.fixture
def apart() -> Iterator[Apart]:
    with Apart() as apart:
        yield apart


LOOK = """
@trygon.remote
def look():
    import helper
    return helper.VALUE, open("data.txt").read(), os.getcwd(), os.path.exists(os.environ["SOURCES"])
"""


@pytest.mark.parametrize("driver", ["a", "b"])
def test_a_working_directory_is_on_every_node(apart: Apart, driver: str) -> None:
    # On b the folder of sources is there too, but it is another one.
    body = (
        f"os.makedirs({str(apart.sources)!r} + '/tree', exist_ok=True)\nos.chdir({str(apart.sources)!r} + '/tree')\n"
        "open('helper.py', 'w').write('VALUE = 7')\nopen('data.txt', 'w').write('salt')\n"
        "trygon.init(runtime_env={'working_dir': '.', 'env_vars': {'SOURCES': os.getcwd()}})\n"
        + LOOK
        + "for where in (A, B):\n    print(trygon.get(look.options(**where).remote(), timeout=30))\n"
    )
    script = apart.shared / "main.py"
    script.write_text(HEADER + body)
    found = [eval(line) for line in apart.run(script, on=driver).splitlines()]
    assert [one[:2] for one in found] == [(7, "salt"), (7, "salt")]
    assert [one[2].startswith(str(apart.folder / node)) for one, node in zip(found, "ab", strict=True)] == [True, True]
    assert [one[3] for one in found] == [driver == "a", driver == "b"]
    assert apart.no_jobs_on_b()


def test_modules_are_on_every_node(apart: Apart) -> None:
    tree = apart.write(
        "tree", {"parts/__init__.py": "SHAPE = 'round'", "parts/more.py": "SIZE = 3", "single.py": "N = 1"}
    )
    write_wheel(tree / "wheels", "wheeled", "1.0", "SPEED = 9\n")
    body = (
        "from trygon.runtime_env import RuntimeEnv\n"
        "@trygon.remote\ndef read():\n    import parts.more, single, wheeled\n"
        "    values = parts.SHAPE, parts.more.SIZE, single.N, wheeled.SPEED\n"
        "    return *values, parts.__file__.startswith(os.environ['FOLDER'])\n"
        "trygon.init()\n"
        "modules = ['parts', 'single.py', 'wheels/wheeled-1.0-py3-none-any.whl']\n"
        "for name, where in (('a', A), ('b', B)):\n"
        f"    variables = {{'FOLDER': os.path.join({str(apart.folder)!r}, name)}}\n"
        "    environment = RuntimeEnv(py_modules=modules, env_vars=variables)\n"
        "    print(trygon.get(read.options(runtime_env=environment, **where).remote(), timeout=30))\n"
    )
    assert set(apart.run_text(body, "tree").splitlines()) == {"('round', 3, 1, 9, True)"}


def test_an_environment_that_begins_on_another_node_comes_back(apart: Apart) -> None:
    apart.write("tree", {"helper.py": "VALUE = 'the jobs'"})
    body = (
        "@trygon.remote\ndef read():\n    import helper\n    return helper.VALUE\n"
        "@trygon.remote\ndef begin():\n"
        f"    folder = {str(apart.folder / 'b' / 'own')!r}\n    os.makedirs(folder)\n"
        "    open(folder + '/helper.py', 'w').write('VALUE = \"the task s\"')\n"
        "    own = {'working_dir': folder}\n"
        "    refs = [read.remote(), read.options(**A).remote()]\n"
        "    refs += [read.options(runtime_env=own, **where).remote() for where in (A, B)]\n"
        "    return trygon.get(refs, timeout=30)\n"
        "trygon.init(runtime_env={'working_dir': '.'})\n"
        "print(trygon.get(begin.options(**B).remote(), timeout=40))\n"
    )
    assert apart.run_text(body, "tree") == "['the jobs', 'the jobs', 'the task s', 'the task s']"


KEPT = """
def kept():
    from trygon import _native
    return sorted(key.decode().split(":")[0] for key in _native.key_value("list", "trygon.runtime_env", b"package:")[2])
"""


def test_what_was_shipped_goes_with_the_job(apart: Apart) -> None:
    apart.write("tree", {"helper.py": "VALUE = 1", "data.txt": "salt"})
    use = (
        LOOK
        + KEPT
        + (
            "trygon.init(namespace='n', runtime_env={'working_dir': '.', 'env_vars': {'SOURCES': '.'}})\n"
            "# One copy for all of them, shipped once and fetched once.\n"
            "refs = [look.options(runtime_env={'env_vars': {'X': str(i)}}, **B).remote() for i in range(3)]\n"
            "print({one[2] for one in trygon.get(refs, timeout=40)}.__len__(), len(kept()))\n"
        )
    )
    assert apart.run_text(use, "tree") == "1 2"
    assert apart.no_jobs_on_b()
    keep = use + (
        "@trygon.remote\nclass Keeper:\n    def look(self):\n        import helper\n        return helper.VALUE\n"
        "    def pid(self): return os.getpid()\n"
        "k = Keeper.options(name='k', lifetime='detached', max_restarts=1, **B).remote()\n"
        "print(trygon.get(k.look.remote(), timeout=20))\n"
    )
    assert apart.run_text(keep, "tree") == "1 2\n1"
    assert len(apart.jobs_on_b()) > 0
    # The driver is gone. Its code is still there for a worker that takes the place of the first.
    after = KEPT + (
        "import signal\ntrygon.init(namespace='n')\nprint(len(kept()))\nk = trygon.get_actor('k')\n"
        "@trygon.remote(num_cpus=0, resources={'b': 1})\ndef kill(pid): os.kill(pid, signal.SIGKILL)\n"
        "trygon.get(kill.remote(trygon.get(k.pid.remote())))\n"
        "until = time.time() + 20\n"
        "while time.time() < until:\n"
        "    try:\n        print(trygon.get(k.look.remote(), timeout=20)); break\n"
        "    except trygon.exceptions.RayActorError: time.sleep(0.1)\n"
        "trygon.kill(k)\n"
        "until = time.time() + 10\n"
        "while kept() and time.time() < until: time.sleep(0.05)\n"
        "print(kept())\n"
    )
    assert apart.run_text(after) == "2\n1\n[]"


def test_variables_and_packages_are_made_on_every_node(apart: Apart) -> None:
    wheel = write_wheel(apart.shared / "wheels", "parcel", "2.0", "VALUE = 'parcel'\n")
    body = (
        "@trygon.remote\ndef read():\n    import parcel\n"
        "    return parcel.VALUE, parcel.__version__ if hasattr(parcel, '__version__') else '', os.environ['WHERE'],"
        " trygon.get_runtime_context().runtime_env['env_vars']['WHERE']\n"
        "environment = {'pip': [" + repr(str(wheel)) + "], 'env_vars': {'WHERE': '${TRYGON_JOB_DIRECTORY}/x'},"
        " 'config': {'setup_timeout_seconds': 60}}\n"
        "trygon.init(runtime_env=environment)\n"
        "for where in (A, B):\n    print(trygon.get(read.options(**where).remote(), timeout=60))\n"
    )
    found = [eval(line) for line in apart.run_text(body, TRYGON_RUNTIME_ENV_CACHE=f"{apart.folder}/cache").splitlines()]
    assert [one[0] for one in found] == ["parcel", "parcel"]
    assert [one[2].startswith(str(apart.folder / node)) for one, node in zip(found, "ab", strict=True)] == [True, True]
    assert {one[3] for one in found} == {"${TRYGON_JOB_DIRECTORY}/x"}


MISSING = """
import helper
trygon.init()
@trygon.remote
def uses(): return helper.VALUE
@trygon.remote
class Uses:
    def __init__(self): import helper
    def go(self): pass
@trygon.remote
def where(): return os.getcwd()
for begin in (
    uses.options(**B).remote,
    trygon.remote(helper.function).options(**B).remote,
    lambda: Uses.options(**B).remote().go.remote(),
):
    try:
        trygon.get(begin(), timeout=20)
    except Exception as error:
        said = str(error)
        print("helper" in said, "runtime_env={'working_dir': '.'}" in said, said.count("another node"))
print(trygon.get(uses.options(**A).remote()))
for node in (A, B):
    print(trygon.get(where.options(**node).remote()))
"""


def test_a_module_that_is_only_beside_the_program_is_explained(apart: Apart) -> None:
    tree = apart.write("tree", {"helper.py": "VALUE = 5\ndef function(): return VALUE\n"})
    lines = apart.run_text(MISSING, "tree").splitlines()
    assert lines[:4] == ["True True 1"] * 3 + ["5"]
    # The program's folder is not on b: its workers are in the job's.
    assert lines[4] == str(tree) and lines[5].startswith(f"{apart.folder}/b/") and "/jobs/" in lines[5]


SIDE_BY_SIDE = """
import helper
trygon.init(runtime_env={"working_dir": "."} if os.environ["SHIPS"] else {"py_modules": ["helper.py"]})
@trygon.remote(num_cpus=0)
def read(i):
    import helper
    time.sleep(0.01)
    return helper.VALUE, helper.times(i), open(helper.__file__).read().splitlines()[0]
@trygon.remote(num_cpus=0)
class Reader:
    def read(self):
        import helper
        return helper.VALUE
readers = [Reader.options(**where).remote() for where in (A, B)]
refs = [read.options(**where).remote(2) for where in (A, B) for _ in range(10)]
print(sorted(set(trygon.get(refs, timeout=40))))
print([trygon.get(reader.read.remote(), timeout=20) for reader in readers], helper.VALUE)
"""


def test_programs_of_two_trees_run_side_by_side(apart: Apart) -> None:
    programs = []
    for name, factor, ships in (("one", 2, "1"), ("two", 20, ""), ("three", 200, "1")):
        source = f"VALUE = '{name}'\ndef times(i): return {factor} * i\n"
        tree = apart.write(name, {"helper.py": source, "main.py": HEADER + SIDE_BY_SIDE})
        programs.append((name, factor, apart.start(tree / "main.py", SHIPS=ships)))
    for name, factor, program in programs:
        found, readers = finish(program).splitlines()
        assert found == f"""[('{name}', {2 * factor}, "VALUE = '{name}'")]"""
        assert readers == f"['{name}', '{name}'] {name}"


def test_a_function_whose_owner_is_gone_comes_from_the_head(apart: Apart) -> None:
    first = (
        "trygon.init(namespace='n')\n"
        "WORD = 'from a program that has ended'\n"
        "@trygon.remote\ndef word(): return WORD, 'b' in trygon.get_runtime_context().get_assigned_resources()\n"
        "@trygon.remote(num_cpus=0)\nclass Keeper:\n"
        "    def ask(self): return trygon.get(word.options(**B).remote(), timeout=20)\n"
        "    def child(self):\n        self.kept = Keeper.options(**B).remote()\n"
        "        return trygon.get(self.kept.ask.remote(), timeout=20)\n"
        "Keeper.options(name='k', lifetime='detached', **B).remote()\n"
        "trygon.get(trygon.get_actor('k').__ray_ready__.remote())\n"
    )
    assert apart.run_text(first) == ""
    second = (
        "trygon.init(namespace='n')\nk = trygon.get_actor('k')\n"
        "print(trygon.get(k.ask.remote(), timeout=20), trygon.get(k.child.remote(), timeout=30))\ntrygon.kill(k)\n"
    )
    word = "('from a program that has ended', True)"
    assert apart.run_text(second) == f"{word} {word}"


def test_a_large_function_travels(apart: Apart) -> None:
    body = (
        "import hashlib\ntrygon.init()\nDATA = os.urandom(20_000_000)\n"
        "@trygon.remote\ndef digest(): return hashlib.sha256(DATA).hexdigest()\n"
        "wanted = hashlib.sha256(DATA).hexdigest()\n"
        "print([trygon.get(digest.options(**where).remote(), timeout=40) == wanted for where in (A, B, B)])\n"
        "@trygon.remote\nclass Holder:\n    def digest(self): return hashlib.sha256(DATA).hexdigest()\n"
        "print(trygon.get(Holder.options(**B).remote().digest.remote(), timeout=40) == wanted)\n"
    )
    assert apart.run_text(body) == "[True, True, True]\nTrue"


CATCH = """
def caught(begin):
    try:
        print("no error:", trygon.get(begin(), timeout=40))
    except RuntimeEnvSetupError as error:
        print(str(error).replace("\\n", " "))
@trygon.remote
def nothing(): pass
"""


def test_what_cannot_be_shipped_or_fetched_is_an_error_that_says_why(apart: Apart) -> None:
    tree = apart.write("tree", {"data/small.txt": "x", "other/small.txt": "x", "little/small.txt": "x"})
    for name in ("data", "other"):
        (tree / name / "large.bin").write_bytes(os.urandom(2 << 20))
    body = (
        CATCH
        + KEPT
        + (
            "trygon.init()\nfrom trygon import _native\n"
            "def ship(name): return lambda: nothing.options(runtime_env={'working_dir': name}, **B).remote()\n"
            "caught(ship('data'))\ncaught(ship('other'))\n"
            # What the head has lost is not waited for.
            "trygon.get(nothing.options(runtime_env={'working_dir': 'little'}, **A).remote(), timeout=20)\n"
            "for key in _native.key_value('list', 'trygon.runtime_env', b'package:')[2]:\n"
            "    _native.key_value('delete', 'trygon.runtime_env', key)\n"
            "caught(ship('little'))\n"
        )
    )
    first, second, third = apart.run_text(body, "tree", TRYGON_RUNTIME_ENV_LIMIT_MIB="5").splitlines()
    assert first == "no error: None"
    assert "other" in second and "large.bin (2.1 MB)" in second and "excludes=[...]" in second and "5 MB" in second
    assert "not with the cluster's head any more" in third


def test_a_head_that_starts_again_still_has_it(apart: Apart) -> None:
    apart.write("tree", {"helper.py": "VALUE = 1", "data.txt": "salt"})
    body = (
        LOOK
        + KEPT
        + (
            "trygon.init(runtime_env={'working_dir': '.', 'env_vars': {'SOURCES': '.'}})\n"
            "before = kept()\nos.kill(int(os.environ['CONTROL']), 9)\n"
            "print(trygon.get(look.options(**B).remote(), timeout=50)[:2], kept() == before != [])\n"
        )
    )
    assert apart.run_text(body, "tree", CONTROL=str(apart.control_pid())) == "(1, 'salt') True"


def test_a_disk_that_is_full_is_an_error() -> None:
    with Apart(room_mib=24) as apart:
        apart.write("tree", {})
        (apart.sources / "tree").mkdir()
        with (apart.sources / "tree" / "zeros").open("wb") as file:
            file.truncate(60 << 20)
        body = CATCH + (
            "environment = {'working_dir': '.'}\ntrygon.init()\n"
            "caught(nothing.options(runtime_env=environment, **B).remote)\n"
            "caught(nothing.options(**B).remote)\n"
        )
        first, second = apart.run_text(body, "tree").splitlines()
        assert "No space left on device" in first and second == "no error: None"
        assert not [path for path in apart.jobs_on_b() if "incoming" in path]


def private_python(apart: Apart) -> str:
    """A Python that is not on `b`, with what the tests' own has."""
    made = apart.sources / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", made], check=True)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    next(made.glob("lib/python*/site-packages")).joinpath("more.pth").write_text(f"{packages}\n")
    return str(made / "bin" / "python")


PYTHON = """
trygon.init()
@trygon.remote
def python(): return sys.executable, __import__("numpy").__name__
for where in (A, B):
    try:
        print(*trygon.get(python.options(**where).remote(), timeout=30))
    except RuntimeEnvSetupError as error:
        print(error)
"""


def test_a_node_without_the_drivers_python_uses_its_own(apart: Apart) -> None:
    python = private_python(apart)
    script = apart.write("tree", {"main.py": HEADER + PYTHON}) / "main.py"
    assert apart.run(script, python=python).splitlines() == [f"{python} numpy", f"{sys.executable} numpy"]


def test_a_node_that_has_no_python_for_a_job_says_so() -> None:
    with Apart(python_of_b="/nowhere/python") as apart:
        python = private_python(apart)
        script = apart.write("tree", {"main.py": HEADER + PYTHON}) / "main.py"
        here, *there = apart.run(script, python=python).splitlines()
        assert here == f"{python} numpy"
        assert "workers cannot be started" in there[0] and python in there[0]

"""The corpus in `typing/cases`, checked by mypy and by pyright: what each line reveals, which lines are refused, and
no others.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

_CASES = Path(__file__).parent / "typing" / "cases"
_PACKAGE = Path(__file__).resolve().parent.parent / "python"


def expected(path, checker):
    """Line to `("is", text)` or `("error", "")`."""
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for kind, only, text in re.findall(
            r"# (is|error)(?:\[(\w+)\])?(?: ([^#]+))?", line.partition("  #")[2].join(["  #", ""])
        ):
            if not only or only == checker:
                found[number] = (kind, text.strip())
    return found


def plain(text):
    """A revealed type without module names and markers."""
    return (
        re.sub(r"\b[a-zA-Z_][\w]*\.(?=[\w.]*\w)", "", text).replace("builtins.", "").replace("*", "").replace("?", "")
    )


def mypy(path):
    pytest.importorskip("mypy")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--no-pretty",
        "--no-error-summary",
        "--disable-error-code",
    ]
    command += ["func-returns-value", "--follow-imports", "silent", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=_CASES, timeout=300)
    revealed, errors = {}, {}
    for line in run.stdout.splitlines():
        match = re.match(r"(.*?\.pyi?):(\d+): (error|note): (.*)", line)
        if not match or Path(match[1]).name != path.name:
            assert not match or match[3] != "error", line
            continue
        number = int(match[2])
        if reveal := re.match(r'Revealed type is "(.*)"', match[4]):
            revealed[number] = plain(reveal[1])
        elif match[3] == "error":
            errors[number] = match[4]
    return revealed, errors


def pyright(path, tmp_path):
    pytest.importorskip("pyright")
    # It looks only at files below its configuration.
    (tmp_path / path.name).write_text(path.read_text())
    config = tmp_path / "pyrightconfig.json"
    config.write_text(
        json.dumps(
            {
                "include": [path.name],
                "extraPaths": [str(_PACKAGE)],
                "reportUnusedExpression": False,
                "reportUnusedCoroutine": False,
            }
        )
    )
    command = [sys.executable, "-m", "pyright", "--outputjson", "-p", str(config), "--pythonpath", sys.executable]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if not run.stdout.startswith("{"):
        pytest.fail(f"pyright cannot run here: {run.stderr[-200:]}")
    revealed, errors = {}, {}
    for one in json.loads(run.stdout)["generalDiagnostics"]:
        number = one["range"]["start"]["line"] + 1
        if one["severity"] == "information" and (reveal := re.match(r'Type of ".*" is "(.*)"$', one["message"], re.S)):
            revealed[number] = plain(reveal[1])
        elif one["severity"] == "error":
            errors[number] = one["message"]
    return revealed, errors


def environment():
    import os

    return {**os.environ, "MYPYPATH": str(_PACKAGE)}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
@pytest.mark.parametrize("path", sorted(_CASES.glob("*.py")), ids=lambda path: path.stem)
def test_corpus(path, checker, tmp_path):
    revealed, errors = mypy(path) if checker == "mypy" else pyright(path, tmp_path)
    wanted = expected(path, checker)
    wrong = []
    for number, (kind, text) in wanted.items():
        if kind == "error" and number not in errors:
            wrong.append(f"line {number}: not refused")
        if kind == "is" and revealed.get(number) not in text.split(" | ") + [text]:
            wrong.append(f"line {number}: {revealed.get(number)} instead of {text}; {errors.get(number, '')}")
    wrong += [
        f"line {number}: {message}" for number, message in errors.items() if wanted.get(number, ("", ""))[0] != "error"
    ]
    assert not wrong, "\n".join(wrong)


def test_stub_and_module_have_the_same_names():
    import ast

    import trygon

    stub = ast.parse((_PACKAGE / "trygon" / "__init__.pyi").read_text())
    names = set()
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.asname}
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets}
    public = {name for name in names if not name.startswith("_")} | {"__version__", "__commit__"}
    assert public - {"Context"} == set(trygon.__all__)

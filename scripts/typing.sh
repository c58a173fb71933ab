#!/usr/bin/env bash
# The corpus of typed programs under tests/typing, checked by mypy and pyright against the installed wheel: what each line reveals,
# which lines are refused, and no others.
# usage: typing.sh FOLDER-OF-THE-CHECKERS REPORT
set -euo pipefail
checkers=$1
report=$2
python=$(python3 scripts/environments.py run)
site=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')

TRYGON_TEST_INSTALLED=1 PYTHONPATH=$site "$checkers/python" -m pytest -c python/pyproject.toml --rootdir . \
    tests/test_typing.py --junitxml "$report" -o junit_suite_name=typing

#!/usr/bin/env bash
# Type-checks the installed wheel as a user's checker sees it: mypy and pyright on every program under tests/typing.
# usage: typing.sh FOLDER-OF-THE-CHECKERS
set -euo pipefail
checkers=$1
python=$(dirname "$(python3 scripts/environments.py run)")/python

if [ ! -d tests/typing ]; then
    echo "there is no corpus under tests/typing" >&2
    exit 1
fi
"$checkers/mypy" --strict --python-executable "$python" --cache-dir .cache/mypy tests/typing
"$checkers/pyright" --pythonpath "$python" --warnings tests/typing

#!/usr/bin/env bash
# The end-to-end tests on each interpreter that is named, one after the other: all of them on the first, on the others those of
# interpreter-tests.txt (all of them with EVERYTHING=1, or when tests are selected by arguments). What fails is run once more at the end, when nothing else
# runs: a machine that is busy with other things makes clocks of tests run out. A test that fails twice fails the run; one that passes then
# is named, so that it is not forgotten.
#
#   scripts/end-to-end.sh REPORTS [pytest arguments] -- PYTHON...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

reports=$1
shift
arguments=()
while [[ $1 != -- ]]; do
    arguments+=("$1")
    shift
done
shift

export TRYGON_TEST_INSTALLED=1
failed=0
tests=(tests)
for python in "$@"; do
    name=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "== end to end on $("$python" --version)"
    run=("$python" -m pytest -c python/pyproject.toml --rootdir . -o "cache_dir=.cache/pytest-$name" -o "junit_suite_name=python-$name" "${tests[@]}")
    code=0
    "${run[@]}" ${arguments[@]+"${arguments[@]}"} --cache-clear --junitxml "$reports/python-$name.xml" || code=$?
    if [[ $code == 1 ]]; then
        echo "== once more, what failed on Python $name"
        code=0
        "${run[@]}" --last-failed --last-failed-no-failures none --junitxml "$reports/python-$name-again.xml" || code=$?
        [[ $code != 0 ]] || echo "== passed at the second try only: see above (Python $name)"
    fi
    [[ $code == 0 ]] || failed=$code
    if [[ -z ${EVERYTHING:-} && ${#arguments[@]} == 0 ]]; then
        mapfile -t tests < <(grep -v '^#' scripts/interpreter-tests.txt)
    fi
done
exit "$failed"

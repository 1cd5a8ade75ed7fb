#!/bin/sh
# Creates a virtual environment with the project, its tests and tools: install.sh PYTHON VENV
set -eu
python=$1
venv=$2

say() { printf '==> %s\n' "$1"; }
fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python not found; install Python 3.11 to 3.13, or name one: make PYTHON=python3.12"
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    fail "$("$python" --version) found; Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12"

if command -v uv >/dev/null; then
    uv=uv
    say "making $venv with $("$python" --version) and uv"
    [ -x "$venv/bin/python" ] || uv venv --quiet --python "$(command -v "$python")" "$venv"
else
    say "making $venv with $("$python" --version); uv is not installed, so pip installs it"
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" ||
        fail "$python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
    uv=$venv/bin/uv
fi
say "installing the project and its packages, versions as in constraints.txt (PyTorch is large: minutes on a slow line)"
# If Python may not write bytecode, every start would compile PyTorch again and take twice as long.
"$uv" pip install ${PYTHONDONTWRITEBYTECODE:+--compile-bytecode} \
    --python "$venv/bin/python" --constraint constraints.txt --editable ".[model,cpu]" --group dev
say "ready: $venv/bin/instageo --help"

#!/bin/sh
# Makes a virtual environment and installs onedepth from this folder into it. Needs Python 3.11 or later, nothing else.
#
#   sh install.sh [FOLDER] [EXTRAS]     FOLDER: .venv; EXTRAS: none, or for example train,dev
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-.venv}
extras=${2:+"[$2]"}
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "install.sh: $python is older than 3.11; set PYTHON to a later one" >&2
    exit 2
fi
if ! [ -x "$folder/bin/pip" ] && ! "$python" -m venv "$folder" >/dev/null 2>&1; then
    # Debian packs venv apart from Python.
    rm -rf "$folder"
    [ "$(id -u)" = 0 ] && sudo= || sudo=sudo
    $sudo apt-get -qq update
    $sudo apt-get -qq install -y "$(basename "$(readlink -f "$(command -v "$python")")")-venv" >/dev/null
    "$python" -m venv "$folder"
fi
# uv resolves and downloads many times faster than pip; pip brings it.
"$folder/bin/pip" -q --disable-pip-version-check install uv
"$folder/bin/uv" pip install -q --python "$folder/bin/python" -e "$here$extras"

#!/bin/sh
# Installs the labs from the wheels beside this file, without a network. The folder of the virtual
# environment may be named: sh install.sh FOLDER
set -eu
wheels=$(cd "$(dirname "$0")" && pwd)
folder=${1:-"$HOME/rwlib-class"}
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or newer is needed; python3 is $(python3 --version 2>&1)." >&2
  exit 2
}
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \
  --find-links "$wheels" 'risingwave-iam-runbook[sandbox,lab]'
"$folder/bin/rwlib" lab list
echo "Next: $folder/bin/rwlib app --copy notebooks, then $folder/bin/jupyter lab notebooks"
echo "In a shell alone: $folder/bin/rwlib lab start 1"

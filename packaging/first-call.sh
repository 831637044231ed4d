#!/bin/sh
# From nothing to the first authenticated call of the API, timed: an environment of its own, the packages of this checkout, a node, a
# user, a call. `make first-call` runs it; it fails if that takes longer than five minutes.
set -eu
most=300
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
began=$(date +%s)
"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install -q --disable-pip-version-check '.[management]' ./plugins/*
"$folder/environment/bin/python" examples/management.py trial
took=$(($(date +%s) - began))
echo "first user, first calls and a reviewed change after $took s"
[ "$took" -le "$most" ] || { echo "longer than $most s"; exit 1; }

#!/usr/bin/env bash
# Makes a Python client from the description of the server with openapi-python-client, and loads it.
#
#   fuzz/client.sh [DESCRIPTION]
#
# The description is crates/aeordb-server/tests/openapi.json, which a test holds against the server's.
# openapi-python-client is installed from PyPI into target/openapi-client. Fails on a warning, and on a
# call of the description that has no function in the client.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.29.1
RUFF=0.17.6
VENV=target/openapi-client
DESCRIPTION=${1:-crates/aeordb-server/tests/openapi.json}

fail() { printf 'client.sh: %s\n' "$*" >&2; exit 1; }

if [ "$("$VENV/bin/openapi-python-client" --version 2>/dev/null)" != \
  "openapi-python-client version: $VERSION" ]; then
  rm -rf "$VENV"
  python3 -m venv "$VENV" || fail "needs python3 with venv (Debian: apt-get install python3-venv)"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check \
    "openapi-python-client==$VERSION" "ruff==$RUFF" || fail "could not be installed from PyPI"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
PATH="$PWD/$VENV/bin:$PATH" openapi-python-client generate --path "$DESCRIPTION" --meta none \
  --output-path "$scratch/aeordb_client" --fail-on-warning >"$scratch/said" 2>&1 ||
  { cat "$scratch/said" >&2; fail "no client without a warning"; }
if grep -i warning "$scratch/said"; then fail "it is made with warnings"; fi
PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" - "$DESCRIPTION" "$scratch" <<'PYTHON'
import importlib, json, sys

sys.path.insert(0, sys.argv[2])
calls = 0
for path in json.load(open(sys.argv[1]))["paths"].values():
    for call in path.values():
        module = importlib.import_module(f"aeordb_client.api.default.{call['operationId']}")
        assert callable(module.sync_detailed), module
        calls += 1
assert calls > 30, calls
print(f"client.sh: a function for each of {calls} calls, without a warning")
PYTHON

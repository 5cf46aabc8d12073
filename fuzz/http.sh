#!/usr/bin/env bash
# Fuzzes a running server from its own description, /openapi.json, with schemathesis.
#
#   fuzz/http.sh [--examples N] [--seed N] [--aeordb PROGRAM] [-- OPTIONS OF st run]
#
# The program is target/debug/aeordb and is built when none is given; the server listens on a free
# port of loopback, on a database that is removed afterwards. schemathesis is installed from PyPI
# into target/schemathesis. Fails when an answer is not one that the description has, when a request
# without a valid key is answered, when wrong data is taken, or right data refused (fuzz/http.toml
# says where not), and when the server logs an error or does not end cleanly.
set -euo pipefail
cd "$(dirname "$0")/.."

SCHEMATHESIS_VERSION=4.32.5
VENV=target/schemathesis
EXAMPLES=50
SEED=1
AEORDB=

fail() { printf 'http.sh: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case "$1" in
    --examples) EXAMPLES=${2:?} ; shift 2 ;;
    --seed) SEED=${2:?} ; shift 2 ;;
    --aeordb) AEORDB=${2:?} ; shift 2 ;;
    --) shift ; break ;;
    -h|--help) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) printf 'http.sh: unknown argument %s (see --help)\n' "$1" >&2; exit 2 ;;
  esac
done

install() {
  if [ "$("$VENV/bin/st" --version 2>/dev/null)" = "st, version $SCHEMATHESIS_VERSION" ]; then
    return
  fi
  command -v python3 >/dev/null ||
    fail "needs python3, 3.10 or newer (Debian: apt-get install python3 python3-venv)"
  rm -rf "$VENV"
  python3 -m venv "$VENV" ||
    fail "python3 cannot make a venv (Debian: apt-get install python3-venv)"
  local attempt
  for attempt in 1 2 3; do
    if "$VENV/bin/pip" install --quiet --disable-pip-version-check \
      "schemathesis==$SCHEMATHESIS_VERSION"; then
      return
    fi
    printf 'http.sh: attempt %s of 3 to install schemathesis failed\n' "$attempt" >&2
  done
  fail "schemathesis $SCHEMATHESIS_VERSION could not be installed from PyPI"
}

SCRATCH=$(mktemp -d)
SERVER=
end() {
  if [ -n "$SERVER" ]; then kill "$SERVER" 2>/dev/null || true; wait "$SERVER" || true; fi
  rm -rf "$SCRATCH"
}
trap end EXIT

install
if [ -z "$AEORDB" ]; then
  cargo build --quiet --locked -p aeordb-cli
  AEORDB=target/debug/aeordb
fi

mkfifo "$SCRATCH/started"
"$AEORDB" serve --json --log errors --listen 127.0.0.1:0 --database "$SCRATCH/data.aeordb" \
  >"$SCRATCH/started" 2>"$SCRATCH/log" &
SERVER=$!
# One line, or the end of the pipe if the server ends.
read -r started <"$SCRATCH/started" || fail "the server did not start: $(cat "$SCRATCH/log")"
member() { printf '%s' "$started" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

passed=yes
export SCHEMATHESIS_HOOKS=$PWD/fuzz/http_bodies.py PYTHONDONTWRITEBYTECODE=1
(cd "$SCRATCH" && exec "$OLDPWD/$VENV/bin/st" --config-file "$OLDPWD/fuzz/http.toml" run \
  "$(member url)/openapi.json" -H "Authorization: Bearer $(member key)" \
  --max-examples "$EXAMPLES" --seed "$SEED" --generation-database none \
  --request-timeout 20 "$@") || passed=

kill "$SERVER"
ended=0
wait "$SERVER" || ended=$?
SERVER=
[ "$ended" = 0 ] || { cat "$SCRATCH/log" >&2; fail "the server ended with code $ended"; }
if grep -v -e '"event":"listening"' -e '"event":"stopped"' \
  -e '"event":"verification".*"damages":0[,}]' "$SCRATCH/log" >&2; then
  fail "the server logged what stands above"
fi
[ -n "$passed" ] || fail "the server does not do what it says"

#!/usr/bin/env bash
# Everything that goes by seeds, one seed after the other, for as long as it is told to:
#
#   proof/soak.sh [--seconds N] [--seed N] [--release]
#
# Of each seed: random histories beside a model in memory; crashes of a simulated disk; the real program
# disturbed at its system calls; power cuts under the real program; readers beside a writer. It begins no
# new seed after N seconds [3600], and stops at the first failure with the seed and the command that
# repeats it. --release builds with optimizations, without the checks of a debug build.
set -euo pipefail
cd "$(dirname "$0")/.."

FOR=3600 SEED=1 PROFILE=debug
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) FOR=${2:?} ; shift 2 ;;
    --seed) SEED=${2:?} ; shift 2 ;;
    --release) PROFILE=release ; shift ;;
    -h|--help) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) printf 'soak.sh: unknown argument %s (see --help)\n' "$1" >&2; exit 2 ;;
  esac
done

flags=(--locked)
[ "$PROFILE" = debug ] || flags+=(--release)
cargo build --quiet "${flags[@]}" -p aeordb-cli -p aeordb-proof
cargo test --quiet "${flags[@]}" -p aeordb --test it --no-run
tests=$(cargo test "${flags[@]}" -p aeordb --test it --no-run 2>&1 |
  sed -n 's/.*Executable .*(\(.*\))$/\1/p')
# What runs stays the same, whatever is built meanwhile.
PROGRAMS=target/soak-programs
mkdir -p "$PROGRAMS"
cp "target/$PROFILE/aeordb" "target/$PROFILE/aeordb-proof" "$PROGRAMS"
cp "${tests:?cargo names no program of tests}" "$PROGRAMS/tests"
TESTS=("$PROGRAMS/tests")
PROOF=("$PROGRAMS/aeordb-proof")
WITH=(--aeordb "$PROGRAMS/aeordb" --work target/soak)
LOG=target/soak.log
FIRST=$SEED

# Runs a part with a seed; its last line is the report.
part() {
  local begun=$SECONDS
  if ! env "AEORDB_SEED=$SEED" AEORDB_CASES=500 "$@" >"$LOG" 2>&1; then
    tail -n 40 "$LOG" >&2
    printf 'soak.sh: seed %s failed; again with: AEORDB_SEED=%s AEORDB_CASES=500 %s\n' \
      "$SEED" "$SEED" "$*" >&2
    exit 1
  fi
  printf 'seed %s, %s s: %s\n' "$SEED" $((SECONDS - begun)) \
    "$(grep -v '^$' "$LOG" | tail -n 1 | tr -s ' ')"
}

until [ "$SECONDS" -ge "$FOR" ]; do
  part "${TESTS[@]}" model::
  part "${TESTS[@]}" crash::
  part "${PROOF[@]}" sweep --most 12 --seed "$SEED" "${WITH[@]}"
  part "${PROOF[@]}" power-cut --most 600 --seed $((SEED * 1000)) "${WITH[@]}"
  part "${PROOF[@]}" readers --opens 10000 "${WITH[@]}"
  SEED=$((SEED + 1))
done
printf 'seeds %s to %s, %s s: nothing was wrong\n' "$FIRST" $((SEED - 1)) "$SECONDS"

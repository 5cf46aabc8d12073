#!/usr/bin/env bash
# Fuzzes decoders with libFuzzer, guided by coverage.
#
#   fuzz/run.sh [--seconds N] [--keep] [TARGET...]
#
# Each target, or all of them, runs for N seconds [60], from fuzz/corpus/TARGET and what earlier runs
# grew in fuzz/target/corpus. --keep then takes into fuzz/corpus what adds coverage to what is there,
# the smallest inputs that do. An input that crashes, hangs (10 s), or takes more than 1 GiB ends the
# run with its name; it stays in fuzz/artifacts, and belongs into fuzz/corpus with the mended bug.
#
# The build is that of a stable compiler, without sanitizers: the code has no unsafe.
set -euo pipefail
cd "$(dirname "$0")/.."

SECONDS_EACH=60
KEEP=
TARGETS=()

fail() { printf 'run.sh: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) SECONDS_EACH=${2:?} ; shift 2 ;;
    --keep) KEEP=yes ; shift ;;
    -h|--help) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    -*) printf 'run.sh: unknown argument %s (see --help)\n' "$1" >&2; exit 2 ;;
    *) [ -f "fuzz/fuzz_targets/$1.rs" ] || fail "there is no target $1"; TARGETS+=("$1"); shift ;;
  esac
done
if [ ${#TARGETS[@]} -eq 0 ]; then
  for file in fuzz/fuzz_targets/*.rs; do TARGETS+=("$(basename "$file" .rs)"); done
fi

FUZZ=$(.ci/cargo-tool cargo-fuzz 0.13.2 \
  612108f626b6ee0e5d63b1a0e257c89c13abffbd8fff539ccbffb7205b33093f)
"$FUZZ" build -s none
HOST=$(rustc -vV | sed -n 's/^host: //p')
BUILT=fuzz/target/$HOST/release
wrong=()
for target in "${TARGETS[@]}"; do
  grown=fuzz/target/corpus/$target artifacts=fuzz/artifacts/$target log=fuzz/target/$target.log
  mkdir -p "$grown" "$artifacts"
  ended=0
  "$BUILT/$target" "-artifact_prefix=$artifacts/" "-max_total_time=$SECONDS_EACH" -timeout=10 \
    -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1 \
    "$grown" "fuzz/corpus/$target" >"$log" 2>&1 || ended=$?
  count() { sed -n "s/^stat::$1: *//p" "$log"; }
  last=$(grep -E '^#[0-9]+.*cov:' "$log" | tail -n 1)
  covered=$(printf '%s' "$last" | sed -n 's/.*cov: \([0-9]*\) ft: \([0-9]*\).*/\1 edges, \2 features/p')
  printf '%-15s %10s runs, %s, %s MiB at most\n' \
    "$target" "$(count number_of_executed_units)" "$covered" "$(count peak_rss_mb)"
  if [ "$ended" != 0 ]; then
    grep -E '^(==|thread|SUMMARY|Test unit|ALARM)|panicked|artifact_prefix' "$log" | head -n 20 >&2
    wrong+=("$target")
  elif [ -n "$KEEP" ]; then
    # By edges alone: how often each is taken would keep ten times as much.
    "$BUILT/$target" -merge=1 -use_counters=0 -max_len=65536 "fuzz/corpus/$target" "$grown" \
      >>"$log" 2>&1
  fi
done
[ ${#wrong[@]} -eq 0 ] || fail "wrong: ${wrong[*]}; inputs are in fuzz/artifacts"

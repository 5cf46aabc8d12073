"""Bodies that are backups, for schemathesis: whole, cut off, with one byte changed, or any bytes."""

from pathlib import Path

import schemathesis
from hypothesis import strategies

GOLDEN = Path(__file__).parent.parent / "crates/aeordb/tests/golden"
BACKUPS = [(GOLDEN / name).read_bytes() for name in ("export.aeordb", "patch.aeordb")]


@strategies.composite
def backups(draw):
    whole = draw(strategies.sampled_from(BACKUPS))
    at = draw(strategies.integers(0, len(whole) - 1))
    byte = whole[at] ^ draw(strategies.integers(0, 255))
    changed = whole[:at] + bytes([byte]) + whole[at + 1 :]
    return draw(strategies.sampled_from([changed, whole[:at]]))


schemathesis.openapi.media_type(
    "application/octet-stream", backups() | strategies.binary(max_size=64)
)

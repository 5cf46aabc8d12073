"""What is recorded and reported, as values."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any


def _text(of: dict[str, Any], name: str) -> str | None:
    """A name or path as ``os.fsdecode`` gives it, whatever its bytes."""
    encoded = of.get(name + "_b64")
    if encoded is not None:
        return os.fsdecode(base64.b64decode(encoded))
    found: str | None = of.get(name)
    return found


def _nanoseconds(text: str | None) -> int | None:
    """Nanoseconds since 1970 of a time as RFC 3339 has it, in UTC."""
    if text is None:
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def _moment(text: str | None) -> datetime | None:
    nanoseconds = _nanoseconds(text)
    if nanoseconds is None:
        return None
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.replace(microsecond=rest // 1000)


@dataclass(frozen=True)
class Entry:
    """What is at a path of a version."""

    #: The path, from the root, with a slash at its start.
    path: str
    #: ``file``, ``directory``, ``symlink``, ``fifo``, ``chardev``, ``blockdev`` or ``socket``.
    kind: str
    #: Bytes of a file, of all files below a directory, of a link's target.
    size: int
    #: When its content was last changed; to the nanosecond in ``modified_ns``.
    modified: datetime | None
    modified_ns: int | None
    #: Permissions.
    mode: int | None
    #: The BLAKE3 hash of a file's bytes, or that of a directory's index.
    hash: str | None
    #: What a symbolic link leads to.
    target: str | None
    #: What the bytes of a file are, if that was said.
    content_type: str | None
    #: All of it, as the command line prints it with ``--json``.
    members: dict[str, Any] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The last part of the path; empty for the root."""
        return self.path.rsplit("/", 1)[-1]

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.kind == "file"

    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.kind == "directory"

    @classmethod
    def _of(cls, found: dict[str, Any]) -> Entry:
        mode = found.get("mode")
        return cls(
            path=_text(found, "path") or "/",
            kind=found["kind"],
            size=found["size"],
            modified=_moment(found.get("modified")),
            modified_ns=_nanoseconds(found.get("modified")),
            mode=None if mode is None else int(mode, 8),
            hash=found.get("hash"),
            target=_text(found, "target"),
            content_type=found.get("content_type"),
            members=found,
        )


@dataclass(frozen=True)
class Change:
    """A path that is not the same in two versions."""

    path: str
    #: ``added``, ``modified``, ``deleted`` or ``renamed``.
    change: str
    #: Where it was before it was renamed.
    origin: str | None
    #: What of it is another, where it was modified: ``content``, ``mode``, ``time``, …
    differs: tuple[str, ...]
    #: What is there now, or was.
    entry: Entry

    @classmethod
    def _of(cls, found: dict[str, Any]) -> Change:
        return cls(
            path=_text(found, "path") or "/",
            change=found["change"],
            origin=_text(found, "from"),
            differs=tuple(found.get("differs", ())),
            entry=Entry._of(found),
        )


@dataclass(frozen=True)
class Snapshot:
    """A name of a version."""

    name: str
    version: str
    created: datetime | None
    metadata: dict[str, str]
    #: True if it stays until it is released.
    held: bool

    @classmethod
    def _of(cls, found: dict[str, Any]) -> Snapshot:
        return cls(
            name=found["name"],
            version=found["version"],
            created=_moment(found["created_at"]),
            metadata=found["metadata"],
            held=found.get("held", False),
        )


@dataclass(frozen=True)
class HistoryEntry:
    """What HEAD was, or a version that was imported."""

    sequence: int
    time: datetime | None
    version: str
    #: What made it: ``put``, ``promote``, ``import``, …
    what: str
    #: True if it became HEAD.
    promoted: bool

    @classmethod
    def _of(cls, found: dict[str, Any]) -> HistoryEntry:
        return cls(
            sequence=found["sequence"],
            time=_moment(found["time"]),
            version=found["version"],
            what=found["what"],
            promoted=found["promoted"],
        )


@dataclass(frozen=True)
class PathVersion:
    """A version that changed what is at a path."""

    version: str
    time: datetime | None
    what: str
    snapshots: tuple[str, ...]
    change: Change

    @classmethod
    def _of(cls, found: dict[str, Any]) -> PathVersion:
        return cls(
            version=found["version"],
            time=_moment(found["time"]),
            what=found["what"],
            snapshots=tuple(found["snapshots"]),
            change=Change._of(found),
        )


class Report:
    """What a call did: the members of what the command line prints with ``--json`` are its attributes."""

    def __init__(self, members: dict[str, Any], warnings: list[str] | None = None) -> None:
        #: All members.
        self.members = members
        #: What did not stop the call, but must be known: what could not be read, or restored whole.
        self.warnings: tuple[str, ...] = tuple(warnings or ())

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["members"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self.members.items())
        return f"Report({inner})"

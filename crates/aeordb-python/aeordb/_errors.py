"""What went wrong, by kind: the kinds of the command line's ``--json`` and of the server's problems."""

from __future__ import annotations

import errno
import json
from typing import Any


class Error(Exception):
    """Something failed. What a program needs to know of it are attributes, and in ``members``."""

    #: The kind, as the command line and the server call it.
    kind: str = "error"
    #: What a program needs to know, by name.
    members: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        try:
            return self.members[name]
        except KeyError:
            raise AttributeError(name) from None


class Invalid(Error, ValueError):
    """The request cannot be meant: a bad name, path, hash or option; or the database is closed."""


class NotFound(Error, FileNotFoundError):
    """A path, version, name or file that is not there."""


class Exists(Error, FileExistsError):
    """Something is there already, and is not replaced."""


class Held(Error):
    """A snapshot that stays until it is released."""


class EmptySource(Error):
    """What is put has nothing in it, and would take the place of something."""


class TooManyDeletions(Error):
    """More files would be deleted than may be."""


class Locked(Error):
    """Another process writes to the database."""


class BaseMismatch(Error):
    """A patch starts from another version than HEAD: ``head``, ``base``, ``target``."""


class BrokenChain(Error):
    """The files of an import do not follow each other."""


class HeadMoved(Error):
    """HEAD is not what was expected: ``head``, ``expected``."""


class Changed(Error):
    """What is at a path is not what was expected there."""


class Damaged(Error):
    """Stored bytes are not what they must be."""


class Encrypted(Error):
    """Encrypted, and for others than those whose keys are at hand."""


class Newer(Error):
    """Made by a program that knows more than this one."""


class Incomplete(Error):
    """A version cannot be complete: ``version``, ``missing``, ``base``."""


class Foreign(Error):
    """The file is not one of aeordb."""


class ReadOnly(Error):
    """The file cannot be written to."""


class Limit(Error):
    """Something is larger than it may be: ``what``, ``limit``, ``found``."""


class Collected(Error):
    """A version was collected while it was read."""


class Busy(Error):
    """Others have their turn, and had it for as long as was waited."""


class Interrupted(Error):
    """The call was asked to stop."""


class SystemRefused(Error, OSError):
    """The operating system, or the way to the server, refused something; ``errno`` says what."""


class NoSpace(SystemRefused):
    """A disk, a quota or a file size limit is full."""


class Denied(Error, PermissionError):
    """The key does not allow it, or opens nothing."""


_KINDS: dict[str, type[Error]] = {
    "invalid": Invalid,
    "not-found": NotFound,
    "exists": Exists,
    "held": Held,
    "empty-source": EmptySource,
    "too-many-deletions": TooManyDeletions,
    "locked": Locked,
    "base-mismatch": BaseMismatch,
    "broken-chain": BrokenChain,
    "head-moved": HeadMoved,
    "changed": Changed,
    "damaged": Damaged,
    "stored-damaged": Damaged,
    "encrypted": Encrypted,
    "newer": Newer,
    "incomplete": Incomplete,
    "foreign": Foreign,
    "read-only": ReadOnly,
    "limit": Limit,
    "too-large": Limit,
    "collected": Collected,
    "busy": Busy,
    "interrupted": Interrupted,
    "no-space": NoSpace,
    "io": SystemRefused,
    "denied": Denied,
    "unauthorized": Denied,
    "forbidden": Denied,
}
_NUMBERS: dict[type[Error], int] = {
    NotFound: errno.ENOENT,
    Exists: errno.EEXIST,
    Denied: errno.EACCES,
    NoSpace: errno.ENOSPC,
    SystemRefused: errno.EIO,
}


def exception(kind: str, detail: str, members: str) -> Error:
    """The exception of a kind, with what it says and its members in JSON."""
    known: dict[str, Any] = json.loads(members)
    made = _KINDS.get(kind, Error)
    number = _NUMBERS.get(made)
    if number is None:
        error = made(detail)
    else:
        number = (known.get("system") or {}).get("code") or number
        error = made(number, detail)
    error.kind = kind
    error.members = known
    return error

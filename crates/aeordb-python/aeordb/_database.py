"""A database, wherever it is."""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TypeVar, Union

from ._native import Content, Handle, Pages
from ._records import Change, Entry, HistoryEntry, PathVersion, Report, Snapshot

#: A path of the tree: text or bytes.
TreePath = Union[str, bytes, "os.PathLike[str]"]
#: A path of this machine.
LocalPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
#: Told how far a call is: files, bytes, and how many of them are expected (0: not known).
Progress = Callable[[int, int, int, int], object]
T = TypeVar("T")


class _Raw(io.RawIOBase):
    """The bytes of a file of one version, where they are wanted."""

    def __init__(self, content: Content, name: str) -> None:
        self._content = content
        self._at = 0
        self.name = name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._content.size}[whence]
        if start + offset < 0:
            raise ValueError(f"negative position {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self.closed:
            raise ValueError("the file is closed")
        into = memoryview(buffer).cast("B")
        data = self._content.read_at(self._at, len(into))
        into[: len(data)] = data
        self._at += len(data)
        return len(data)


def _tree(path: TreePath) -> bytes:
    return os.fsencode(path)


def _cache() -> str | None:
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(caches, "aeordb") if os.path.isabs(caches) else None


def _each(pages: Pages, make: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    for page in pages:
        for found in json.loads(page):
            yield make(found)


def _reported(reported: tuple[str, list[str]]) -> Report:
    members, warned = reported
    for warning in warned:
        warnings.warn(warning, stacklevel=3)
    return Report(json.loads(members), warned)


def _bound(max_delete: int | str | None) -> str | None:
    return None if max_delete is None else str(max_delete)


class Database:
    """A database of this machine; with ``readonly`` also an export or a patch.

    Without ``readonly`` it is made where it is not, appears with its first change, and no other process
    writes to it until it is closed. With it nothing is ever written, and what is read is what was there
    when it was opened. ``patches`` are read as if they had been imported, and are not.

    It may be used by any number of threads. Versions are named as on the command line: ``HEAD``,
    ``HEAD~2``, a snapshot, a hash or its beginning, ``@{yesterday}``.
    """

    def __init__(
        self,
        path: LocalPath,
        *,
        readonly: bool = False,
        patches: Iterable[LocalPath] = (),
    ) -> None:
        name = os.fsdecode(path)
        self._handle = Handle.open(name, readonly, [os.fsdecode(patch) for patch in patches])
        self._name = name

    @classmethod
    def _connected(cls, url: str, key: str) -> Database:
        database = cls.__new__(cls)
        database._handle = Handle.connect(url, key)
        database._name = url
        return database

    def __repr__(self) -> str:
        return f"<aeordb.Database {self._name!r}{', closed' if self.closed else ''}>"

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes it; what was changed is durable before that."""
        self._handle.close()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._handle.closed

    @property
    def head(self) -> str:
        """The version that is HEAD."""
        return self._handle.resolve("HEAD")

    def resolve(self, version: str) -> str:
        """The hash of the version that is called so."""
        return self._handle.resolve(version)

    # Reading

    def open(self, path: TreePath, *, version: str = "HEAD") -> io.BufferedReader:
        """The bytes of a file, to be read and sought in; every one is proved before it is given out."""
        raw = _Raw(self._handle.read(_tree(path), version), os.fsdecode(path))
        return io.BufferedReader(raw, buffer_size=256 * 1024)

    def read(self, path: TreePath, *, version: str = "HEAD") -> bytes:
        """All bytes of a file."""
        with self.open(path, version=version) as file:
            return file.read()

    def stat(self, path: TreePath, *, version: str = "HEAD") -> Entry:
        """What is at a path."""
        return Entry._of(json.loads(self._handle.stat(_tree(path), version)))

    def exists(self, path: TreePath, *, version: str = "HEAD") -> bool:
        """Whether anything is at a path."""
        self._handle.resolve(version)
        try:
            self._handle.stat(_tree(path), version)
        except FileNotFoundError:
            return False
        return True

    def ls(self, path: TreePath = "/", *, version: str = "HEAD") -> Iterator[Entry]:
        """What is in a directory, by name."""
        return _each(self._handle.entries(_tree(path), version, False), Entry._of)

    def walk(self, path: TreePath = "/", *, version: str = "HEAD") -> Iterator[Entry]:
        """Everything below a directory, each directory before what it holds."""
        return _each(self._handle.entries(_tree(path), version, True), Entry._of)

    # Files in and out

    def write(
        self,
        path: TreePath,
        data: bytes | bytearray | memoryview | BinaryIO,
        *,
        content_type: str | None = None,
    ) -> str:
        """Puts bytes, or what a file object gives, at a path; gives the version. Directories are made."""
        if isinstance(data, (bytearray, memoryview)):
            data = bytes(data)
        return self._handle.write(_tree(path), data, content_type)

    def put(
        self,
        local: LocalPath | list[LocalPath] | tuple[LocalPath, ...],
        path: TreePath = "/",
        *,
        mirror: bool = False,
        max_delete: int | str | None = None,
        allow_empty: bool = False,
        exclude: Iterable[str] = (),
        owner: bool = True,
        xattrs: bool = True,
        snapshot: str | None = None,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
        cache: bool = True,
        progress: Progress | None = None,
    ) -> Report:
        """Puts local files and directories, as one version.

        A directory's contents land under ``path``, a file at it, or in it where it ends with a slash or
        is a directory; several land in it under their own names. With ``mirror`` what the local tree
        does not have is deleted, at most ``max_delete`` (a number, or a share such as ``"20%"``).
        """
        locals_ = local if isinstance(local, (list, tuple)) else [local]
        wish = {
            "mirror": mirror,
            "max_delete": _bound(max_delete),
            "allow_empty": allow_empty,
            "exclude": list(exclude),
            "owner": owner,
            "xattrs": xattrs,
            "snapshot": snapshot,
            "metadata": dict(metadata or {}),
            "content_type": content_type,
            "cache": _cache() if cache else None,
        }
        to = _tree(path)
        inside = to.endswith(b"/") and to != b"/"
        sources = [os.fsdecode(one) for one in locals_]
        return _reported(self._handle.put(sources, to, inside, wish, progress))

    def get(
        self,
        path: TreePath,
        local: LocalPath,
        *,
        version: str = "HEAD",
        overwrite: str = "refuse",
        mirror: bool = False,
        max_delete: int | str | None = None,
        allow_empty: bool = False,
        exclude: Iterable[str] = (),
        owner: bool = True,
        xattrs: bool = True,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Report:
        """Restores what is at a path.

        ``overwrite`` is ``refuse``, ``never``, ``if-newer``, ``if-changed`` or ``always``. What could not
        be restored is counted in ``failed``, and named in ``warnings``.
        """
        wish = {
            "overwrite": overwrite,
            "mirror": mirror,
            "max_delete": _bound(max_delete),
            "allow_empty": allow_empty,
            "exclude": list(exclude),
            "owner": owner,
            "xattrs": xattrs,
            "verify": verify,
        }
        return _reported(self._handle.get(_tree(path), version, os.fsdecode(local), wish, progress))

    def remove(self, *paths: TreePath, recursive: bool = False) -> Report:
        """Removes what is at these paths from HEAD, as one version."""
        return Report(json.loads(self._handle.remove([_tree(path) for path in paths], recursive)))

    def rename(self, source: TreePath, to: TreePath, *, force: bool = False) -> Report:
        """Moves what is at a path; ``force`` replaces a file that is there."""
        return Report(json.loads(self._handle.rename(_tree(source), _tree(to), force)))

    def copy(
        self, source: TreePath, to: TreePath, *, version: str = "HEAD", force: bool = False
    ) -> Report:
        """Copies what is at a path of a version to HEAD, which costs no bytes."""
        return Report(json.loads(self._handle.copy(_tree(source), version, _tree(to), force)))

    # Versions

    def snapshot(
        self, name: str, version: str = "HEAD", *, metadata: Mapping[str, str] | None = None
    ) -> Snapshot:
        """Names a version."""
        return Snapshot._of(json.loads(self._handle.snapshot(name, version, dict(metadata or {}))))

    def snapshots(self) -> Iterator[Snapshot]:
        """All names of versions."""
        return _each(self._handle.snapshots(), Snapshot._of)

    def delete_snapshot(self, name: str) -> None:
        """Takes a name away."""
        self._handle.delete_snapshot(name)

    def history(self, limit: int | None = None) -> Iterator[HistoryEntry]:
        """What HEAD was, and what was imported, newest first."""
        return _each(self._handle.history(limit), HistoryEntry._of)

    def log(self, path: TreePath, limit: int | None = None) -> Iterator[PathVersion]:
        """The versions that changed what is at a path, newest first."""
        return _each(self._handle.log(_tree(path), limit), PathVersion._of)

    def diff(
        self, source: str, to: str = "HEAD", *, path: TreePath | None = None
    ) -> Iterator[Change]:
        """What changed between two versions."""
        at = None if path is None else _tree(path)
        return _each(self._handle.changes(source, to, at), Change._of)

    def promote(self, version: str, *, expect: str | None = None) -> Report:
        """Makes a version HEAD; with ``expect`` only if HEAD is still that."""
        return Report(json.loads(self._handle.promote(version, expect)))

    # Backup and restore

    def export(
        self,
        output: LocalPath,
        *,
        version: str = "HEAD",
        path: TreePath | None = None,
        progress: Progress | None = None,
    ) -> Report:
        """Writes a version to a new file, which appears complete or not at all."""
        at = None if path is None else _tree(path)
        return _reported(self._handle.export(version, at, os.fsdecode(output), progress))

    def patch(
        self,
        output: LocalPath,
        source: str,
        to: str = "HEAD",
        *,
        path: TreePath | None = None,
        progress: Progress | None = None,
    ) -> Report:
        """Writes the difference of two versions to a new file."""
        at = None if path is None else _tree(path)
        return _reported(self._handle.patch(source, to, at, os.fsdecode(output), progress))

    def import_(
        self,
        *files: LocalPath,
        promote: bool = False,
        force: bool = False,
        snapshot: str | None = None,
        merge: str | None = None,
        undo: LocalPath | None = None,
        progress: Progress | None = None,
    ) -> Report:
        """Takes exports and patches in, in order, as one change: all of them or nothing.

        HEAD stays what it is without ``promote``. ``merge`` applies the changes of a patch to HEAD,
        whatever it is: ``leave-out``, ``ours`` or ``theirs`` says what becomes of what both changed.
        ``undo`` is a new file for the patch that leads back.
        """
        wish = {
            "promote": promote,
            "force": force,
            "snapshot": snapshot,
            "merge": merge,
            "undo": None if undo is None else os.fsdecode(undo),
        }
        return _reported(self._handle.import_([os.fsdecode(file) for file in files], wish, progress))

    def verify(self, *, deep: bool = False, progress: Progress | None = None) -> Report:
        """Checks the database for damage: ``damages`` of the report lists it."""
        return _reported(self._handle.verify(deep, progress))

    def gc(self, *, dry_run: bool = False, progress: Progress | None = None) -> Report:
        """Gives the space back that no kept version needs."""
        return _reported(self._handle.collect(dry_run, progress))

    def info(self) -> Report:
        """What the file is, of which version, how large."""
        return Report(json.loads(self._handle.info()))


def connect(url: str, key: str | None = None) -> Database:
    """The database of a server. The key is that of ``AEORDB_API_KEY`` if none is given."""
    return Database._connected(url, key if key is not None else os.environ.get("AEORDB_API_KEY", ""))

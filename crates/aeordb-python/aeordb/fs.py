"""A file system for fsspec: versions are read where they are, by whatever reads ``aeordb://`` URLs.

``aeordb:///data/x.parquet`` is a file of HEAD, ``aeordb://VERSION:/data/x.parquet`` one of a version. Where
the database is, options say: ``database="data.aeordb"``, or ``url="http://…", key="…"``.
"""

from __future__ import annotations

import io
from typing import Any

from fsspec.spec import AbstractFileSystem

from ._database import Database, connect
from ._records import Entry


class AeordbFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Versions of a database as a file system that is only read."""

    protocol = "aeordb"
    #: One that was opened shows what was there then; another may be wanted.
    cachable = False
    root_marker = "/"

    def __init__(
        self,
        database: str | None = None,
        url: str | None = None,
        key: str | None = None,
        patches: tuple[str, ...] = (),
        **options: Any,
    ) -> None:
        super().__init__(database=database, url=url, key=key, **options)
        if (database is None) == (url is None):
            raise ValueError("expected database= or url=, one of them")
        if database is not None:
            self._database = Database(database, readonly=True, patches=patches)
        else:
            self._database = connect(str(url), key)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = str(path)
        if text.startswith("aeordb://"):
            text = text[len("aeordb://") :]
        version, inner = cls._split(text)
        inner = "/" + inner.strip("/")
        return f"{version}:{inner}" if version else inner

    @staticmethod
    def _split(path: str) -> tuple[str, str]:
        """The name of the version, empty for HEAD, and the path in it."""
        if not path.startswith("/"):
            version, cut, inner = path.partition(":/")
            if cut:
                return version, "/" + inner
        return "", path

    @classmethod
    def _parent(cls, path: str) -> str:
        version, inner = cls._split(cls._strip_protocol(path))
        above = inner.rsplit("/", 1)[0] or "/"
        return f"{version}:{above}" if version else above

    def _info(self, version: str, entry: Entry) -> dict[str, Any]:
        kind = entry.kind if entry.kind in ("file", "directory") else "other"
        return {
            "name": f"{version}:{entry.path}" if version else entry.path,
            "size": entry.size if kind == "file" else 0,
            "type": kind,
            "mtime": entry.modified,
            "mode": entry.mode,
            "hash": entry.hash,
            "islink": entry.kind == "symlink",
        }

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        version, inner = self._split(self._strip_protocol(path))
        return self._info(version, self._database.stat(inner, version=version or "HEAD"))

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        version, inner = self._split(self._strip_protocol(path))
        name = version or "HEAD"
        entry = self._database.stat(inner, version=name)
        found = list(self._database.ls(inner, version=name)) if entry.is_dir() else [entry]
        infos = [self._info(version, one) for one in found]
        return infos if detail else [info["name"] for info in infos]

    def modified(self, path: str) -> Any:
        return self.info(path)["mtime"]

    def checksum(self, path: str) -> Any:
        """The hash of the bytes: equal files have equal ones, in every version."""
        return self.info(path)["hash"]

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        with self._open(path) as file:
            size = file.seek(0, io.SEEK_END)
            start, end, _step = slice(start, end).indices(size)
            file.seek(start)
            return file.read(max(0, end - start))

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BufferedReader:
        if mode != "rb":
            raise OSError("a version is only read: Database.write and Database.put make new ones")
        version, inner = self._split(self._strip_protocol(path))
        return self._database.open(inner, version=version or "HEAD")

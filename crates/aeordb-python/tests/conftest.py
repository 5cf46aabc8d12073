"""What the tests share: a database, and a server of one, which ends with the tests."""

import os
import pathlib
import re
import subprocess
import time

import aeordb
import pytest

PROGRAM = os.environ.get("AEORDB_PROGRAM")


@pytest.fixture
def database(tmp_path):
    with aeordb.Database(tmp_path / "data.aeordb") as database:
        yield database


@pytest.fixture
def files(tmp_path):
    """A tree of three files and an empty directory."""
    tree = tmp_path / "files"
    (tree / "sub" / "empty").mkdir(parents=True)
    (tree / "a.txt").write_bytes(b"first\n")
    (tree / "sub" / "b.bin").write_bytes(bytes(range(256)) * 1000)
    (tree / "sub" / "c.txt").write_bytes(b"")
    return tree


class Served:
    """A running server, and its key."""

    def __init__(self, folder):
        self.database = folder / "served.aeordb"
        key_file = folder / "key"
        command = [PROGRAM, "serve", "--database", self.database, "--listen", "127.0.0.1:0"]
        command += ["--first-key-file", key_file]
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(600):
            found = re.search(r"http://127\.0\.0\.1:\d+", self.log.read_text())
            if found or self.process.poll() is not None:
                break
            time.sleep(0.05)
        assert found, self.log.read_text()
        self.url = found[0]
        self.key = key_file.read_text().strip()


@pytest.fixture
def served(tmp_path):
    if PROGRAM is None:
        pytest.skip("AEORDB_PROGRAM names no program to serve with")
    server = Served(tmp_path)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(30)


@pytest.fixture(params=["file", "server"])
def anywhere(request, tmp_path):
    """A database of this machine, and one of a server: what is asked of either is the same."""
    if request.param == "file":
        with aeordb.Database(tmp_path / "data.aeordb") as database:
            yield database
    else:
        served = request.getfixturevalue("served")
        with aeordb.connect(served.url, served.key) as database:
            yield database


def tree_of(folder):
    folder = pathlib.Path(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }

"""What a database does, on a file of this machine and through a server alike."""

import io
import os
import subprocess
import sys
import threading

import aeordb
import pytest
from conftest import tree_of


def test_bytes_come_back_as_they_were_in_every_version(anywhere):
    first = anywhere.write("/notes/a.txt", b"first")
    anywhere.snapshot("monday", metadata={"host": "here"})
    second = anywhere.write("/notes/a.txt", io.BytesIO(b"second" * 100_000), content_type="text/plain")
    assert first != second == anywhere.head == anywhere.resolve("HEAD")
    assert anywhere.read("/notes/a.txt") == b"second" * 100_000
    assert anywhere.read("/notes/a.txt", version="monday") == b"first"
    assert anywhere.read(b"/notes/a.txt", version=first[:12]) == b"first"
    assert anywhere.stat("/notes/a.txt").content_type == "text/plain"
    [monday] = anywhere.snapshots()
    assert (monday.name, monday.version, monday.metadata) == ("monday", first, {"host": "here"})
    anywhere.delete_snapshot("monday")
    assert list(anywhere.snapshots()) == []


def test_a_tree_goes_in_and_comes_out_the_same(anywhere, files, tmp_path):
    told = []
    put = anywhere.put(files, "/", snapshot="v1", progress=lambda *now: told.append(now))
    assert (put.files, put.files_new, put.snapshot, put.warnings) == (3, 3, "v1", ())
    assert told and told[-1][0] >= 0
    got = anywhere.get("/", tmp_path / "out")
    assert (got.files, got.failed, got.version) == (3, 0, put.version)
    assert tree_of(tmp_path / "out") == tree_of(files)
    (files / "a.txt").unlink()
    (files / "new").write_bytes(b"new")
    anywhere.put(files, "/", mirror=True)
    assert [(change.change, change.path) for change in anywhere.diff("v1")] == [
        ("modified", "/"),
        ("deleted", "/a.txt"),
        ("added", "/new"),
    ]
    with pytest.raises(aeordb.Exists):
        anywhere.get("/", tmp_path / "out")
    anywhere.get("/", tmp_path / "out", mirror=True)
    assert tree_of(tmp_path / "out") == tree_of(files)


def test_what_is_left_out_is_not_put(anywhere, files):
    put = anywhere.put(files, "/", exclude=["*.txt"])
    assert put.excluded == 2
    assert [entry.path for entry in anywhere.walk()] == ["/sub", "/sub/b.bin", "/sub/empty"]


def test_directories_are_listed_and_walked(anywhere, files):
    anywhere.put(files, "/here/files")
    anywhere.put(files / "a.txt", "/there/")
    assert [entry.path for entry in anywhere.ls("/there")] == ["/there/a.txt"]
    assert [entry.name for entry in anywhere.ls("/here/files")] == ["a.txt", "sub"]
    walked = {entry.path: entry.kind for entry in anywhere.walk("/here")}
    assert walked["/here/files/sub"] == "directory"
    assert walked["/here/files/sub/b.bin"] == "file"
    entry = anywhere.stat("/here/files/a.txt")
    found = os.stat(files / "a.txt")
    assert entry.is_file() and not entry.is_dir()
    assert (entry.size, entry.modified_ns) == (found.st_size, found.st_mtime_ns)
    assert entry.mode == found.st_mode & 0o7777
    assert entry.modified.timestamp() == pytest.approx(found.st_mtime, abs=1e-5)
    assert anywhere.exists("/here") and not anywhere.exists("/nowhere")


def test_what_is_removed_renamed_and_copied_stays_in_older_versions(anywhere):
    anywhere.write("/a", b"a")
    before = anywhere.head
    anywhere.copy("/a", "/b")
    anywhere.rename("/b", "/c")
    assert anywhere.remove("/a").files == 1
    assert [entry.path for entry in anywhere.walk()] == ["/c"]
    assert anywhere.read("/a", version=before) == b"a"
    assert anywhere.copy("/a", "/a", version=before).version == anywhere.head
    assert next(anywhere.log("/a", limit=1)).change.change == "added"
    assert next(anywhere.history()).version == anywhere.head
    assert len(list(anywhere.history(limit=2))) == 2


def test_a_backup_goes_elsewhere_and_comes_back(anywhere, files, tmp_path):
    anywhere.put(files, "/", snapshot="v1")
    full = anywhere.export(tmp_path / "full.aeordb", version="v1")
    anywhere.write("/a.txt", b"another")
    patch = anywhere.patch(tmp_path / "patch.aeordb", "v1")
    assert patch.members["from"] == full.version
    with aeordb.Database(tmp_path / "other.aeordb") as other:
        imported = other.import_(tmp_path / "full.aeordb", tmp_path / "patch.aeordb")
        assert imported.version == anywhere.head and not imported.promoted
        assert other.head != anywhere.head
        assert other.promote(imported.version).head == anywhere.head
        assert other.read("/a.txt") == b"another"
        assert other.verify(deep=True).damages == []
    with aeordb.Database(tmp_path / "full.aeordb", readonly=True) as export:
        assert export.read("/a.txt") == b"first\n"
    lying = [tmp_path / "patch.aeordb"]
    with aeordb.Database(tmp_path / "full.aeordb", readonly=True, patches=lying) as read_with:
        assert read_with.read("/a.txt") == b"another"


def test_an_import_is_taken_back_by_the_patch_that_it_wrote(anywhere, tmp_path):
    with aeordb.Database(tmp_path / "source.aeordb") as source:
        source.write("/a", b"theirs")
        source.export(tmp_path / "full.aeordb")
    anywhere.write("/a", b"ours")
    before = anywhere.head
    report = anywhere.import_(tmp_path / "full.aeordb", promote=True, undo=tmp_path / "undo.aeordb")
    assert report.promoted and anywhere.read("/a") == b"theirs"
    anywhere.import_(tmp_path / "undo.aeordb", promote=True)
    assert anywhere.head == before


def test_a_patch_for_another_version_is_refused_by_kind(anywhere, tmp_path):
    with aeordb.Database(tmp_path / "source.aeordb") as source:
        first = source.write("/a", b"1")
        second = source.write("/a", b"2")
        source.patch(tmp_path / "patch.aeordb", first)
    anywhere.write("/b", b"elsewhere")
    with pytest.raises(aeordb.BaseMismatch) as refused:
        anywhere.import_(tmp_path / "patch.aeordb", promote=True)
    assert refused.value.kind == "base-mismatch"
    assert (refused.value.base, refused.value.target) == (first, second)
    assert refused.value.head == anywhere.head


def test_errors_are_those_of_python_too(anywhere):
    with pytest.raises(FileNotFoundError) as missing:
        anywhere.read("/nothing")
    assert isinstance(missing.value, aeordb.NotFound)
    with pytest.raises(aeordb.NotFound):
        anywhere.stat("/", version="never")
    with pytest.raises(ValueError):
        anywhere.read("/up/../down")
    anywhere.write("/d/a", b"")
    anywhere.write("/d/b", b"")
    with pytest.raises(aeordb.Invalid):
        anywhere.read("/d")
    with pytest.raises(aeordb.HeadMoved):
        anywhere.promote("HEAD~1", expect="HEAD~1")


def test_names_may_be_any_bytes(anywhere):
    path = b"/\xff\xfe"
    anywhere.write(path, b"x")
    [entry] = anywhere.ls()
    assert os.fsencode(entry.path) == path
    assert anywhere.read(entry.path) == b"x"


def test_files_are_sought_in_and_read_in_pieces(anywhere):
    data = os.urandom(3_000_000)
    anywhere.write("/big", data)
    with anywhere.open("/big") as file:
        assert file.seekable() and file.readable() and not file.writable()
        assert file.seek(-10, io.SEEK_END) == len(data) - 10
        assert file.read() == data[-10:]
        assert file.read() == b""
        file.seek(1_234_567)
        assert file.read(5) == data[1_234_567:1_234_572]
        assert file.tell() == 1_234_572
        file.seek(0)
        assert file.read() == data
    with pytest.raises(ValueError):
        file.read()


def test_an_open_file_is_of_its_version_whatever_comes_after(anywhere):
    anywhere.write("/a", b"x" * 1_000_000)
    with anywhere.open("/a") as file:
        anywhere.write("/a", b"y")
        assert file.read() == b"x" * 1_000_000


def test_space_is_given_back(anywhere):
    anywhere.write("/a", os.urandom(500_000))
    assert anywhere.info().kind == "database"
    assert anywhere.gc(dry_run=True).dry_run is True
    assert anywhere.gc().entries_live > 0


def test_who_only_reads_changes_nothing_and_finds_the_file_that_is_written(tmp_path):
    with aeordb.Database(tmp_path / "data.aeordb") as writer:
        writer.write("/a", b"1")
        with aeordb.Database(tmp_path / "data.aeordb", readonly=True) as reader:
            with pytest.raises(aeordb.ReadOnly):
                reader.write("/a", b"2")
            writer.write("/a", b"3")
            assert reader.read("/a") == b"1"
        with pytest.raises(aeordb.Locked):
            aeordb.Database(tmp_path / "data.aeordb")
    with pytest.raises(aeordb.NotFound):
        aeordb.Database(tmp_path / "none.aeordb", readonly=True)
    (tmp_path / "foreign").write_bytes(b"no database" * 1000)
    with pytest.raises(aeordb.Foreign):
        aeordb.Database(tmp_path / "foreign", readonly=True)


def test_a_closed_database_says_so_and_lets_others_write(tmp_path):
    database = aeordb.Database(tmp_path / "data.aeordb")
    database.write("/a", b"1")
    entries = database.walk()
    database.close()
    database.close()
    assert database.closed and "closed" in repr(database)
    # What was asked for before comes to its end.
    assert [entry.path for entry in entries] == ["/a"]
    with pytest.raises(ValueError, match="closed"):
        database.read("/a")
    with aeordb.Database(tmp_path / "data.aeordb") as again:
        assert again.read("/a") == b"1"


def test_threads_write_and_read_at_the_same_time(database):
    wrong = []

    def work(number):
        for turn in range(10):
            database.write(f"/{number}/{turn}", str(turn).encode())
            if database.read(f"/{number}/{turn}") != str(turn).encode():
                wrong.append((number, turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert database.stat("/").members["files"] == 40


def test_what_a_file_object_raises_stops_the_write(database):
    class Broken(io.RawIOBase):
        def read(self, _size=-1):
            raise RuntimeError("gone")

    database.write("/a", b"1")
    before = database.head
    with pytest.raises(aeordb.SystemRefused, match="gone"):
        database.write("/a", Broken())
    assert database.head == before


def test_what_progress_raises_stops_the_call(database, files):
    def stop(*_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        database.put(files, progress=stop)


def test_a_signal_stops_a_call(tmp_path, files):
    code = (
        "import aeordb, os, signal, sys\n"
        # What runs in the background has it ignored, and so has what that starts.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "database = aeordb.Database(sys.argv[1])\n"
        "try:\n"
        "    database.put(sys.argv[2], progress=lambda *_: os.kill(os.getpid(), signal.SIGINT))\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n"
    )
    command = [sys.executable, "-P", "-c", code, tmp_path / "data.aeordb", files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout == "stopped\n", done.stderr


def test_a_wrong_key_is_denied(served):
    with aeordb.connect(served.url, "aeor_wrong") as database:
        with pytest.raises(aeordb.Denied) as refused:
            list(database.ls())
        assert isinstance(refused.value, PermissionError)


def test_a_server_that_is_not_there_is_an_error_of_the_system():
    with aeordb.connect("http://127.0.0.1:9", "aeor_x") as database:
        with pytest.raises(OSError):
            database.head

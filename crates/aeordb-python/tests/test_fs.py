"""Versions read in place, by whatever reads URLs."""

import io

import aeordb
import fsspec
import pytest


@pytest.fixture
def options(tmp_path):
    path = tmp_path / "data.aeordb"
    with aeordb.Database(path) as database:
        database.write("/data/t.csv", b"a,b\n1,2\n")
        database.snapshot("host/v1")
        database.write("/data/t.csv", b"a,b\n1,2\n3,4\n")
        database.write("/data/deep/x", b"x")
    return {"database": str(path)}


def test_a_url_names_a_version_and_a_path(options):
    with fsspec.open("aeordb:///data/t.csv", **options) as file:
        assert file.read() == b"a,b\n1,2\n3,4\n"
    with fsspec.open("aeordb://host/v1:/data/t.csv", **options) as file:
        assert file.read() == b"a,b\n1,2\n"


def test_directories_are_listed_found_and_globbed(options):
    files = fsspec.filesystem("aeordb", **options)
    assert files.ls("/data", detail=False) == ["/data/deep", "/data/t.csv"]
    assert files.find("host/v1:/") == ["host/v1:/data/t.csv"]
    assert files.glob("aeordb://host/v1:/data/*.csv") == ["host/v1:/data/t.csv"]
    assert files.isdir("/data/deep") and files.isfile("/data/deep/x")
    assert not files.exists("host/v1:/data/deep")
    assert files._parent("host/v1:/data") == "host/v1:/"
    assert sorted(found[0] for found in files.walk("/")) == ["/", "/data", "/data/deep"]


def test_equal_bytes_have_equal_checksums_and_ranges_are_read(options):
    files = fsspec.filesystem("aeordb", **options)
    assert files.checksum("host/v1:/data/t.csv") != files.checksum("/data/t.csv")
    assert files.cat_file("/data/t.csv", 4, 7) == b"1,2"
    assert files.cat_file("/data/t.csv", -4) == b"3,4\n"
    assert files.cat(["/data/deep/x", "/data/t.csv"])["/data/deep/x"] == b"x"
    assert files.size("/data/t.csv") == 12
    with pytest.raises(OSError):
        files.open("/data/new", "wb")
    with pytest.raises(FileNotFoundError):
        files.info("/data/none")


def test_another_file_system_sees_what_was_written_meanwhile(options):
    assert not fsspec.filesystem("aeordb", **options).exists("/new")
    with aeordb.Database(options["database"]) as database:
        database.write("/new", b"")
    assert fsspec.filesystem("aeordb", **options).exists("/new")


def test_pandas_arrow_and_duckdb_read_versions_in_place(options):
    pandas = pytest.importorskip("pandas")
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    duckdb = pytest.importorskip("duckdb")

    url = "aeordb://host/v1:/data/t.csv"
    assert pandas.read_csv(url, storage_options=options)["b"].tolist() == [2]
    with aeordb.Database(options["database"]) as database:
        for version, count in (("p1", 1000), ("p2", 3000)):
            out = io.BytesIO()
            table = arrow.table({"n": list(range(count)), "w": [f"word {n % 7}" for n in range(count)]})
            parquet.write_table(table, out, row_group_size=500)
            database.write("/data/t.parquet", out.getvalue())
            database.snapshot(version)
    files = fsspec.filesystem("aeordb", **options)
    assert parquet.read_table("p1:/data/t.parquet", filesystem=files).num_rows == 1000
    frame = pandas.read_parquet("aeordb://p2:/data/t.parquet", storage_options=options)
    assert len(frame) == 3000
    connection = duckdb.connect()
    connection.register_filesystem(files)
    asked = """
        SELECT count(*) FROM read_parquet('aeordb://p2:/data/t.parquet')
        WHERE n NOT IN (SELECT n FROM read_parquet('aeordb://p1:/data/t.parquet'))
    """
    assert connection.sql(asked).fetchall() == [(2000,)]


def test_a_server_is_read_in_place(served):
    with aeordb.connect(served.url, served.key) as database:
        database.write("/data/t.csv", b"a,b\n1,2\n")
    options = {"url": served.url, "key": served.key}
    with fsspec.open("aeordb:///data/t.csv", **options) as file:
        file.seek(4)
        assert file.read() == b"1,2\n"

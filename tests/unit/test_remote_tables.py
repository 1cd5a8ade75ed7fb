"""Tables at URLs."""

import json
import sys

import pyarrow
import pytest
from pyarrow import parquet

from instageo.errors import MissingExtraError, TableError
from instageo.table import Row, read_table

CHIPS = "Input,Label\nchip.tif,label.tif\n"


@pytest.mark.parametrize("name", ["train.csv", "dataset.json", "train.parquet"])
def test_a_table_below_a_remote_root(store, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, url = store
    records = [{"Input": "chip.tif", "Label": "label.tif"}]
    (folder / "train.csv").write_text(CHIPS)
    (folder / "dataset.json").write_text(json.dumps(records))
    parquet.write_table(pyarrow.Table.from_pylist(records), folder / "train.parquet")
    expected = [Row("chip.tif", f"{url}/chip.tif", f"{url}/label.tif")]
    assert read_table(name, url, need_label=True) == expected
    assert read_table(f"{url}/{name}?sig=key", url, need_label=True) == expected
    (tmp_path / "train.csv").write_text("Input\na.tif\nb.tif\n")
    assert len(read_table("train.csv", url, need_label=False)) == 2  # as given comes first
    assert read_table(f"{url}/{name}", "/data", need_label=True) == [
        Row("chip.tif", "/data/chip.tif", "/data/label.tif")
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.csv", r"no such file \(the store answers 404\)"),
        ("denied/a.csv", r"access denied \(403, message='Forbidden'.*\); check that the URL is complete"),
        ("empty.csv", "the table has no rows"),  # pitfall 15
        ("table.txt", "the file name ends in '.txt'; save the table as"),
    ],
)
def test_unreadable_tables_are_reported_without_secrets(store, name, words):
    (store[0] / "empty.csv").write_text("Input,Label\n")
    with pytest.raises(TableError, match=rf"^{store[1]}/{name}: {words}") as refusal:
        read_table(f"{store[1]}/{name}?sig=secret", "/data", need_label=True)
    assert "secret" not in str(refusal.value)


def test_a_host_that_does_not_answer_is_reported():
    with pytest.raises(TableError, match=r"^http://127\.0\.0\.1:9/a\.csv: the store cannot be reached \(.*\); check"):
        read_table("http://127.0.0.1:9/a.csv", "/data", need_label=True)


def test_an_unknown_scheme_is_reported():
    with pytest.raises(
        TableError, match=r"^ftpx://host/a\.csv: cannot be read \(.*ftpx.*\); expected the URL of a table"
    ):
        read_table("ftpx://host/a.csv", "/data", need_label=True)


@pytest.mark.parametrize(
    ("scheme", "package", "extra"), [("s3", "s3fs", "s3"), ("gs", "gcsfs", "gcs"), ("az", "adlfs", "azure")]
)
def test_packages_of_stores_are_named_with_their_extra(scheme, package, extra, monkeypatch):  # pitfall 37
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"^{scheme}://b/a\.csv: .*pip install 'instageo-model\[{extra}\]'"):
        read_table("a.csv", f"{scheme}://b", need_label=True)

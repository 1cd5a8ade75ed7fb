"""The tables that a checkpoint names count only if they are on this machine."""

import pytest

from instageo.model.exports.export_model import find_own_table
from instageo.model.networks.checkpoint import Checkpoint


def find(run):
    return find_own_table(Checkpoint("a.ckpt", {}, {}, {}, run), "valid_filepath")


def test_its_own_table_is_found_as_given_and_below_its_folder(tmp_path):
    table = tmp_path / "valid.csv"
    table.write_text("Input\n")
    assert find({"root_dir": str(tmp_path), "valid_filepath": "valid.csv"}) == (str(table), str(tmp_path))
    assert find({"root_dir": str(tmp_path), "valid_filepath": str(table)}) == (str(table), str(tmp_path))
    assert find({"root_dir": str(tmp_path), "valid_filepath": "other.csv"}) is None


@pytest.mark.parametrize(
    "root", ["http://127.0.0.1:9/", "/vsicurl/http://127.0.0.1:9", "s3://bucket", 5, True, None, ["/"], ""]
)
def test_folders_elsewhere_and_of_wrong_types_do_not_count(tmp_path, root):
    (tmp_path / "valid.csv").write_text("Input\n")
    assert find({"root_dir": root, "valid_filepath": str(tmp_path / "valid.csv")}) is None


@pytest.mark.parametrize(
    "table",
    [
        "http://127.0.0.1:9/valid.csv",
        "/vsicurl/http://127.0.0.1:9/a.csv",
        "vsicurl/http://a",
        5,
        None,
        "a\0",
        "a" * 999,
    ],
)
def test_tables_elsewhere_and_of_wrong_types_do_not_count(table):
    assert find({"root_dir": "/", "valid_filepath": table}) is None

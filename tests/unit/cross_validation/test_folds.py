"""Folders of folds are found in their order; folds without a validation table borrow the next test chips."""

import pytest

from instageo.errors import ConfigError, TableError
from instageo.model.cross_validation.folds import add_validation, chip_locations, find_folds, read_records
from instageo.table import write_table

CHIPS = "abcdef"


def write_fold(folder, *, test, train=None, val=None):
    """Write the tables of a fold: chips are named by letters."""
    train = [chip for chip in CHIPS if chip not in test] if train is None else train
    folder.mkdir(parents=True)
    for name, chips in {"train": train, "val": val, "test": test}.items():
        if chips is not None:
            rows = [{"Input": f"../{chip}.tif", "Label": f"../{chip}_label.tif"} for chip in chips]
            write_table(folder / f"{name}.csv", rows)
    return folder


def names(path):
    return "".join(str(record["Input"])[3] for record in read_records(path))


def test_folds_are_found_in_natural_order(tmp_path):
    for name in ("fold_10", "fold_2", "fold_1"):
        write_fold(tmp_path / "folds" / name, test="a", val="b")
    (tmp_path / "folds" / "notes").mkdir()
    folds = find_folds([tmp_path / "folds"])
    assert [fold.name for fold in folds] == ["fold_1", "fold_2", "fold_10"]
    assert folds[1].root == str(tmp_path / "folds" / "fold_2")
    assert folds[1].val == tmp_path / "folds" / "fold_2" / "val.csv"
    assert find_folds([tmp_path / "folds" / name for name in ("fold_10", "fold_2")])[0].name == "fold_10"
    assert find_folds([tmp_path / "folds"], "gs://bucket/data")[0].root == "gs://bucket/data"


def test_equal_names_get_their_parents(tmp_path):
    for parent in ("north", "süd"):
        write_fold(tmp_path / parent / "fold", test="a")
    folds = find_folds([tmp_path / "north" / "fold", tmp_path / "süd" / "fold"])
    assert [fold.name for fold in folds] == ["north_fold", "süd_fold"]


def test_folders_that_are_no_folds_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none: is not a folder; expected one that instageo split --by kfold"):
        find_folds([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"empty: has no folds; expected folders with train\.csv and test\.csv"):
        find_folds([tmp_path / "empty"])
    one = write_fold(tmp_path / "folds" / "fold_1", test="a")
    with pytest.raises(ConfigError, match="fold_1: is the only fold, but a cross-validation needs at least 2"):
        find_folds([tmp_path / "folds"])
    two = write_fold(tmp_path / "folds" / "fold_2", test="b")
    with pytest.raises(ConfigError, match="fold_2: is listed twice, but each fold counts once; remove one"):
        find_folds([tmp_path / "folds", two])
    (two / "test.csv").unlink()
    with pytest.raises(TableError, match=r"fold_2: has no test\.csv; expected the folder of a fold"):
        find_folds([tmp_path / "folds"])
    (two / "test.csv").write_text("Input,Label\n")
    with pytest.raises(TableError, match=r"test\.csv: has no chips; each fold needs some in train\.csv and in test"):
        read_records(two / "test.csv")
    (one / "test.csv").write_text("image,mask\na.tif,b.tif\n")
    with pytest.raises(TableError, match=r"no column 'Input'; found \['image', 'mask'\]"):
        read_records(one / "test.csv")


def test_the_next_fold_gives_the_validation_chips(tmp_path):
    """Fold 1 has a buffer: it drops c, which is near its test chips; fold 2 drops a, which is near its own."""
    write_fold(tmp_path / "folds" / "1", test="ab", train="def")
    write_fold(tmp_path / "folds" / "2", test="cd", train="bef")
    write_fold(tmp_path / "folds" / "3", test="ef", train="abcd")
    (tmp_path / "folds" / "1" / "settings.json").write_text("{}")
    folds = add_validation(find_folds([tmp_path / "folds"]), tmp_path / "out")
    assert [(names(fold.train), names(fold.val), names(fold.test)) for fold in folds] == [
        ("ef", "d", "ab"), ("b", "ef", "cd"), ("d", "ab", "ef"),
    ]  # fmt: skip
    assert (tmp_path / "out" / "1" / "settings.json").read_text() == "{}"
    assert add_validation(find_folds([tmp_path / "folds"]), tmp_path / "out") == folds
    write_fold(tmp_path / "others" / "1", test="abc")
    write_fold(tmp_path / "others" / "2", test="de")
    write_fold(tmp_path / "others" / "3", test="f")
    with pytest.raises(ConfigError, match=r"train\.csv: belongs to other folds; choose another folder with --output"):
        add_validation(find_folds([tmp_path / "others"]), tmp_path / "out")


def test_two_folds_hold_out_a_fifth_of_their_training_chips(tmp_path):
    """10 training chips, one of them twice: 2 validate, the same ones each time, and rows of one chip stay together."""
    letters = [chr(ord("a") + number) for number in range(20)]
    write_fold(tmp_path / "folds" / "1", test=letters[:10], train=[*letters[10:], letters[10]])
    write_fold(tmp_path / "folds" / "2", test=letters[10:], train=letters[:10])
    folds = add_validation(find_folds([tmp_path / "folds"]), tmp_path / "out")
    for fold, chips in zip(folds, (letters[10:], letters[:10]), strict=True):
        assert len(set(names(fold.val))) == 2
        assert set(names(fold.train)) == set(chips) - set(names(fold.val))
        assert fold.test.parent.parent == tmp_path / "folds"
    assert len(names(folds[0].train)) + len(names(folds[0].val)) == 11
    assert add_validation(find_folds([tmp_path / "folds"]), tmp_path / "out") == folds


def test_validation_tables_of_the_folds_are_used_as_they_are(tmp_path):
    for number, test in enumerate(("a", "b")):
        write_fold(tmp_path / "folds" / str(number), test=test, val="c", train="def")
    folds = find_folds([tmp_path / "folds"])
    assert add_validation(folds, tmp_path / "out") == folds
    assert not (tmp_path / "out").exists()


def test_folds_that_leave_nothing_to_validate_on_are_refused(tmp_path):
    for number, test in enumerate("ab"):
        write_fold(tmp_path / "two" / str(number), test=test, train="cc")
    with pytest.raises(ConfigError, match=r"0/train\.csv: has only one chip, so that none is left for val\.csv"):
        add_validation(find_folds([tmp_path / "two"]), tmp_path / "out")
    write_fold(tmp_path / "two" / "2", test="a", val="b")
    with pytest.raises(ConfigError, match=r"has no val\.csv, but other folds have one; expected it in all or in none"):
        add_validation(find_folds([tmp_path / "two"]), tmp_path / "out")
    for number, test in enumerate("abc"):
        write_fold(tmp_path / "small" / str(number), test=test, train="f" if test == "a" else None)
    with pytest.raises(
        ConfigError, match=r"0/train\.csv: shares no chip with .*1/test\.csv, so that none is left for val"
    ):
        add_validation(find_folds([tmp_path / "small"]), tmp_path / "out")


def test_chips_are_the_same_however_tables_write_them(tmp_path):
    records = [{"Input": text} for text in ("../a.tif", f"{tmp_path}/x/./b.tif", "s3://bucket/c.tif")]
    root = tmp_path / "fold"
    assert chip_locations(records, root) == [f"{tmp_path}/a.tif", f"{tmp_path}/x/b.tif", "s3://bucket/c.tif"]
    assert chip_locations([{"Input": "a.tif"}], "gs://bucket/data") == ["gs://bucket/data/a.tif"]

"""Caveats of a cross-validation: chips in several tables, and test chips on training ground."""

from instageo.model.cross_validation.caveats import describe_leaks, describe_shared_ground
from instageo.model.cross_validation.folds import find_folds
from instageo.model.cross_validation.scores import FoldScores
from tests.unit.cross_validation.test_folds import write_fold


def test_chips_in_several_tables_are_told(tmp_path):
    write_fold(tmp_path / "folds" / "1", test="ab", train="acd", val="ef")
    write_fold(tmp_path / "folds" / "2", test="bc", train="ad", val="bc")
    chips = tmp_path / "folds"
    assert describe_leaks(find_folds([tmp_path / "folds"])) == [
        f"1: 1 chip is in both test.csv and train.csv, so its scores will be too good: {chips}/a.tif",
        f"2: 2 chips are in both test.csv and val.csv, so its scores will be too good: {chips}/b.tif",
        "2: 1 test chip is also in the test table of 1, and pooled scores count them twice",
    ]


def test_folds_without_validation_tables_are_told_and_good_ones_are_not(tmp_path):
    for number, test in enumerate("abc"):
        write_fold(tmp_path / "without" / str(number), test=test)
        write_fold(tmp_path / "with" / str(number), test=test, val="d", train="ef")
    assert describe_leaks(find_folds([tmp_path / "without"])) == [
        "the folds have no val.csv: the best epoch of each is chosen on the test chips of the next fold"
    ]
    assert describe_leaks(find_folds([tmp_path / "with"])) == []
    assert describe_leaks(find_folds([tmp_path / "without"])[:2]) == [
        "the folds have no val.csv: the best epoch of each is chosen on a fifth of its training chips, held out"
    ]


def test_folds_with_test_chips_on_training_ground_are_told_once():
    scores = [
        FoldScores(fold, seed, "", 5, 9, {}, 0.0, touching)
        for fold, touching in (("a", 2), ("b", 0))
        for seed in (1, 2)
    ]
    assert describe_shared_ground(scores) == [
        "a: 2 of 5 test chips overlap or touch training chips, so its scores are too good; split again with "
        "instageo split --buffer-km …"
    ]

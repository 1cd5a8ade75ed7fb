"""Sentences on what limits a cross-validation: chips in several tables, and test chips next to training chips."""

from collections.abc import Sequence

from instageo.model.cross_validation.folds import FoldTables, chip_locations, read_records
from instageo.model.cross_validation.scores import FoldScores
from instageo.wording import counted


def describe_leaks(folds: Sequence[FoldTables]) -> list[str]:
    """Return a sentence for chips that are in two tables of a fold, or in the test tables of two folds.

    Another sentence says if folds have no validation table of their own.

    Raises:
        TableError: A table has no chips, or no column of them.
    """
    notes, tested = [], dict[str, str]()
    for fold in folds:
        test = list(dict.fromkeys(chip_locations(read_records(fold.test), fold.root)))
        for table in (fold.train, fold.val):
            shared = set(test) & set(chip_locations(read_records(table), fold.root)) if table else set()
            if table and shared:
                chips, tables = counted(len(shared), "chip", "are"), f"{fold.test.name} and {table.name}"
                notes.append(f"{fold.name}: {chips} in both {tables}, so its scores will be too good: {min(shared)}")
        again = [chip for chip in test if chip in tested]
        if again:
            chips, first = counted(len(again), "test chip", "are"), tested[again[0]]
            notes.append(f"{fold.name}: {chips} also in the test table of {first}, and pooled scores count them twice")
        tested |= {chip: fold.name for chip in test if chip not in tested}
    if all(fold.val is None for fold in folds):
        chosen_on = "the test chips of the next fold" if len(folds) > 2 else "a fifth of its training chips, held out"
        notes.append(f"the folds have no val.csv: the best epoch of each is chosen on {chosen_on}")
    return notes


def describe_shared_ground(scores: Sequence[FoldScores]) -> list[str]:
    """Return a sentence for each fold whose test chips overlap or touch training chips."""
    sentences = {}
    for each in scores:
        if each.touching:
            chips = f"{each.touching} of {counted(each.chips, 'test chip')}"
            sentences[each.fold] = (
                f"{each.fold}: {chips} overlap or touch training chips, so its scores are too good; split again with "
                "instageo split --buffer-km …"
            )
    return list(sentences.values())

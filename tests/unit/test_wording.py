"""Nouns and verbs agree with their number."""

import pytest

from instageo.wording import counted


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1, "class"), "1 class"),
        ((2, "class"), "2 classes"),
        ((0, "chip"), "0 chips"),
        ((3, "entry"), "3 entries"),
        ((1, "chip", "are"), "1 chip is"),
        ((2, "chip", "are"), "2 chips are"),
        ((1, "date", "have"), "1 date has"),
        ((1, "row", "were"), "1 row was"),
    ],
)
def test_counted(arguments, words):
    assert counted(*arguments) == words

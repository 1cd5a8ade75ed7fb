"""YAML and JSON from outside are bounded before they are parsed."""

import pytest

from instageo.plain_values import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_DIGITS,
    UnboundedTextError,
    check_text,
    count_values,
    load_json,
)


@pytest.mark.parametrize(
    "text",
    [
        "[" * MAX_DEPTH + "]" * MAX_DEPTH,
        "\n".join(" " * (2 * level) + "a:" for level in range(MAX_DEPTH)),
        "a: " + "1" * MAX_DIGITS,
        "sha256: " + "0" * 64,
        "- [1, 2]\n" * 1000,
        "é" * (MAX_BYTES // 2),
    ],
)
def test_ordinary_text_passes(text):
    check_text(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * (MAX_DEPTH + 1), "more than 64 levels"),
        ('{"a": ' * (MAX_DEPTH + 1), "more than 64 levels"),
        ("- " * (MAX_DEPTH + 1) + "1", "more than 64 levels"),
        ("? " * (MAX_DEPTH + 1) + "1", "more than 64 levels"),
        (" " * (2 * MAX_DEPTH + 1) + "a: 1", "more than 64 levels"),
        ("a: " + "1" * (MAX_DIGITS + 1), "a number of more than 400 digits"),
        ("a: 0x" + "1_" * MAX_DIGITS, "a number of more than 400 digits"),
        ("é" * (MAX_BYTES // 2 + 1), "it has 2097154 bytes; expected at most 2097152"),
    ],
)
def test_text_beyond_a_limit_is_refused(text, problem):
    with pytest.raises(UnboundedTextError, match=problem):
        check_text(text)


def test_values_are_counted_with_those_that_aliases_repeat():
    shared = [1, 2]  # three values: the list and two numbers
    assert count_values({"a": shared, "b": shared, "c": "text"}) == 1 + 3 + 3 + 1
    level = "x"
    for _ in range(20):
        level = [level] * 9
    assert count_values(level) == sum(9**power for power in range(21))  # 1 + 9 + 81 + …


def test_values_that_contain_themselves_or_are_nested_too_deep_are_refused():
    cycle = []
    cycle.append(cycle)
    with pytest.raises(UnboundedTextError, match="is part of what it stands for"):
        count_values(cycle)
    deep = []
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    with pytest.raises(UnboundedTextError, match="more than 64 levels"):
        count_values(deep)


@pytest.mark.parametrize("text", ["", "[1", '{"a": ' * 100_000, "1" * 5000, "nonsense"])
def test_unusable_json_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011  # of several kinds
        load_json(text)


def test_json_is_read():
    assert load_json('{"a": [1, 2.5, null, true, "x"]}') == {"a": [1, 2.5, None, True, "x"]}

"""YAML read safely, and changed without losing what people wrote in it."""

import json
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from instageo.errors import RegistryError
from instageo.model.registry.yaml_io import load_yaml, update_yaml

TEXT = """\
# Models of our group
---
# Ask the office before you change anything here.

models:   # by key
  # Floods, since 2023
  floods:
    model_type: "segmentation"   # or regression
    classes_mapping: {0: 'No', 1: Water}   # as in the labels
    temporal_step: 1
    sizes:
      # The small one
      tiny: {num_params: 3.7M, gcs_folder: "gs://b/tiny"}   # old folder

      # The big one
      big:
        num_params: 304_000_000   # counted by hand
        gcs_folder: gs://b/big

  # Crops of three dates
  crops:
    sizes:
      tiny:
        num_params: 3.7M
        gcs_folder: gs://b/crops   # last line
# The end
"""
VERSION = {
    "folder": "x",
    "files": {"net.ckpt": {"size": 3}},
    "bands": ["B", "G"],
    "loss": 5.703247784399897e-05,
    "teacher": None,
    "name": "No",
}


def add_version(values, model, size):
    entry = values["models"][model]["sizes"][size]
    entry.setdefault("versions", {})["1.0.0"] = dict(VERSION)
    entry.setdefault("aliases", {})["latest"] = "1.0.0"
    entry["gcs_folder"] = "x"


def add_size(values, model, size):
    values["models"][model]["sizes"][size] = {"num_params": 1, "gcs_folder": "x"}
    add_version(values, model, size)


def add_model(values, model, size):
    values["models"][model] = {"sizes": {}}
    add_size(values, model, size)


def comments(text):
    """Return each comment with the next line that has a value, as far as its key."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    values = [(number, line) for number, line in enumerate(lines) if not line.startswith("#")]
    found = []
    for number, line in enumerate(lines):
        if "#" in line:
            own = line.startswith("#")
            owner = next((value for other, value in values if other >= number), "the end") if own else line
            found.append((line.partition("#")[2], owner.partition(":")[0]))
    return found


@pytest.mark.parametrize(
    ("edit", "model", "size"),
    [
        (add_version, "floods", "tiny"),
        (add_version, "floods", "big"),
        (add_version, "crops", "tiny"),
        (add_size, "floods", "huge"),
        (add_model, "fires", "tiny"),
    ],
)
def test_changes_keep_comments_order_and_quotes(edit, model, size):
    values = load_yaml(TEXT.encode())
    edit(values, model, size)
    changed = update_yaml(TEXT.encode(), values).decode()
    assert load_yaml(changed.encode()) == yaml.safe_load(changed) == values
    assert comments(changed) == comments(TEXT)
    for text in ('model_type: "segmentation"', "{0: 'No', 1: Water}", "304_000_000", "# Models of our group\n---\n"):
        assert text in changed
    assert json.dumps(load_yaml(changed.encode())) == json.dumps(values)  # in this order


def test_a_change_touches_only_its_lines():
    values = load_yaml(TEXT.encode())
    values["models"]["crops"]["sizes"]["tiny"]["gcs_folder"] = "gs://b/other"
    assert update_yaml(TEXT.encode(), values).decode() == TEXT.replace("gs://b/crops  ", "gs://b/other  ")


def test_unchanged_numbers_keep_all_digits():
    text = b"models:\n  a: 5.703247784399897e+16\n  b: 1\n"
    values = load_yaml(text)
    values["models"]["b"] = 2
    assert load_yaml(update_yaml(text, values)) == {"models": {"a": 5.703247784399897e16, "b": 2}}


def test_removed_keys_are_removed():
    assert update_yaml(b"a: 1  # one\nb: 2  # two\n", {"b": 2}) == b"b: 2  # two\n"


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
    | st.sampled_from(["No", "yes", "y", "1e5", "1e-05", "0o14", "010", "1:30", "2024-01-01", "~", "=", "<<", ".5"])
)  # fmt: skip
mappings = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)),
    max_size=3,
)


@given(mappings, mappings)
def test_what_is_written_is_read_back_by_yaml_1_1_and_1_2(first, more):
    written = update_yaml(b"models: {}\n", {"models": first})
    assert load_yaml(written) == yaml.safe_load(written) == {"models": first}
    changed = update_yaml(written, {"models": {**first, **more}})
    assert load_yaml(changed) == yaml.safe_load(changed) == {"models": {**first, **more}}


@given(st.text("ab1.0:-?[]{},&*!|>'\"%@` \n#~<=_eET", max_size=40))
def test_any_text_is_read_or_reported_in_one_sentence(text):
    reports = []
    try:
        load_yaml(text.encode())
    except RegistryError as error:
        reports.append(str(error))
    assert not any("\n" in report for report in reports)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x {b: *x}", r"an alias \(\*name\) is part of what it stands for"),
        ("a: &x [*x]", r"an alias \(\*name\) is part of what it stands for"),
        ("a: 1\nb: 2\na: 3", r"'a' is repeated \(line 3\)"),
        ("1: a\n1: b", r"'1' is repeated \(line 2\)"),
        ("a: !python x", "it is not YAML: could not determine a constructor for the tag"),
        ("[" * 500, "it has more than 64 levels of lists and mappings"),
        ("- " * 500 + "1", "it has more than 64 levels of lists and mappings"),
        ("a: " + "9" * 5000, "it has a number of more than 400 digits"),
        ("a: 1\n---\nb: 2", "it is not YAML: expected a single document"),
    ],
)
def test_unsafe_or_ambiguous_yaml_is_reported(text, message):
    with pytest.raises(RegistryError, match=message):
        load_yaml(text.encode())


def test_sizes_are_limited():
    levels = [f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]" for below, name in pairwise("abcdefghi")]
    with pytest.raises(RegistryError, match=r"its aliases \(\*name\) repeat more than 100000 values"):
        load_yaml("\n".join(["a: &a 1", *levels]).encode())
    with pytest.raises(RegistryError, match="it has 2097153 bytes; expected at most 2097152"):
        load_yaml(b"a: 1" + b" " * (2097153 - 4))


def test_aliases_and_merged_mappings_are_read():
    assert load_yaml(b"a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}") == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}

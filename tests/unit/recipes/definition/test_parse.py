"""Recipes of users: what is malformed, or more than data, is refused in one sentence that says where."""

from pathlib import Path

import pytest
import yaml

from instageo.recipes.definition.parse import parse_recipe
from instageo.recipes.definition.recipe import RecipeError
from instageo.recipes.definition.settings import to_override

VALID = {
    "name": "mine",
    "title": "Mine",
    "task": "segmentation",
    "licence": "CC0",
    "preset": "config",
    "settings": {"train": {"num_epochs": 3, "loss": {"dice": 1.0}}, "model": {"class_names": ["a", "b"]}},
    "published": {"scores": {"mIoU": 50}, "source": "a paper"},
    "chips": {
        "published": {
            "places": [{"url": "https://host/data", "files": [{"path": "a.zip", "size": 3, "sha256": "0" * 64}]}],
            "steps": [{"unpack": {"archive": "a.zip"}}, {"table": {"layout": "published"}}],
        }
    },
}


def parse(values):
    return parse_recipe(yaml.safe_dump(values, allow_unicode=True).encode(), Path("mine.yaml"))


def changed(path, value):
    """The valid recipe with one value replaced, or removed."""
    copy = yaml.safe_load(yaml.safe_dump(VALID))
    *parents, last = path
    part = copy
    for key in parents:
        part = part[key]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return copy


def test_a_valid_recipe():
    recipe = parse(VALID)
    assert recipe.settings == {"train.num_epochs": 3, "train.loss": {"dice": 1.0}, "model.class_names": ["a", "b"]}
    assert recipe.published.scores == {"mIoU": 50}
    origin = recipe.origins["published"]
    assert origin.tables == {"train": "train.csv", "val": "val.csv", "test": "test.csv"}
    assert origin.places[0].files[0].sha256 == "0" * 64
    assert [step.kind for step in origin.steps] == ["unpack", "table"]


PLACE = ("chips", "published", "places", 0)
STEP = ("chips", "published", "steps", 0)
CHIPS = {"command": "points", "input": "points.csv", "output": "chips"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("licence",), None, "the recipe: has no licence"),
        (("titel",), "x", r"'titel' is unknown; .*did you mean title\?"),
        (("name",), "../up", "name is '../up'; expected small letters"),
        (("task",), "detection", "task is 'detection'; expected segmentation or regression"),
        (("preset",), "../../etc/passwd", "preset is '../../etc/passwd'"),
        (("settings",), [1], "settings is a list"),
        (("settings",), {"train": {"num_epoch": 1}}, r"'train.num_epoch'; did you mean train.num_epochs\?"),
        (("settings",), {"train": {"loss": "code.py:loss"}}, "a recipe names losses of the program, no code"),
        (("settings",), {"train": {"loss": {"os.path:join": 1}}}, "a recipe names losses of the program, no code"),
        (("settings",), {"model": {"weights": "/etc/passwd"}}, "model.weights is not for recipes"),
        (("settings",), {"dataloader": {"augmentations": {"own": [{"function": "x.py:f"}]}}}, "is not for recipes"),
        (("settings",), {"checkpoint_path": "x"}, "checkpoint_path is not for recipes"),
        (("settings",), {"model": {"class_names": ["${oc.env:HOME}"]}}, "expected plain text without"),
        (("published", "scores", "mIoU"), "high", "published.scores.mIoU is 'high'; expected a number"),
        (("published", "source"), None, "published: has no source"),
        (("chips", "published", "steps"), None, "chips.published: has no steps"),
        (("chips", "other"), {}, "chips: 'other' is unknown"),
        ((*PLACE, "url"), "ftp://host/data", "expected a folder at gs://"),
        ((*PLACE, "url"), "https://user:secret@host/x", "expected a folder at"),
        ((*PLACE, "url"), "/etc", "expected a folder at"),
        ((*PLACE, "url"), "hf://models/a/b", "expected hf://datasets/OWNER/NAME"),
        ((*PLACE, "match"), ["*"], "expected either match"),
        ((*PLACE, "to"), "../up", "to is '../up'; expected a path below the folder"),
        ((*PLACE, "to"), "/abs", "expected a path below the folder"),
        ((*PLACE, "files"), ["../../x"], "expected a path below the folder"),
        ((*PLACE, "files"), [{"path": "a", "sha256": "12"}], "expected 64 hexadecimal digits"),
        ((*PLACE, "files"), [{"path": "a", "size": -1}], "expected a number of bytes"),
        (STEP, {"shell": "rm"}, "'shell' is unknown; expected unpack, dated_labels, table, chips, split"),
        (STEP, {"table": {"layout": "unknown"}}, "layout is 'unknown'; expected one of sen1floods11"),
        (STEP, {"unpack": {"archive": "/etc/x.tar"}}, "expected a path below the folder"),
        (STEP, {"chips": {**CHIPS, "command": "plan"}}, "command is 'plan'; expected points or raster"),
        (STEP, {"chips": {**CHIPS, "step": 3}}, r"'step' is unknown; .*did you mean steps\?"),
        (STEP, {"chips": {**CHIPS, "when": "later"}}, "when=later is unknown"),
        (STEP, {"chips": {**CHIPS, "class_map": "/etc/passwd"}}, "expected a path below the folder"),
        (STEP, {"chips": {**CHIPS, "catalog": "http://evil"}}, "catalog is 'http://evil'; expected one of planetary"),
        (STEP, {"split": {"table": "chips.csv"}}, "has no by"),
        (STEP, {"split": {"table": "chips.csv", "by": "blocks", "output": "/x"}}, "'output' is unknown"),
        (STEP, {"dated_labels": {"labels": "a", "to": "b", "days": {"Ghana": "May"}}}, "expected a day such as"),
        (STEP, {"dated_labels": {"labels": "a", "to": "b", "days": {"$(rm)": "2018-09-18"}}}, "days has the name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(path, value, message):
    with pytest.raises(RecipeError, match=message) as error:
        parse(changed(path, value))
    assert str(error.value).startswith("mine.yaml: is not a recipe: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is missing or empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: !!python/object/apply:os.system [ls]", "is not a recipe"),
        (b"name: a\nname: b\n", "'name' is repeated"),
        (b"- 1\n", "the file is a list"),
    ],
)
def test_what_is_not_a_mapping(content, message):
    with pytest.raises(RecipeError, match=message):
        parse_recipe(content, Path("mine.yaml"))


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("train.num_epochs", 50, "train.num_epochs=50"),
        ("model.class_names", ["no water", "water"], 'model.class_names=["no water","water"]'),
        ("dataloader.replace_label", None, "dataloader.replace_label=null"),
        ("dataloader.reduce_to_zero", False, "dataloader.reduce_to_zero=false"),
        ("train.loss", {"dice": 0.5, "focal": 1}, "train.loss={dice:0.5,focal:1}"),
    ],
)
def test_settings_as_they_are_typed(key, value, text):
    assert to_override(key, value) == text

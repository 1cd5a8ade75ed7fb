"""Augmentations of the user's own: the documented example works, mistakes are reported."""

import re
from pathlib import Path

import pytest
import torch

from instageo.errors import ConfigError
from instageo.model.augmentations.from_settings import augmentations_from_settings
from instageo.model.augmentations.pipeline import AugmentationSpec
from instageo.model.augmentations.user_defined import check_user_augmentation, load_user_augmentation
from instageo.model.settings import DataSettings, Settings
from instageo.model.settings.augmentations import Augmentations, OwnAugmentation
from tests.batches import apply, filled, numbered

DOCS = Path(__file__).parents[3] / "docs" / "augmentation.md"

BROKEN = """
def nothing(batch, rng):
    pass

def smaller(batch, rng):
    return batch.map(lambda tensor: tensor[..., 1:])

def integers(batch, rng):
    return batch.map(lambda tensor: tensor.long())

def repeat(batch, rng, count, *, size=1):
    return batch

answer = 42
"""


@pytest.fixture
def documented(tmp_path):
    """Write the file that the documentation shows."""
    [example] = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "my_augmentations.py").write_text(example)
    return tmp_path / "my_augmentations.py"


@pytest.fixture
def broken(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    return tmp_path / "broken.py"


def test_the_documented_example_works_as_described(documented):
    """With mean 0 and standard deviation 1, white is 3: halfway from 1 to 3 is 2."""
    spec = AugmentationSpec(f"{documented}:veil", 1, {"strength": 0.5})
    changed = apply(filled(1, 4, 4, batch=200), spec).image.flatten(1)
    assert torch.equal(changed.amin(1), changed.amax(1))
    assert 1 <= changed.min() < 1.05
    assert 1.95 < changed.max() <= 2


def test_own_augmentations_come_last(documented):
    own = [
        OwnAugmentation(function=f"{documented}:veil", p=0.25, parameters={"strength": 0.1}),
        OwnAugmentation(function="absent.py:unused", use=False),
    ]
    specs = augmentations_from_settings(Settings(dataloader=DataSettings(augmentations=Augmentations(own=own))))
    assert [spec.name for spec in specs] == ["hflip", "vflip", f"{documented}:veil"]
    assert specs[-1] == AugmentationSpec(f"{documented}:veil", 0.25, {"strength": 0.1})


@pytest.mark.parametrize("function", ["", "veil", "veil.py", "veil.txt:veil", "veil.py:2", ":veil"])
def test_names_of_another_form_raise_an_error(function):
    with pytest.raises(ConfigError, match=r"own.function=.* does not work; expected FILE.py:FUNCTION"):
        OwnAugmentation(function=function)


def test_missing_files_and_functions_are_named(broken):
    with pytest.raises(ConfigError, match=r"absent.py:veil names no Python file"):
        load_user_augmentation("absent.py:veil")
    for name in ("veil", "answer"):
        with pytest.raises(ConfigError, match=f"broken.py: has no function '{name}'"):
            load_user_augmentation(f"{broken}:{name}")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [({}, "missing a required argument: 'count'"), ({"count": 1, "n": 2}, "unexpected keyword argument 'n'")],
)
def test_parameters_that_do_not_fit_raise_an_error(broken, parameters, reason):
    with pytest.raises(ConfigError, match=reason):
        check_user_augmentation(f"{broken}:repeat", parameters)


def test_parameters_that_fit_are_accepted(broken):
    check_user_augmentation(f"{broken}:repeat", {"count": 1})
    check_user_augmentation(f"{broken}:repeat", {"count": 1, "size": 2})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing", "returned NoneType; expected the batch"),
        ("smaller", r"returned image \(1, 2, 3, 4, 3\) torch.float32; expected \(1, 2, 3, 4, 4\) torch.float32"),
        ("integers", r"returned image \(1, 2, 3, 4, 4\) torch.int64; expected"),
    ],
)
def test_results_of_another_shape_or_type_raise_an_error(broken, name, reason):
    with pytest.raises(ConfigError, match=reason):
        apply(numbered(2, 4, 4), AugmentationSpec(f"{broken}:{name}", 1))

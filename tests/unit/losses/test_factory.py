"""Losses by name, as sums and by import path; impossible ones are refused in one sentence."""

import math
import re
import sys
from pathlib import Path

import pytest
import torch

from instageo.errors import ConfigError, MissingExtraError
from instageo.model.losses.cross_entropy import WeightedCrossEntropy
from instageo.model.losses.factory import LossContext, LossKind, LossTerm, build_loss, output_channels, parse_loss_terms
from instageo.model.losses.from_settings import loss_from_settings
from instageo.model.networks.from_settings import network_from_settings
from instageo.model.settings import DataSettings, ModelSettings, Settings, TrainSettings
from instageo.model.settings.compose import first_difference, settings_to_dict, update_settings
from instageo.model.settings.keys import flatten
from instageo.model.tasks.from_settings import task_from_settings
from tests.losses import draw, make

DOCS = Path(__file__).parents[3] / "docs" / "losses.md"

CONTEXT = LossContext(LossKind.classes, 3, torch.tensor([1.0, 2.0, 3.0]), -1)

OWN = """
import torch


class Constant(torch.nn.Module):
    def __init__(self, value, num_classes, class_weights=None, *, ignore_index=0):
        super().__init__()
        if value < 0:
            raise ValueError("value is negative")
        self.arguments = value, num_classes, class_weights, ignore_index

    def forward(self, outputs, label):
        return outputs.sum() * 0 + self.arguments[0]


class Returns(torch.nn.Module):
    def __init__(self, what):
        super().__init__()
        self.what = what

    def forward(self, outputs, label):
        return {"none": None, "map": outputs, "count": label.sum(), "number": 1.0}[self.what]


def constant(**parameters):
    return Constant(num_classes=0, **parameters)


def nothing():
    pass


answer = 42
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Path of a file with user-defined losses, which is also importable as the package `own_losses`."""
    (tmp_path / "own_losses.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "own_losses.py"


def test_without_a_name_the_default_is_used():
    assert parse_loss_terms(None, "mse") == (LossTerm("mse"),)
    assert isinstance(loss_from_settings(Settings()), WeightedCrossEntropy)


def test_names_weights_and_parameters_are_parsed():
    assert parse_loss_terms("focal", "mse") == (LossTerm("focal"),)
    value = {"cross_entropy": 1, "focal": {"weight": 0.5, "gamma": 3}, "dice": {}}
    assert parse_loss_terms(value, "mse") == (
        LossTerm("cross_entropy"), LossTerm("focal", 0.5, {"gamma": 3}), LossTerm("dice"),
    )  # fmt: skip
    assert value["focal"] == {"weight": 0.5, "gamma": 3}


@pytest.mark.parametrize(
    "weights", [{"cross_entropy": 1, "dice": 0.5}, {"lovasz": 2}, {"focal": 0.25, "jaccard": 3, "tversky": 0.1}]
)
def test_a_sum_of_losses_is_their_weighted_sum(weights):
    outputs, label = draw("focal")
    expected = sum(weight * make(name)(outputs, label).item() for name, weight in weights.items())
    assert make(weights)(outputs, label).item() == pytest.approx(expected, rel=1e-6)


def test_class_weights_and_smoothing_come_from_the_settings():
    outputs, label = draw("cross_entropy")
    train = TrainSettings(class_weights=[1, 2, 3], label_smoothing=0.1, ignore_index=-7)
    built = loss_from_settings(three_classes(train))
    expected = torch.nn.CrossEntropyLoss(torch.tensor([1.0, 2, 3]), ignore_index=-7, label_smoothing=0.1)
    assert built(outputs, label).item() == pytest.approx(expected(outputs, label).item(), rel=1e-6)


def three_classes(train):
    return Settings(train=train, model=ModelSettings(num_classes=3))


def test_class_weights_still_to_be_computed_count_as_1():
    outputs, label = draw("cross_entropy")
    built = loss_from_settings(three_classes(TrainSettings(class_weights="auto", loss="dice")))
    assert built(outputs, label).item() == make("dice")(outputs, label).item()


@pytest.mark.parametrize(
    ("value", "channels"),
    [
        ("lovasz", 7),
        ("binary_focal", 7),
        ({"mse": 1, "mae": 1, "huber": 2}, 1),
        ("gaussian_nll", 2),
        ("quantile", 3),
        ({"quantile": {"quantiles": [0.2, 0.4, 0.5, 0.6]}}, 4),
    ],
)
def test_the_number_of_output_channels_follows_from_the_losses(value, channels):
    assert output_channels(parse_loss_terms(value, ""), 7) == channels


def test_a_user_defined_loss_takes_the_channels_of_the_others(own):
    assert output_channels(parse_loss_terms({f"{own}:Constant": 1, "gaussian_nll": 1}, ""), 1) == 2
    assert output_channels(parse_loss_terms(f"{own}:Constant", ""), 5) == 5


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("name", ["gone.py:Loss", "gone.losses:Loss"])
def test_a_trained_network_and_its_task_do_not_need_the_code_of_a_user_defined_loss(regression, name):
    settings = Settings(
        is_reg_task=regression, train=TrainSettings(loss={name: 1}), model=ModelSettings(model_name="prithvi_eo_tiny"),
        dataloader=DataSettings(label_mean=0, label_std=1),
    )  # fmt: skip
    with torch.device("meta"):
        assert network_from_settings(settings)(torch.zeros(1, 6, 1, 32, 32)).shape[1] == (1 if regression else 2)
    task_from_settings(settings)
    with pytest.raises(ConfigError, match="gone"):
        loss_from_settings(settings)


def test_losses_with_different_output_channels_are_refused():
    with pytest.raises(ConfigError, match=r"different numbers of output channels \(mse 1, gaussian_nll 2\); choose"):
        output_channels(parse_loss_terms({"mse": 1, "gaussian_nll": 1}, ""), 1)


@pytest.mark.parametrize("source", ["file", "package"])
def test_a_user_defined_loss_gets_the_arguments_in_its_signature(own, source):
    name = f"{own if source == 'file' else own.stem}:Constant"
    built = build_loss(parse_loss_terms({name: {"weight": 2, "value": 3}}, ""), CONTEXT)
    value, classes, weights, ignored = built.losses[0].loss.arguments
    assert (value, classes, ignored) == (3, 3, -1)
    assert weights.tolist() == [1, 2, 3]
    assert built(*draw("focal")).item() == 6


def test_a_user_defined_loss_in_a_sum(own):
    outputs, label = draw("focal")
    built = build_loss(parse_loss_terms({f"{own}:constant": {"value": 1.5}, "dice": 1}, ""), CONTEXT)
    dice = build_loss(parse_loss_terms("dice", ""), CONTEXT)
    assert built(outputs, label).item() == pytest.approx(1.5 + dice(outputs, label).item())


def test_the_documented_example(tmp_path):
    """Two of four pixels lie at an edge and count three times; p is 0.9, but 0.1 in one pixel at the edge."""
    [example] = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "my_losses.py").write_text(example)
    context = LossContext(LossKind.classes, 2, None, -1)
    built = build_loss(parse_loss_terms({f"{tmp_path}/my_losses.py:EdgeLoss": {"factor": 3}}, ""), context)
    label = torch.tensor([[[0, 0, 0, 1, -1]]])
    right = torch.tensor([0.9, 0.9, 0.1, 0.9, 0.5]).log()
    wrong = torch.tensor([0.1, 0.1, 0.9, 0.1, 0.5]).log()
    outputs = torch.stack([torch.where(label[0] == 0, right, wrong), torch.where(label[0] == 0, wrong, right)])[None]
    sure, unsure = -math.log(0.9), -math.log(0.1)
    assert built(outputs, label).item() == pytest.approx((2 * sure + 3 * unsure + 3 * sure) / 8)
    assert built(outputs, label * 0 - 1).item() == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("focall", "train.loss=focall is unknown; choose one of cross_entropy, focal, dice, "),
        ("focall", "gaussian_nll, or your own as FILE.py:NAME or package.module:NAME; did you mean focal?"),
        ("lovász_softmax", "; did you mean lovasz?"),
        ("zzzz", "train.loss=zzzz is unknown; choose one of cross_entropy"),
        ({"cross_entropy": 1, "dise": 1}, "package.module:NAME; did you mean dice?"),
        ("my-losses:Loss", "is unknown; choose one of"),
        (3, "train.loss=3 does not work; expected a name, or weights by name"),
        ({}, "expected a name, or weights by name such as {cross_entropy: 1, dice: 0.5}"),
        (["focal", "dice"], "expected a name, or weights by name"),
        ({"dice": 0}, "train.loss.dice=0 does not work; expected a weight above 0"),
        ({"dice": "much"}, "train.loss.dice=much does not work; expected a weight above 0"),
        ({"dice": True}, "expected a weight above 0"),
        ({"dice": {"weight": math.inf}}, "expected a weight above 0"),
        ("absent.py:Loss", "train.loss=absent.py:Loss names no Python file; expected FILE.py:NAME"),
        ("absent_package.losses:Loss", "train.loss=absent_package.losses:Loss: package absent_package is not"),
        ("math:Loss", "math: has no function 'Loss'; write it, or correct train.loss"),
    ],
)
def test_impossible_names_and_weights_are_refused(value, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        build_loss(parse_loss_terms(value, "mse"), CONTEXT)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"focal": {"gama": 2}}, "got an unexpected keyword argument 'gama'; it takes gamma"),
        ({"dice": {"smooth": 1}}, "train.loss=dice does not work with {'smooth': 1}: "),
        ({"dice": {"smooth": 1}}, "; it takes no parameters"),
        ({"dice": {"ignore_index": 1}}, "got multiple values for keyword argument 'ignore_index'"),
        ({"focal": {"gamma": -1}}, "train.loss.focal.gamma=-1 does not work; expected a number of 0 or more"),
        ({"focal": {"gamma": "two"}}, "train.loss.focal.gamma=two does not work"),
        ({"tversky": {"alpha": -1}}, "train.loss.tversky.alpha=-1 does not work; expected a number of 0 or more"),
        ({"tversky": {"beta": 0}}, "train.loss.tversky.beta=0 does not work; expected a number above 0"),
        (
            "mse",
            "train.loss=mse is for continuous values, but this task has classes; choose one of cross_entropy, focal",
        ),
        ("binary_focal", "train.loss=binary_focal is for several labels per chip, but this task has classes"),
    ],
)
def test_unsuitable_parameters_and_kinds_are_refused(value, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        build_loss(parse_loss_terms(value, ""), CONTEXT)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"huber": {"delta": 0}}, "train.loss.huber.delta=0 does not work; expected a number above 0"),
        ({"gaussian_nll": {"smallest_variance": 0}}, "train.loss.gaussian_nll.smallest_variance=0 does not work"),
        *(
            ({"quantile": {"quantiles": quantiles}}, "rising numbers between 0 and 1, 0.5 among them")
            for quantiles in ([0.1, 0.9], [0.9, 0.5], [0.5, 0.5], [0, 0.5], [0.5, 1], [], 0.5, "0.5", ["a", 0.5])
        ),
        (
            "dice",
            "train.loss=dice is for classes, but this task has continuous values; choose one of mse, mae, huber, ",
        ),
    ],
)
def test_unsuitable_parameters_of_regression_losses_are_refused(value, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        build_loss(parse_loss_terms(value, ""), LossContext(LossKind.regression, 1, None, -1))


def test_smoothing_without_cross_entropy_is_refused():
    context = LossContext(LossKind.classes, 3, None, -1, label_smoothing=0.1)
    with pytest.raises(ConfigError, match=r"train.label_smoothing=0.1 is for cross_entropy, which train.loss does not"):
        build_loss(parse_loss_terms("dice", ""), context)
    build_loss(parse_loss_terms({"dice": 1, "cross_entropy": 1}, ""), context)
    with pytest.raises(ConfigError, match=r"train.label_smoothing=1 does not work; expected 0 or more, below 1"):
        TrainSettings(label_smoothing=1)


@pytest.mark.parametrize(
    ("called", "parameters", "words"),
    [
        ("Constant", {}, "missing 1 required positional argument: 'value'; it takes value"),
        ("Constant", {"value": -1}, "does not work with {'value': -1}: value is negative; it takes value"),
        ("nothing", {}, "own_losses.py:nothing: returned NoneType; expected a torch.nn.Module"),
    ],
)
def test_user_defined_losses_that_cannot_be_built_are_refused(own, called, parameters, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        build_loss(parse_loss_terms({f"{own}:{called}": parameters}, ""), CONTEXT)


@pytest.mark.parametrize("called", ["answer", "missing"])
def test_missing_user_defined_losses_are_refused(own, called):
    with pytest.raises(ConfigError, match=f"own_losses.py: has no function '{called}'; write it, or correct"):
        build_loss(parse_loss_terms(f"{own}:{called}", ""), CONTEXT)


@pytest.mark.parametrize(
    ("what", "output"),
    [
        ("none", "NoneType"),
        ("map", "(2, 3, 4, 5) torch.float32"),
        ("count", "() torch.int64"),
        ("number", "float"),
    ],
)
def test_user_defined_losses_that_do_not_return_a_scalar_are_refused(own, what, output):
    built = build_loss(parse_loss_terms({f"{own}:Returns": {"what": what}}, ""), CONTEXT)
    with pytest.raises(
        ConfigError, match=re.escape(f"own_losses.py:Returns: returned {output}; expected a floating-point tensor")
    ):
        built(*draw("focal"))


def test_without_kornia_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia.losses", None)
    with pytest.raises(
        MissingExtraError, match=r"^this train\.loss needs the package kornia.losses; install the extra: .*\[model\]"
    ):
        make("dice")
    make({"cross_entropy": 1, "jaccard": 1})


def test_a_sum_of_losses_is_one_setting():
    """It is compared as one value, so that a run with another sum is not resumed."""
    one, other = (
        update_settings(Settings(), {"train.loss": {name: 1, "mine.py:Edge": {"factor": 2}}})
        for name in ("focal", "dice")
    )
    stored = flatten(settings_to_dict(one))
    assert stored["train.loss"] == {"focal": 1, "mine.py:Edge": {"factor": 2}}
    assert first_difference(one, stored, []) is None
    assert first_difference(other, stored, []) == ("train.loss", stored["train.loss"], other.train.loss)
    assert first_difference(Settings(), stored, []) == ("train.loss", stored["train.loss"], None)

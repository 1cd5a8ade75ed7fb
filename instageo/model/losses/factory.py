"""Losses by name and as weighted sums, including the user's own."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from torch import Tensor, nn

from instageo.errors import ConfigError, did_you_mean
from instageo.model.losses.composite import CompositeLoss, ValidatedLoss
from instageo.model.losses.cross_entropy import WeightedCrossEntropy, binary_cross_entropy
from instageo.model.losses.focal import binary_focal, focal
from instageo.model.losses.parameter_checks import is_number
from instageo.model.losses.region import dice, jaccard, lovasz, tversky
from instageo.model.losses.regression import MaskedRegressionLoss, gaussian_nll, huber, mae, mse, quantile
from instageo.model.user_code import is_user_code, load_user_code

KEY = "train.loss"


class LossKind(Enum):
    """Kind of labels that a loss compares outputs (B, channels, H, W) with; its value is the name in messages.

    Labels of classes are (B, H, W), int64; of multilabel (B, K, H, W), int64, 0 or 1; of regression (B, H, W), float32,
    NaN where a pixel has no label.
    """

    classes = "classes"
    multilabel = "several labels per chip"
    regression = "continuous values"


@dataclass(frozen=True)
class LossEntry:
    """A loss that can be chosen by name.

    Attributes:
        builder: Class or function that returns the loss, called with its parameters and with those attributes of
            `LossContext` that its signature has.
        kind: Kind of labels that it is for.
    """

    builder: Callable[..., nn.Module]
    kind: LossKind


LOSSES = {
    "cross_entropy": LossEntry(WeightedCrossEntropy, LossKind.classes),
    "focal": LossEntry(focal, LossKind.classes),
    "dice": LossEntry(dice, LossKind.classes),
    "jaccard": LossEntry(jaccard, LossKind.classes),
    "tversky": LossEntry(tversky, LossKind.classes),
    "lovasz": LossEntry(lovasz, LossKind.classes),
    "binary_cross_entropy": LossEntry(binary_cross_entropy, LossKind.multilabel),
    "binary_focal": LossEntry(binary_focal, LossKind.multilabel),
    "mse": LossEntry(mse, LossKind.regression),
    "mae": LossEntry(mae, LossKind.regression),
    "huber": LossEntry(huber, LossKind.regression),
    "quantile": LossEntry(quantile, LossKind.regression),
    "gaussian_nll": LossEntry(gaussian_nll, LossKind.regression),
}


@dataclass(frozen=True)
class LossTerm:
    """One term of a weighted sum of losses.

    Attributes:
        name: Key of `LOSSES`, or the user's own as FILE.py:NAME or package.module:NAME.
        weight: Factor of the loss, above 0.
        parameters: Parameters of the loss by name.
    """

    name: str
    weight: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LossContext:
    """Properties of a run that its losses depend on.

    Attributes:
        kind: Kind of labels of the task.
        num_classes: Number of classes, or of labels per chip.
        class_weights: Shape (K,), 0 or more; None for 1 everywhere.
        ignore_index: Label that does not count.
        label_smoothing: 0 or more, below 1.
    """

    kind: LossKind
    num_classes: int
    class_weights: Tensor | None
    ignore_index: int
    label_smoothing: float = 0.0


CONTEXT_PARAMETERS = ("num_classes", "class_weights", "ignore_index", "label_smoothing")
"""Attributes of `LossContext` that a loss gets by name if its signature has them."""


def parse_loss_terms(value: object, default: str) -> tuple[LossTerm, ...]:
    """Read the losses that `train.loss` names, without importing the user's own: trained networks do not need it.

    Args:
        value: None, a name, or a mapping from names to weights or to mappings of `weight` and parameters.
        default: Name that None stands for.

    Raises:
        ConfigError: A name is unknown, or a weight is not a number above 0.
    """
    named = {default if value is None else value: 1} if value is None or isinstance(value, str) else value
    if not isinstance(named, Mapping) or not named:
        raise ConfigError(
            f"{KEY}={value} does not work; expected a name, or weights by name such as {{cross_entropy: 1, dice: 0.5}}"
        )
    return tuple(_parse_term(str(name), options) for name, options in named.items())


def build_loss(terms: Sequence[LossTerm], context: LossContext) -> nn.Module:
    """Build the weighted sum of losses, from outputs and labels to a scalar; 0 with a zero gradient if no label counts.

    Raises:
        ConfigError: A loss cannot be found, is for another kind of task, or does not work with its parameters.
        MissingExtraError: A loss needs kornia, which is not installed.
    """
    losses = [_build_term(term, context) for term in terms]
    if context.label_smoothing and not any("label_smoothing" in _signature(term.name).parameters for term in terms):
        raise ConfigError(
            f"train.label_smoothing={context.label_smoothing} is for cross_entropy, which {KEY} does not have; remove "
            "it, or add cross_entropy"
        )
    if len(terms) == 1 and terms[0].weight == 1:
        return losses[0]
    return CompositeLoss(losses, [term.weight for term in terms])


def output_channels(terms: Sequence[LossTerm], num_classes: int) -> int:
    """Return the number of output channels that these losses need.

    Args:
        terms: A user's own loss takes as many channels as the others need.
        num_classes: Channels for losses of classes, and for user-defined losses without others.

    Raises:
        ConfigError: Two of them need different numbers.
    """
    channels = {term.name: _channels(term, num_classes) for term in terms if term.name in LOSSES}
    if len(set(channels.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in channels.items())
        raise ConfigError(
            f"{KEY} adds up losses that need different numbers of output channels ({counts}); choose losses that need "
            "the same number"
        )
    return next(iter(channels.values()), num_classes)


def _parse_term(name: str, options: object) -> LossTerm:
    if name not in LOSSES and not is_user_code(name):
        raise ConfigError(
            f"{KEY}={name} is unknown; choose one of {', '.join(LOSSES)}, or your own as FILE.py:NAME or "
            f"package.module:NAME{did_you_mean(name, LOSSES, cutoff=0.5)}"
        )
    parameters: dict[Any, Any] = dict(options) if isinstance(options, Mapping) else {"weight": options}
    weight = parameters.pop("weight", 1)
    if not is_number(weight):
        raise ConfigError(f"{KEY}.{name}={weight} does not work; expected a weight above 0, or {{weight: 1, …}}")
    return LossTerm(name, float(weight), {str(key): value for key, value in parameters.items()})


def _build_term(term: LossTerm, context: LossContext) -> nn.Module:
    if term.name in LOSSES and LOSSES[term.name].kind is not context.kind:
        fitting = ", ".join(name for name, entry in LOSSES.items() if entry.kind is context.kind)
        raise ConfigError(
            f"{KEY}={term.name} is for {LOSSES[term.name].kind.value}, but this task has {context.kind.value}; "
            f"choose one of {fitting}"
        )
    accepted = _signature(term.name).parameters
    loss = _call_builder(term, {name: getattr(context, name) for name in CONTEXT_PARAMETERS if name in accepted})
    return loss if term.name in LOSSES else ValidatedLoss(loss, f"{KEY}={term.name}")


def _call_builder(term: LossTerm, context_values: Mapping[str, Any]) -> nn.Module:
    try:
        loss = _find_builder(term.name)(**context_values, **term.parameters)
    except (TypeError, ValueError) as error:
        own = [name for name in _signature(term.name).parameters if name not in CONTEXT_PARAMETERS]
        raise ConfigError(
            f"{KEY}={term.name} does not work with {dict(term.parameters)}: {error}; it takes "
            f"{', '.join(own) or 'no parameters'}"
        ) from error
    if not isinstance(loss, nn.Module):
        raise ConfigError(f"{KEY}={term.name}: returned {type(loss).__name__}; expected a torch.nn.Module")
    return loss


def _find_builder(name: str) -> Callable[..., Any]:
    return LOSSES[name].builder if name in LOSSES else load_user_code(name, KEY)


def _signature(name: str) -> inspect.Signature:
    try:
        return inspect.signature(_find_builder(name))
    except ValueError as error:
        raise ConfigError(f"{KEY}={name}: its parameters cannot be inspected; wrap it in a function") from error


def _channels(term: LossTerm, num_classes: int) -> int:
    if LOSSES[term.name].kind is not LossKind.regression:
        return num_classes
    loss = _call_builder(term, {})
    return loss.channels if isinstance(loss, MaskedRegressionLoss) else 1

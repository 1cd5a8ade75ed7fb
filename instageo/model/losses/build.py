"""Losses by name and by weighted sum, the user's own among them."""

import difflib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from torch import Tensor, nn

from instageo.errors import ConfigError
from instageo.model.losses.composite import CompositeLoss, ValidatedLoss
from instageo.model.losses.cross_entropy import WeightedCrossEntropy, binary_cross_entropy
from instageo.model.losses.focal import binary_focal, focal
from instageo.model.losses.region import dice, jaccard, lovasz, tversky
from instageo.model.losses.regression import MaskedRegressionLoss, gaussian_nll, huber, mae, mse, quantile
from instageo.model.settings.checks import are_numbers
from instageo.model.user_code import is_user_code, load_user_code

KEY = "train.loss"


class LossKind(Enum):
    """What a loss compares the network's outputs (B, channels, H, W) with; the value is for messages.

    classes: Labels (B, H, W), int64. multilabel: answers 0 or 1, (B, K, H, W), int64. values: (B, H, W), float32, NaN
    where there is none.
    """

    classes = "classes"
    multilabel = "several labels per chip"
    values = "continuous values"


@dataclass(frozen=True)
class LossEntry:
    """A loss that has a name.

    Attributes:
        make: Called with parameters and, as far as it takes them, with what GIVEN names.
        kind: What it suits.
    """

    make: Callable[..., nn.Module]
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
    "mse": LossEntry(mse, LossKind.values),
    "mae": LossEntry(mae, LossKind.values),
    "huber": LossEntry(huber, LossKind.values),
    "quantile": LossEntry(quantile, LossKind.values),
    "gaussian_nll": LossEntry(gaussian_nll, LossKind.values),
}


@dataclass(frozen=True)
class LossTerm:
    """One loss of a sum: its name, what it is multiplied with, and parameters of its own."""

    name: str
    weight: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LossContext:
    """What a run tells its losses.

    Attributes:
        kind: What the task compares.
        num_classes: Classes, or labels per chip.
        class_weights: Shape (K,), 0 or more; None: all 1.
        ignore_index: Label that does not count.
        label_smoothing: 0 or more, below 1.
    """

    kind: LossKind
    num_classes: int
    class_weights: Tensor | None
    ignore_index: int
    label_smoothing: float = 0.0


CONTEXT_PARAMETERS = ("num_classes", "class_weights", "ignore_index", "label_smoothing")
"""Attributes of LossContext that a loss gets by name if its signature has them."""


def parse_loss_terms(value: object, default: str) -> tuple[LossTerm, ...]:
    """The losses that `train.loss` names; a user's own is not loaded yet, since trained networks do not need it.

    Args:
        value: None, a name, a mapping from names to weights, or to mappings of `weight` and parameters.
        default: Name that None stands for.

    Raises:
        ConfigError: A name is unknown, or a weight is no number above 0.
    """
    named = {default if value is None else value: 1} if value is None or isinstance(value, str) else value
    if not isinstance(named, Mapping) or not named:
        raise ConfigError(
            f"{KEY}={value} does not work; expected a name, or weights by name such as {{cross_entropy: 1, dice: 0.5}}"
        )
    return tuple(_term(str(name), given) for name, given in named.items())


def build_loss(terms: Sequence[LossTerm], context: LossContext) -> nn.Module:
    """The weighted sum of these losses: from outputs and labels to a scalar, 0 with a zero gradient if nothing counts.

    Raises:
        ConfigError: A loss cannot be found, is for another kind of task, or does not work with its parameters.
        MissingExtraError: One needs kornia, which is not installed.
    """
    losses = [_build(term, context) for term in terms]
    if context.label_smoothing and not any("label_smoothing" in _signature(term.name).parameters for term in terms):
        raise ConfigError(
            f"train.label_smoothing={context.label_smoothing} is for cross_entropy, which {KEY} does not have; leave "
            "it out, or add cross_entropy"
        )
    if len(terms) == 1 and terms[0].weight == 1:
        return losses[0]
    return CompositeLoss(losses, [term.weight for term in terms])


def output_channels(terms: Sequence[LossTerm], num_classes: int) -> int:
    """How many channels these losses want of a network.

    Args:
        terms: A user's own loss takes what the others want.
        num_classes: Channels of losses of classes, and of the user's own on their own.

    Raises:
        ConfigError: Two of them want different numbers.
    """
    wanted = {term.name: _channels(term, num_classes) for term in terms if term.name in LOSSES}
    if len(set(wanted.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in wanted.items())
        raise ConfigError(f"{KEY} adds losses of different outputs (channels: {told}); choose those of one number")
    return next(iter(wanted.values()), num_classes)


def _term(name: str, given: object) -> LossTerm:
    if name not in LOSSES and not is_user_code(name):
        near = difflib.get_close_matches(name, LOSSES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? The losses are" if near else "the losses are"
        raise ConfigError(
            f"{KEY}={name} is unknown; {hint} {', '.join(LOSSES)}, and yours as FILE.py:NAME or package.module:NAME"
        )
    parameters: dict[Any, Any] = dict(given) if isinstance(given, Mapping) else {"weight": given}
    weight = parameters.pop("weight", 1)
    if not are_numbers([weight]) or not 0 < weight < math.inf:
        raise ConfigError(f"{KEY}.{name}={weight} does not work; expected a weight above 0, or {{weight: 1, …}}")
    return LossTerm(name, float(weight), {str(key): value for key, value in parameters.items()})


def _build(term: LossTerm, context: LossContext) -> nn.Module:
    if term.name in LOSSES and LOSSES[term.name].kind is not context.kind:
        fitting = ", ".join(name for name, known in LOSSES.items() if known.kind is context.kind)
        raise ConfigError(
            f"{KEY}={term.name} is for {LOSSES[term.name].kind.value}, but this task has {context.kind.value}; "
            f"choose of {fitting}"
        )
    taken = _signature(term.name).parameters
    loss = _call(term, {name: getattr(context, name) for name in CONTEXT_PARAMETERS if name in taken})
    return loss if term.name in LOSSES else ValidatedLoss(loss, f"{KEY}={term.name}")


def _call(term: LossTerm, given: Mapping[str, Any]) -> nn.Module:
    try:
        loss = _maker(term.name)(**given, **term.parameters)
    except (TypeError, ValueError) as error:
        free = [name for name in _signature(term.name).parameters if name not in CONTEXT_PARAMETERS]
        raise ConfigError(
            f"{KEY}={term.name} does not work with {dict(term.parameters)}: {error}; it takes "
            f"{', '.join(free) or 'no parameters'}"
        ) from error
    if not isinstance(loss, nn.Module):
        raise ConfigError(f"{KEY}={term.name}: gave {type(loss).__name__}; expected a torch.nn.Module")
    return loss


def _maker(name: str) -> Callable[..., Any]:
    return LOSSES[name].make if name in LOSSES else load_user_code(name, KEY)


def _signature(name: str) -> inspect.Signature:
    try:
        return inspect.signature(_maker(name))
    except ValueError as error:
        raise ConfigError(f"{KEY}={name} does not say what it takes; wrap it in a function of yours") from error


def _channels(term: LossTerm, num_classes: int) -> int:
    if LOSSES[term.name].kind is not LossKind.values:
        return num_classes
    loss = _call(term, {})
    return loss.channels if isinstance(loss, MaskedRegressionLoss) else 1

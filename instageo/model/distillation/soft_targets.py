"""How far a student's output lies from a teacher's, wherever something was observed, labelled or not."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Conversion = Callable[[Tensor], Tensor]
"""From values in one scale to the same values in another."""

MIN_PROBABILITY = 1e-6
"""Below any weight; not so small that the gradient of nothing, divided by it and scaled, were infinite."""


def soft_class_loss(student: Tensor, teacher: Tensor, observed: Tensor, *, temperature: float) -> Tensor:
    """Divergence of class probabilities softened by a temperature (Hinton, Vinyals and Dean 2015).

    KL(softmax(teacher / t) || softmax(student / t)), a mean over observed pixels, times t^2, so that gradients keep
    their size whatever the temperature.

    Args:
        student: Logits, shape (B, K, H, W).
        teacher: Logits, the same shape.
        observed: Pixels that count, shape (B, H, W).
        temperature: Above 0; higher shows more of what the teacher thinks of the less likely classes.
    """
    mine, theirs = ((logits.float() / temperature).log_softmax(1) for logits in (student, teacher))
    divergence = (theirs.exp() * (theirs - mine)).sum(1)
    return temperature**2 * masked_mean(divergence, observed)


def soft_multilabel_loss(student: Tensor, teacher: Tensor, observed: Tensor, *, temperature: float) -> Tensor:
    """The same where every label is a yes or no of its own: the mean divergence of K Bernoulli distributions.

    Args:
        student: Logits, shape (B, K, H, W).
        teacher: Logits, the same shape.
        observed: Pixels that count, shape (B, H, W).
        temperature: Above 0.
    """
    mine, theirs = student.float() / temperature, teacher.float() / temperature
    yes = theirs.sigmoid() * (F.logsigmoid(theirs) - F.logsigmoid(mine))
    no = (-theirs).sigmoid() * (F.logsigmoid(-theirs) - F.logsigmoid(-mine))
    return temperature**2 * masked_mean((yes + no).mean(1), observed)


def soft_regression_loss(
    student: Tensor,
    teacher: Tensor,
    observed: Tensor,
    *,
    to_natural: Conversion,
    from_natural: Conversion,
    smooth: bool = False,
) -> Tensor:
    """Distance of continuous values in the scale that the student works in, whatever the teacher works in.

    Values that the student's scale does not have, such as negative ones on a logarithmic scale, do not count.

    Args:
        student: Raw output, shape (B, K, H, W).
        teacher: Raw output in its own scale, the same shape.
        observed: Pixels that count, shape (B, H, W).
        to_natural: Turns raw output of the teacher into natural units.
        from_natural: Turns natural units into raw output of the student.
        smooth: Absolute rather than squared differences above 1 (smooth L1).
    """
    target = from_natural(to_natural(teacher.float()))
    known = target.isfinite()
    distance = (F.smooth_l1_loss if smooth else F.mse_loss)(
        student.float(), torch.where(known, target, student.detach().float()), reduction="none"
    )
    return masked_mean(distance, observed[:, None] & known)


def masked_mean(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of the values that count; 0, with a zero gradient, where there are none.

    Args:
        values: Any shape.
        counted: Bool, or a weight of 0 or more, of the same shape.
    """
    weights = counted.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp_min(MIN_PROBABILITY)

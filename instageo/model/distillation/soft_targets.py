"""Distance between the outputs of student and teacher, on all observed pixels, labelled or not."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Conversion = Callable[[Tensor], Tensor]
"""Function from values in one scale to the same values in another."""

MIN_WEIGHT_SUM = 1e-6
"""Smaller than any sum of weights, yet large enough that a zero sum, divided by it, has a finite gradient."""


def soft_class_loss(student: Tensor, teacher: Tensor, observed: Tensor, *, temperature: float) -> Tensor:
    """Return the divergence of class probabilities softened by a temperature (Hinton, Vinyals and Dean 2015).

    It is the mean over observed pixels of KL(softmax(teacher / t) || softmax(student / t)), times t^2, so that the size
    of gradients does not depend on the temperature.

    Args:
        student: Logits, shape (B, K, H, W).
        teacher: Logits, the same shape.
        observed: Pixels that count, shape (B, H, W).
        temperature: Above 0; a higher one gives more weight to the teacher's less likely classes.
    """
    student_log, teacher_log = ((logits.float() / temperature).log_softmax(1) for logits in (student, teacher))
    divergence = (teacher_log.exp() * (teacher_log - student_log)).sum(1)
    return temperature**2 * masked_mean(divergence, observed)


def soft_multilabel_loss(student: Tensor, teacher: Tensor, observed: Tensor, *, temperature: float) -> Tensor:
    """Return the softened divergence for multi-label outputs: the mean over K Bernoulli distributions.

    Args:
        student: Logits, shape (B, K, H, W).
        teacher: Logits, the same shape.
        observed: Pixels that count, shape (B, H, W).
        temperature: Above 0.
    """
    student, teacher = student.float() / temperature, teacher.float() / temperature
    positive = teacher.sigmoid() * (F.logsigmoid(teacher) - F.logsigmoid(student))
    negative = (-teacher).sigmoid() * (F.logsigmoid(-teacher) - F.logsigmoid(-student))
    return temperature**2 * masked_mean((positive + negative).mean(1), observed)


def soft_regression_loss(
    student: Tensor,
    teacher: Tensor,
    observed: Tensor,
    *,
    to_natural: Conversion,
    from_natural: Conversion,
    smooth: bool = False,
) -> Tensor:
    """Return the distance of regression outputs in the student's scale, whatever the teacher's scale is.

    Values that the student's scale cannot represent, such as negative ones on a logarithmic scale, do not count.

    Args:
        student: Raw output, shape (B, K, H, W).
        teacher: Raw output in its own scale, the same shape.
        observed: Pixels that count, shape (B, H, W).
        to_natural: Converts raw output of the teacher to natural units.
        from_natural: Converts natural units to raw output of the student.
        smooth: Whether differences above 1 count by their absolute value, not their square (smooth L1).
    """
    target = from_natural(to_natural(teacher.float()))
    finite = target.isfinite()
    distance = (F.smooth_l1_loss if smooth else F.mse_loss)(
        student.float(), torch.where(finite, target, student.detach().float()), reduction="none"
    )
    return masked_mean(distance, observed[:, None] & finite)


def masked_mean(values: Tensor, counted: Tensor) -> Tensor:
    """Return the mean of the values that count; 0, with a zero gradient, if there are none.

    Args:
        values: Any shape.
        counted: Bool, or a weight of 0 or more, of the same shape.
    """
    weights = counted.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp_min(MIN_WEIGHT_SUM)

"""Settings of learning from a teacher: the group `distill`."""

import math
from dataclasses import dataclass

from instageo.errors import ConfigError
from instageo.model.settings.checks import check
from instageo.model.settings.fields import setting


@dataclass
class DistillSettings:
    """What a student takes from its teacher; see `train.distillation` and `train.teacher_ckpt_path`."""

    alpha: float = setting(
        0.5, "weight of the distillation loss (0 to 1); the label loss gets 1 - alpha", former_name="weight"
    )
    temperature: float = setting(2.0, "softmax temperature; higher values give unlikely classes more weight")
    feature_weight: float = setting(0.0, "weight of the distance between the tokens of both networks; 0: off")
    feature_blocks: str = setting("last", "last | pyramid: blocks whose tokens are compared")
    value_loss: str = setting("mse", "mse | smooth_l1: distance between regression outputs")
    init_from_teacher: bool = setting(
        False, "true: start from the teacher's weights, reduced to the student's depth and width"
    )
    teacher_layers: list[int] | None = setting(
        None, "init_from_teacher: the teacher's block, from 0, for each block of the student; null: evenly spaced"
    )

    def __post_init__(self) -> None:
        check(0 <= self.alpha <= 1, "distill.alpha", self.alpha, "0 to 1")
        heat, features = self.temperature, self.feature_weight
        check(0 < heat < math.inf, "distill.temperature", heat, "a number above 0")
        check(0 <= features < math.inf, "distill.feature_weight", features, "0 or more")
        choices = {"feature_blocks": ("last", "pyramid"), "value_loss": ("mse", "smooth_l1")}
        for name, known in choices.items():
            chosen = getattr(self, name)
            check(chosen in known, f"distill.{name}", chosen, " or ".join(known))
        if self.teacher_layers is not None and not self.init_from_teacher:
            raise ConfigError("distill.teacher_layers does nothing without distill.init_from_teacher=true; add it")
        if not (self.alpha or self.feature_weight or self.init_from_teacher):
            raise ConfigError(
                "distill.alpha=0 and distill.feature_weight=0 leave nothing to learn from the teacher; raise one, or "
                "set distill.init_from_teacher=true to take its weights alone"
            )

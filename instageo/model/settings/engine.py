"""Settings of what computes networks: the group `engine`."""

from dataclasses import dataclass
from enum import Enum

from instageo.model.settings.fields import check, setting

BACKEND_CHOICES = ("auto", "torch", "openvino", "onnxruntime")
"""Runtimes that compute networks; auto tries them."""

PRECISION_CHOICES = ("auto", "f32", "bf16", "int8")
"""Number formats of inference; auto tries float32, and bfloat16 where the machine multiplies it."""


class Engine(Enum):
    """Where batch inference takes place: in this process, or in worker processes on Ray."""

    local = "local"
    ray = "ray"


@dataclass
class EngineSettings:
    """What computes networks in inference, and where."""

    kind: Engine = setting(
        Engine.local,
        "local | ray: chip_inference and map in this process, or in processes on this machine or a cluster (extra "
        "`serve`); engine=ray means the same",
        former_key="engine",
    )
    backend: str = setting("auto", f"{' | '.join(BACKEND_CHOICES)}; auto: the fastest by trial (extra `fast`)")
    precision: str = setting("auto", f"{' | '.join(PRECISION_CHOICES)}; int8 needs openvino (extra `export`)")

    def __post_init__(self) -> None:
        for name, choices in (("backend", BACKEND_CHOICES), ("precision", PRECISION_CHOICES)):
            value = getattr(self, name)
            check(value in choices, f"engine.{name}", value, f"one of {', '.join(choices)}", choices)
        fits = self.precision != "int8" or self.backend in ("auto", "openvino")
        check(fits, "engine.precision", self.precision, f"auto, f32 or bf16 with engine.backend={self.backend}")
        fits = self.precision != "bf16" or self.backend != "onnxruntime"
        check(fits, "engine.precision", self.precision, "auto or f32 with engine.backend=onnxruntime")

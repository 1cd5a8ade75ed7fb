"""From settings to the optimiser."""

import pytest

from instageo.model.settings import Settings, TrainSettings
from instageo.model.training.from_settings import can_fuse


@pytest.mark.parametrize(
    ("precision", "clip", "strategy", "expected"),
    [
        ("32-true", 1.0, "auto", True),
        ("bf16-mixed", 1.0, "ddp", False),
        ("bf16-mixed", None, "ddp", True),
        ("16-mixed", None, "auto", True),
        ("16-mixed", 1.0, "auto", False),
        ("bf16-mixed", None, "fsdp", False),
    ],
)
def test_when_the_fused_optimizer_may_be_used(precision, clip, strategy, expected):
    settings = Settings(precision=precision, strategy=strategy, train=TrainSettings(gradient_clip_val=clip))
    assert can_fuse(settings) is expected

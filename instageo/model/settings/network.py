"""Settings of the network and of what of it is trained: the group `model`."""

import math
from dataclasses import dataclass, field

from instageo.errors import ConfigError
from instageo.model.settings.checks import are_numbers, check


@dataclass
class ModelSettings:
    """Network."""

    model_name: str = "prithvi_eo_v2_tiny_tl"
    freeze_backbone: bool = False
    train_last_blocks: int | None = None  # train this many blocks of the encoder, from the end; None: all
    load_pretrained_weights: bool = True
    weights: str | None = None  # local file with encoder weights, or another run's checkpoint
    num_classes: int = 2
    class_names: list[str] | None = None
    class_colors: list[list[int]] | None = None  # [red, green, blue] in 0..255 per class
    head: str = "light"
    head_channels: int | None = None  # channels of the maps within the head `light`; None: 32
    size: str | None = None  # a preset: model_name, head, depth and widths, as far as they are not set themselves
    depth: int = -1
    embed_dim: int | None = None  # channels of a token, a multiple of 16; None: the variant's own
    coords_dropout: float = 0.1  # share of the training samples whose time, and apart from it place, is hidden
    drop_path: float = 0.0  # probability of leaving out the last block in training; less for earlier ones
    gradient_checkpointing: bool = False  # less memory, a third more time
    lora_rank: int | None = None  # train low-rank changes of the encoder instead of itself; None: off
    lora_alpha: float | None = None  # scale of these changes; None: twice the rank
    lora_dropout: float = 0.0
    lora_targets: list[str] = field(default_factory=lambda: ["qkv", "proj"])
    use_log_scale: bool = False
    plot_reg_results: bool = True
    include_ee_metric: bool = False
    expected_error: list[float] = field(default_factory=lambda: [0.05, 0.15])  # a, b of ±(a + b |truth|)
    weight_clip_range: list[float] | None = None  # [low, high]: trained weights are clamped to it after each step

    def __post_init__(self) -> None:
        check(self.num_classes >= 1, "model.num_classes", self.num_classes, "at least 2 classes")
        check(self.num_classes <= 65535, "model.num_classes", self.num_classes, "at most 65535 classes")
        check(self.depth == -1 or self.depth >= 1, "model.depth", self.depth, "-1, or at least 1 block")
        for name in ("coords_dropout", "drop_path", "lora_dropout"):
            check(0 <= getattr(self, name) < 1, f"model.{name}", getattr(self, name), "0 or more, below 1")
        expected = self.expected_error
        sane = len(expected) == 2 and all(0 <= part < math.inf for part in expected)
        check(sane, "model.expected_error", expected, "two numbers of 0 or more: [a, b] for ±(a + b |truth|)")
        self._check_training()
        per_class = {"model.class_names": self.class_names, "model.class_colors": self.class_colors}
        for name, values in per_class.items():
            fits = values is None or len(values) == self.num_classes
            check(fits, name, values, f"model.num_classes={self.num_classes} entries")
        names = self.class_names or []
        check(len(set(names)) == len(names), "model.class_names", names, "a different name for each class")
        sane = all(len(color) == 3 and all(0 <= part <= 255 for part in color) for color in self.class_colors or [])
        check(sane, "model.class_colors", self.class_colors, "[red, green, blue] in 0..255 per class")

    def _check_training(self) -> None:
        span = self.weight_clip_range
        sane = span is None or (are_numbers(span) and len(span) == 2 and span[0] < span[1])
        check(sane, "model.weight_clip_range", span, "null, or [low, high] with low below high")
        last, rank = self.train_last_blocks, self.lora_rank
        check(last is None or last >= 1, "model.train_last_blocks", last, "null, or at least 1 block")
        check(rank is None or rank >= 1, "model.lora_rank", rank, "null, or at least 1")
        alpha = self.lora_alpha
        check(alpha is None or alpha > 0, "model.lora_alpha", alpha, "null, or a number above 0")
        known = bool(self.lora_targets) and set(self.lora_targets) <= set(LORA_TARGETS)
        check(known, "model.lora_targets", self.lora_targets, f"some of {', '.join(LORA_TARGETS)}")
        wishes = {
            "model.freeze_backbone=true": self.freeze_backbone,
            f"model.train_last_blocks={last}": last is not None,
            f"model.lora_rank={rank}": rank is not None,
        }
        chosen = [wish for wish, made in wishes.items() if made]
        if len(chosen) > 1:
            raise ConfigError(f"{' and '.join(chosen)} contradict each other; choose one way of training the encoder")


LORA_TARGETS = ("qkv", "proj", "fc1", "fc2")
"""Linear layers of a block that LoRA can change."""

"""Settings of the network and of which parts are trained: the group `model`; presets of sizes."""

import math
from dataclasses import dataclass
from typing import Any

from instageo.errors import ConfigError
from instageo.model.settings.fields import ANYTIME, Role, are_numbers, check, setting
from instageo.wording import counted


@dataclass
class ModelSettings:
    """Settings of the network and of which parts are trained."""

    size: str | None = setting(
        None,
        "tiny | student | normal | teacher: preset of model_name, head and widths; keys that you set take precedence",
        Role.free_between_repeats,
    )
    model_name: str = setting("prithvi_eo_v2_tiny_tl", "`instageo models` lists them", Role.fixed_by_checkpoint)
    load_pretrained_weights: bool = setting(True, "encoder weights from the Hugging Face hub; false: random weights")
    weights: str | None = setting(
        None, "load encoder weights from this local file, run folder or checkpoint instead", Role.free_text
    )
    freeze_backbone: bool = setting(False, "true: train only the head")
    train_last_blocks: int | None = setting(None, "train only this many last blocks of the encoder; null: all")
    lora_rank: int | None = setting(None, "train low-rank adapters (LoRA) instead of the encoder, e.g. 8; null: off")
    lora_alpha: float | None = setting(None, "scaling factor (alpha) of the adapters; null: twice the rank")
    lora_dropout: float = setting(0.0)
    lora_targets: list[str] = setting(["qkv", "proj"], "layers that get adapters: some of qkv, proj, fc1, fc2")
    drop_path: float = setting(0.0, "stochastic depth: drop rate of the last block; earlier blocks have lower rates")
    coords_dropout: float = setting(
        0.1, "_tl variants: share of training samples whose time, and independently whose location, is hidden"
    )
    gradient_checkpointing: bool = setting(False, "less memory, about a third more time", *ANYTIME)
    num_classes: int = setting(
        2, "", Role.fixed_by_checkpoint, Role.shared_with_teacher, Role.shared_with_data, Role.same_task
    )
    class_names: list[str] | None = setting(None, "", Role.default_from_checkpoint, Role.same_task)
    class_colors: list[list[int]] | None = setting(
        None,
        "[red, green, blue] in 0..255 for each class; null: the usual colours of names such as water, forest or crop, "
        "others from a palette for colour-blind readers",
        Role.default_from_checkpoint,
    )
    head: str = setting(
        "light",
        "light | upscaling (published) | unet | upernet | linear | pooled (image-level); of earlier versions: "
        "upscaling_600m, light_v0, light_v1, light_v2; conv_* networks: conv, their own decoder, or pooled",
        Role.fixed_by_checkpoint,
    )
    head_channels: int | None = setting(
        None,
        "head light: channels of its feature maps, a multiple of 4; null: 32",
        Role.fixed_by_checkpoint,
        former_name="head_width",
        before_it_existed=None,
    )
    date_pooling: str = setting(
        "mean",
        "conv_* networks: mean | attention: how the dates of a chip are joined",
        Role.fixed_by_checkpoint,
        before_it_existed="mean",
    )
    depth: int = setting(-1, "transformer blocks; -1: as published", Role.fixed_by_checkpoint)
    embed_dim: int | None = setting(
        None,
        "token width of the encoder, a multiple of 16; null: as published",
        Role.fixed_by_checkpoint,
        former_name="width",
        before_it_existed=None,
    )
    use_log_scale: bool = setting(
        False,
        "regression: the network predicts log(1 + label); files and scores are in the unit of the labels",
        Role.fixed_by_checkpoint,
        Role.shared_with_data,
    )
    plot_reg_results: bool = setting(
        True, "regression: draw predictions against labels as scatter.png", Role.default_from_checkpoint
    )
    include_ee_metric: bool = setting(
        False,
        "regression: score the share of predictions within the expected error ±(a + b |truth|)",
        Role.default_from_checkpoint,
    )
    expected_error: list[float] = setting(
        [0.05, 0.15],
        "a, b of the expected error; the default is that of aerosol optical depth over land",
        Role.default_from_checkpoint,
    )
    output_range: Any = setting(
        None,
        "regression: [low, high] to which predicted values are clipped, such as [0, null] for labels that cannot be "
        "negative; null: off",
        Role.default_from_checkpoint,
    )
    weight_clip_range: list[float] | None = setting(
        None, "[low, high]: trained weights are clamped to it after each optimiser step; null: off"
    )

    def __post_init__(self) -> None:
        check(self.num_classes >= 1, "model.num_classes", self.num_classes, "at least 1 class")
        check(self.num_classes <= 65535, "model.num_classes", self.num_classes, "at most 65535 classes")
        check(self.depth == -1 or self.depth >= 1, "model.depth", self.depth, "-1, or at least 1 block")
        pooling = self.date_pooling
        check(pooling in DATE_POOLING, "model.date_pooling", pooling, " or ".join(DATE_POOLING), DATE_POOLING)
        for name in ("coords_dropout", "drop_path", "lora_dropout"):
            check(0 <= getattr(self, name) < 1, f"model.{name}", getattr(self, name), "0 or more, below 1")
        expected = self.expected_error
        ok = len(expected) == 2 and all(0 <= part < math.inf for part in expected)
        check(ok, "model.expected_error", expected, "two numbers of 0 or more: [a, b] for ±(a + b |truth|)")
        self._check_training()
        per_class = {"model.class_names": self.class_names, "model.class_colors": self.class_colors}
        for name, values in per_class.items():
            fits = values is None or len(values) == self.num_classes
            check(fits, name, values, f"{counted(self.num_classes, 'entry')}, as model.num_classes")
        names = self.class_names or []
        check(len(set(names)) == len(names), "model.class_names", names, "a different name for each class")
        ok = all(len(color) == 3 and all(0 <= part <= 255 for part in color) for color in self.class_colors or [])
        check(ok, "model.class_colors", self.class_colors, "[red, green, blue] in 0..255 per class")

        self._check_output_range()

    def _check_output_range(self) -> None:
        span = self.output_range
        if span is None:
            return
        ok = isinstance(span, list) and len(span) == 2 and are_numbers([end for end in span if end is not None])
        low, high = ([-math.inf, math.inf][end] if span[end] is None else span[end] for end in (0, 1)) if ok else (0, 0)
        check(
            ok and low < high, "model.output_range", span, "null, or [low, high] with low below high, null for no limit"
        )

    def _check_training(self) -> None:
        span = self.weight_clip_range
        ok = span is None or (are_numbers(span) and len(span) == 2 and span[0] < span[1])
        check(ok, "model.weight_clip_range", span, "null, or [low, high] with low below high")
        last, rank = self.train_last_blocks, self.lora_rank
        check(last is None or last >= 1, "model.train_last_blocks", last, "null, or at least 1 block")
        check(rank is None or rank >= 1, "model.lora_rank", rank, "null, or at least 1")
        alpha = self.lora_alpha
        check(alpha is None or alpha > 0, "model.lora_alpha", alpha, "null, or a number above 0")
        available = bool(self.lora_targets) and set(self.lora_targets) <= set(LORA_TARGETS)
        check(available, "model.lora_targets", self.lora_targets, f"some of {', '.join(LORA_TARGETS)}")
        ways = {
            "model.freeze_backbone=true": self.freeze_backbone,
            f"model.train_last_blocks={last}": last is not None,
            f"model.lora_rank={rank}": rank is not None,
        }
        chosen = [way for way, used in ways.items() if used]
        if len(chosen) > 1:
            raise ConfigError(f"{' and '.join(chosen)} contradict each other; choose one way of training the encoder")


DATE_POOLING = ("mean", "attention")
"""Ways in which convolutional networks join dates."""

LORA_TARGETS = ("qkv", "proj", "fc1", "fc2")
"""Linear layers of a block that LoRA can adapt."""


@dataclass(frozen=True)
class SizePreset:
    """Settings of the group `model` that `model.size` decides.

    Attributes:
        model_name: Variant.
        depth: Transformer blocks; -1 for the variant's own number.
        embed_dim: Channels of a token; None for the variant's own number.
        head: Head.
        head_channels: Channels within the head; None for the default.
    """

    model_name: str
    depth: int = -1
    embed_dim: int | None = None
    head: str = "light"
    head_channels: int | None = None


SIZES = {
    "tiny": SizePreset("prithvi_eo_tiny"),
    "student": SizePreset("prithvi_eo_v2_tiny_tl"),
    "normal": SizePreset("prithvi_eo_v2_100_tl"),
    "teacher": SizePreset("prithvi_eo_v2_300_tl"),
}
"""Presets by name, the smallest first."""

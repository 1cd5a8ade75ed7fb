"""Sizes of network that published models come in, as presets for `model.size`."""

from dataclasses import dataclass


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

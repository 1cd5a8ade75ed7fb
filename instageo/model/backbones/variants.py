"""Networks by name: the Prithvi family with its published weights, and convolutional networks."""

from dataclasses import dataclass, replace
from itertools import count

from instageo.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class PublishedWeights:
    """A published file of weights, trained on the six bands of `instageo.sensors.PRITHVI_BANDS`.

    Attributes:
        repository: Hugging Face repository.
        file: File in it.
        revision: Commit of the repository that is downloaded.
        sha256: Checksum of the file, compared after a download; empty if unknown.
    """

    repository: str
    file: str
    revision: str
    sha256: str = ""


@dataclass(frozen=True)
class Variant:
    """One member of the family.

    Attributes:
        embed_dim: Channels of a token.
        depth: Number of transformer blocks.
        num_heads: Attention heads of a block.
        patch_size: Side of a square patch, pixels.
        num_frames: Dates per chip in pre-training.
        coordinates: Whether it takes the dates and the location of a chip.
        statistics: Key of `instageo.sensors.PRITHVI_STATISTICS`, the default statistics to normalise its input with.
        weights: Its published weights; None if it has none.
    """

    embed_dim: int
    depth: int
    num_heads: int
    patch_size: int = 16
    num_frames: int = 4
    coordinates: bool = False
    statistics: str = "v2"
    weights: PublishedWeights | None = None


_NASA = "ibm-nasa-geospatial/"

VARIANTS = {
    "prithvi_eo_v2_tiny_tl": Variant(
        192, 12, 3, num_frames=1, coordinates=True,
        weights=PublishedWeights(
            f"{_NASA}Prithvi-EO-2.0-tiny-TL", "Prithvi_EO_V2_tiny_TL.pt",
            "335eadc2c45ad5abe7bd307223e1c48c5b60c41b",
            "d47326db9bad502b611f73e3e3f3a0e68b7b82640d67c22c795417f7209f8d70",
        ),
    ),
    "prithvi_eo_tiny": Variant(256, 4, 4, num_frames=1, statistics="v1"),
    "prithvi_eo_v1_100": Variant(
        768, 12, 12, num_frames=3, statistics="v1",
        weights=PublishedWeights(
            f"{_NASA}Prithvi-EO-1.0-100M", "Prithvi_EO_V1_100M.pt",
            "f3a9ea7a1723621b0aeceb4de993093704d712c5",
            "7fac0c8a8693198e32a055e0c5a967f8b005f382182b63df1b29fdcd5c880731",
        ),
    ),
    "prithvi_eo_v2_100": Variant(768, 12, 12),
    "prithvi_eo_v2_100_tl": Variant(
        768, 12, 12, coordinates=True,
        weights=PublishedWeights(
            f"{_NASA}Prithvi-EO-2.0-100M-TL", "Prithvi_EO_V2_100M_TL.pt",
            "2c84e383194986040f883cc43d7869002c425e1b",
            "d45406d5fc51af1d9657d48f2e2c3ff077408a2e1113f9a242889a4fe4469b17",
        ),
    ),
    "prithvi_eo_v2_300": Variant(
        1024, 24, 16,
        weights=PublishedWeights(
            f"{_NASA}Prithvi-EO-2.0-300M", "Prithvi_EO_V2_300M.pt",
            "9eb1b1102806593963daa333bcc491b1c6f8562f",
            "faab2c8b776f0723f93431747603a7ec586a54fc45473613b4322c29752486e7",
        ),
    ),
    "prithvi_eo_v2_300_tl": Variant(
        1024, 24, 16, coordinates=True,
        weights=PublishedWeights(
            f"{_NASA}Prithvi-EO-2.0-300M-TL", "Prithvi_EO_V2_300M_TL.pt",
            "63adbd39c271da4c42f447e69b1a7c91a338cdc9",
            "3629cedfbb350faafcb0dac902ae0d3c927e25ce8d9e0024aa1276ec66956ddb",
        ),
    ),
    "prithvi_eo_v2_600": Variant(
        1280, 32, 16, patch_size=14,
        weights=PublishedWeights(
            f"{_NASA}Prithvi-EO-2.0-600M", "Prithvi_EO_V2_600M.pt",
            "87f15784813828dc37aa3197a143cd4689e4d080",
        ),
    ),
    "prithvi_eo_v2_600_tl": Variant(
        1280, 32, 16, patch_size=14, coordinates=True,
        weights=PublishedWeights(
            f"{_NASA}Prithvi-EO-2.0-600M-TL", "Prithvi_EO_V2_600M_TL.pt",
            "3d72adc6dfc4cc3862bf4f41da8c83db267193c9",
            "7b92c53b0204a76bb775bd8930f045e05776251caa8c83f7367ed0b75b594702",
        ),
    ),
}  # fmt: skip
"""Variants by `model.model_name`, the default first."""


@dataclass(frozen=True)
class ConvVariant:
    """A convolutional network: small, fast on CPUs, with random weights at first.

    Attributes:
        widths: Channels at 1/2, 1/4, 1/8 and 1/16 of the resolution.
        blocks: Residual blocks at 1/4, 1/8 and 1/16.
        pixel_channels: Channels at full resolution.
        patch_size: Side of a pixel of the deepest map, image pixels.
        num_frames: As in `Variant`, as are the attributes below.
        coordinates: It takes no dates and location.
        statistics: Key of `instageo.sensors.PRITHVI_STATISTICS`.
        weights: None are published.
    """

    widths: tuple[int, int, int, int]
    blocks: tuple[int, int, int]
    pixel_channels: int = 8
    patch_size: int = 16
    num_frames: int = 1
    coordinates: bool = False
    statistics: str = "v2"
    weights: PublishedWeights | None = None


CONV_VARIANTS = {
    "conv_nano": ConvVariant((8, 16, 24, 48), (0, 1, 2)),
    "conv_micro": ConvVariant((16, 24, 40, 80), (1, 1, 2)),
    "conv_small": ConvVariant((24, 40, 72, 128), (1, 2, 2), pixel_channels=16),
}
"""Convolutional networks by `model.model_name`, the smallest first."""


def all_variants() -> dict[str, Variant | ConvVariant]:
    """Return the networks by `model.model_name`, the default first."""
    return {**VARIANTS, **CONV_VARIANTS}


def find_variant(model_name: str) -> Variant | ConvVariant:
    """Return the variant of that name.

    Raises:
        ConfigError: No variant has that name.
    """
    variants = all_variants()
    if model_name not in variants:
        raise ConfigError(
            f"model.model_name={model_name} is unknown; choose one of {', '.join(variants)}"
            f"{did_you_mean(model_name, variants)}"
        )
    return variants[model_name]


def find_prithvi_variant(model_name: str) -> Variant:
    """Return the Prithvi variant of that name.

    Raises:
        ConfigError: No variant has that name, or it is convolutional.
    """
    variant = find_variant(model_name)
    if not isinstance(variant, Variant):
        raise ConfigError(
            f"{model_name} has no Prithvi encoder and no published weights; choose one of {', '.join(VARIANTS)}"
        )
    return variant


EMBED_DIM_STEP = 16
"""Divisor of every `embed_dim`: the position embedding splits the channels into sixteenths."""


def with_embed_dim(variant: Variant, embed_dim: int | None) -> Variant:
    """Return the variant with another `embed_dim`, with as few equal heads as possible.

    A head has at most as many channels as in the variant itself. With 64 channels per head there, 128 channels get 2
    heads, 96 get 2 of 48, and 32 get one.

    Args:
        variant: Its depth, patch size and coordinates stay.
        embed_dim: Channels of a token; None for the variant's own number.

    Raises:
        ConfigError: `embed_dim` is not a positive multiple of `EMBED_DIM_STEP`.
    """
    if embed_dim is None or embed_dim == variant.embed_dim:
        return variant
    if embed_dim < EMBED_DIM_STEP or embed_dim % EMBED_DIM_STEP:
        raise ConfigError(
            f"model.embed_dim is {embed_dim}; expected a multiple of {EMBED_DIM_STEP}, as the position embedding needs"
        )
    fewest = -(-embed_dim // (variant.embed_dim // variant.num_heads))
    num_heads = next(number for number in count(fewest) if embed_dim % number == 0)
    return replace(variant, embed_dim=embed_dim, num_heads=num_heads)


def pyramid_blocks(depth: int) -> tuple[int, int, int, int]:
    """Return the indices of the four blocks whose tokens make a pyramid: one at each quarter of the depth.

    A depth of 12 gives 2, 5, 8, 11. With fewer than four blocks, some occur twice.
    """
    first, second, third, last = (max(depth * quarter // 4 - 1, 0) for quarter in (1, 2, 3, 4))
    return first, second, third, last

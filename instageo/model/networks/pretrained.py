"""Networks and encoders for the Python API: by name, with random or pretrained weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from instageo.arguments import as_bands, as_whole_number, expect
from instageo.model.backbones.prithvi import PrithviEncoder
from instageo.model.backbones.prithvi import build_encoder as build_random_encoder
from instageo.model.backbones.variants import CONV_VARIANTS, ConvVariant, all_variants
from instageo.model.backbones.weights import find_weights, load_pretrained
from instageo.model.networks.base import EncoderSizes, NetworkSizes, SegmentationNetwork
from instageo.model.networks.meta_device import without_values
from instageo.model.networks.segmenter import build_network as build_random_network
from instageo.sensors import PRITHVI_BANDS

Pretrained = bool | str | Path
"""True for the published weights of the variant; a path for a file of encoder weights, or the folder of a run."""


class ModelList(list[str]):
    """Names of models, shown as a table."""

    def __repr__(self) -> str:
        lines = [f"{'name':22} {'parameters':>10} {'patch':>5} {'dates':>5}  {'coordinates':13} weights"]
        for name in self:
            variant = all_variants()[name]
            with without_values():
                encoder = (
                    build_random_network(name, num_classes=2)
                    if isinstance(variant, ConvVariant)
                    else build_random_encoder(name, temporal_dim=1, img_size=variant.patch_size)
                )
            millions = sum(parameter.numel() for parameter in encoder.parameters()) / 1e6
            takes = "time, location" if variant.coordinates else "-"
            source = variant.weights.repository if variant.weights else "-"
            sizes = f"{millions:9.1f}M {variant.patch_size:5} {variant.num_frames:5}"
            lines.append(f"{name:22} {sizes}  {takes:14} {source}")
        return "\n".join(lines)


def list_models(*, pretrained: bool = False) -> ModelList:
    """Return the names of the networks that `build_network` takes; `build_encoder` takes those of the Prithvi family.

    The result is a list of names that prints as a table: parameters of the encoder, or of a convolutional network, the
    side of a patch, dates per chip in pre-training, whether the time and location of a chip are inputs, and the Hugging
    Face repository of the weights.

    Args:
        pretrained: Whether to leave out variants without published weights.

    Examples:
        >>> import instageo
        >>> instageo.list_models()[0]
        'prithvi_eo_v2_tiny_tl'
        >>> "prithvi_eo_tiny" in instageo.list_models(pretrained=True)
        False
    """
    return ModelList(name for name, variant in all_variants().items() if variant.weights or not pretrained)


def build_network(
    model_name: str,
    *,
    num_classes: int,
    head: str | None = None,
    pretrained: Pretrained = False,
    bands: Sequence[str] | None = None,
    temporal_dim: int = 1,
    **sizes: Unpack[NetworkSizes],
) -> SegmentationNetwork:
    """Build a network: a Prithvi encoder and a head, or a convolutional network.

    It takes normalised images (B, C, T, H, W) of any height and width, and optionally `temporal_coords` (B, T, 2) and
    `location_coords` (B, 2), to outputs (B, num_classes, H, W), or (B, num_classes, 1, 1) with `head="pooled"`.

    Args:
        model_name: One of `list_models()`.
        num_classes: Output channels: classes, or 1 for a regression.
        head: `light`, `upscaling`, `unet`, `upernet`, `linear`, or `pooled` for one output per chip; convolutional
            networks take `conv`, their own decoder, or `pooled`. None for `light` or `conv`.
        pretrained: True for the variant's published encoder weights, from the local Hugging Face cache or downloaded
            once; a path for other encoder weights. False leaves all weights random.
        bands: Names of the bands of one date, in the order of the image; None for the six of the published weights.
            Pretrained weights are matched by these names.
        temporal_dim: Dates per chip.
        **sizes: `img_size`, `depth`, `embed_dim`, `head_channels` and `date_pooling`, see `NetworkSizes`.

    Raises:
        ConfigError: A name is unknown, or a size makes no network.
        WeightsError: The weights cannot be found or downloaded, or do not fit.

    Examples:
        >>> import instageo, torch
        >>> net = instageo.build_network("prithvi_eo_tiny", num_classes=3, bands=("RED", "GREEN", "BLUE"))
        >>> net(torch.zeros(2, 3, 1, 64, 64)).shape
        torch.Size([2, 3, 64, 64])
    """
    _check_arguments(model_name, bands, pretrained, num_classes=num_classes, temporal_dim=temporal_dim, **sizes)
    expect(head is None or isinstance(head, str), "head", head, "the name of a head, such as 'light'")
    head = head or ("conv" if model_name in CONV_VARIANTS else "light")
    net = build_random_network(
        model_name, num_classes=num_classes, head=head, bands=bands, temporal_dim=temporal_dim, **sizes
    )
    if pretrained is not False:
        _fill(net.encoder_for("pretrained"), model_name, pretrained, bands)
    return net


def build_encoder(
    model_name: str,
    *,
    pretrained: Pretrained = False,
    bands: Sequence[str] | None = None,
    temporal_dim: int = 1,
    **sizes: Unpack[EncoderSizes],
) -> PrithviEncoder:
    """Build a Prithvi encoder.

    It takes normalised images (B, C, T, H, W) to tokens (B, 1 + T * H/patch * W/patch, D), the class token first.

    Args:
        model_name: One of `list_models()`.
        pretrained: As in `build_network`.
        bands: Names of the bands of one date; None for the six of the published weights.
        temporal_dim: Dates per chip.
        **sizes: `img_size`, `depth` and `embed_dim`, see `EncoderSizes`.

    Raises:
        ConfigError: A name is unknown, or a size makes no network.
        WeightsError: The weights cannot be found or downloaded, or do not fit.

    Examples:
        >>> import instageo, torch
        >>> encoder = instageo.build_encoder("prithvi_eo_tiny", depth=2)
        >>> encoder(torch.zeros(1, 6, 1, 32, 48)).shape
        torch.Size([1, 7, 256])
    """
    _check_arguments(model_name, bands, pretrained, temporal_dim=temporal_dim, **sizes)
    encoder = build_random_encoder(
        model_name, temporal_dim=temporal_dim, bands=bands, **(EncoderSizes(img_size=224) | sizes)
    )
    _fill(encoder, model_name, pretrained, bands)
    return encoder


def _check_arguments(model_name: object, bands: object, pretrained: object, **sizes: object) -> None:
    """Check the kinds of arguments; whether their values fit is checked where they are used.

    Raises:
        ConfigError: One is of a wrong kind.
    """
    expect(isinstance(model_name, str), "model_name", model_name, "one of instageo.list_models()")
    if bands is not None:
        names = as_bands("bands", bands)
        expect(all(isinstance(name, str) for name in names), "bands", bands, "names, such as ['RED', 'NIR']")
    is_supported = isinstance(pretrained, (bool, str, Path))
    expect(is_supported, "pretrained", pretrained, "True, False, or the path of a file of weights or of a run")
    for name, value in sizes.items():
        if value is not None:
            as_whole_number(name, value, least=-1 if name == "depth" else 1)


def _fill(encoder: PrithviEncoder, model_name: str, pretrained: Pretrained, bands: Sequence[str] | None) -> None:
    if pretrained is not False:
        file = find_weights(model_name, None if pretrained is True else str(pretrained))
        load_pretrained(encoder, model_name, file, PRITHVI_BANDS if bands is None else bands)

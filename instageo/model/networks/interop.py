"""Use encoders and samples with TerraTorch and TorchGeo; neither of them needs to be installed.

The conventions are those of TerraTorch 1.1 and TorchGeo 0.8 and 0.9.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import torch
from affine import Affine
from torch import Tensor, nn

from instageo.errors import DataError
from instageo.model.backbones.prithvi import PrithviEncoder
from instageo.model.backbones.variants import pyramid_blocks
from instageo.model.chips.dates_and_location import find_chip_coordinates
from instageo.model.chips.sample import Sample, ignored_value, zero_invalid
from instageo.model.heads.base import HeadInput
from instageo.model.networks.segmenter import PrithviSegmenter
from instageo.raster.grid import Grid
from instageo.raster.validity import validity_mask


class TerraTorchEncoder(nn.Module):
    """Encoder as a TerraTorch backbone: images to a list of feature maps, with their channels in `out_channels`.

    Pass it as `backbone` to TerraTorch's `EncoderDecoderFactory`, or build a decoder with `out_channels` yourself. All
    maps are normalised and have the same size. A decoder that needs a pyramid, such as TerraTorch's UNetDecoder, takes
    them through a neck such as LearnedInterpolateToPyramidal.

    Args:
        encoder: Encoder, with or without pretrained weights.
        indices: Blocks counted from 0, or from the end if negative; None for the four at each quarter of the depth.

    Examples:
        >>> from instageo.model import build_encoder
        >>> backbone = TerraTorchEncoder(build_encoder("prithvi_eo_tiny", temporal_dim=1, img_size=64))
        >>> backbone.out_channels
        [256, 256, 256, 256]
        >>> [tuple(level.shape) for level in backbone(torch.zeros(1, 6, 64, 64))][-1]
        (1, 256, 4, 4)
    """

    def __init__(self, encoder: PrithviEncoder, indices: Sequence[int] | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.indices = pyramid_blocks(len(encoder.blocks)) if indices is None else tuple(indices)

    @property
    def out_channels(self) -> list[int]:
        """Channels of each map: embed_dim * temporal_dim."""
        return [self.encoder.out_channels[index] for index in self.indices]

    @property
    def patch_size(self) -> int:
        """Side of a patch, pixels; TerraTorch pads images to multiples of it."""
        return self.encoder.patch_size

    def forward(
        self, x: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> list[Tensor]:
        """Return one map (B, T * embed_dim, H/patch_size, W/patch_size) per index, channels of the first date first.

        Args:
            x: Normalised image (B, C, T, H, W), or (B, T * C, H, W) with all bands of the first date first.
            temporal_coords: Shape (B, T, 2), year and day of year; NaN or None if unknown.
            location_coords: Shape (B, 2), latitude and longitude; NaN or None if unknown.
        """
        image = x if x.ndim == 5 else torch.unflatten(x, 1, (self.encoder.temporal_dim, -1)).transpose(1, 2)
        return self.encoder.forward_intermediates(
            image, self.indices, temporal_coords=temporal_coords, location_coords=location_coords, norm=True
        )


class TerraTorchHead(nn.Module):
    """Head around a TerraTorch decoder, for `PrithviSegmenter`.

    Args:
        decoder: Module that takes a list of four maps (B, T * embed_dim, h, w) and returns one map with `out_channels`
            channels; if its attribute `includes_head` is true, that map holds the logits.
        num_classes: Output channels.
        dropout: Dropout before the 1x1 convolution to the classes.
    """

    pyramid = True

    def __init__(self, decoder: nn.Module, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.decoder = decoder
        self.classify: nn.Module = nn.Identity()
        if not getattr(decoder, "includes_head", False):
            channels: int = decoder.out_channels  # type: ignore[assignment]
            self.classify = nn.Sequential(nn.Dropout(dropout), nn.Conv2d(channels, num_classes, kernel_size=1))

    def forward(self, features: HeadInput) -> Tensor:
        """Return logits (B, K, H', W') of the size that the decoder gives; the network resizes them to the image."""
        # all channels of the first date first, as TerraTorch stacks dates
        maps = [level.transpose(1, 2).flatten(1, 2) for level in features.maps]
        logits: Tensor = self.classify(self.decoder(maps))
        return logits


def build_network_with_decoder(
    encoder: PrithviEncoder, decoder: Callable[..., nn.Module], num_classes: int, **decoder_options: Any
) -> PrithviSegmenter:
    """Build a network from an encoder and a decoder class of TerraTorch, or one written like these.

    Args:
        encoder: Encoder, with or without pretrained weights.
        decoder: Class whose first parameter is the list of the channels of its four input maps, and whose instances
            take a list of four maps and have `out_channels`; if its attribute `includes_head` is true, it also gets
            `num_classes` and returns logits.
        num_classes: Output channels.
        **decoder_options: Further parameters of `decoder`.

    Examples:
        >>> from terratorch.models.decoders import UperNetDecoder  # doctest: +SKIP
        >>> net = build_network_with_decoder(encoder, UperNetDecoder, num_classes=2, channels=128)  # doctest: +SKIP
    """
    if getattr(decoder, "includes_head", False):
        decoder_options["num_classes"] = num_classes
    channels = TerraTorchEncoder(encoder).out_channels
    return PrithviSegmenter(encoder, TerraTorchHead(decoder(channels, **decoder_options), num_classes))


def sample_from_torchgeo(
    sample: Mapping[str, Any],
    *,
    temporal_dim: int = 1,
    dates: Sequence[date] = (),
    no_data_value: float | None = None,
    ignore_index: int = -1,
) -> Sample:
    """Convert a sample of a TorchGeo dataset.

    Args:
        sample: `image`: (T, C, H, W), or (T * C, H, W) with all bands of the first date first. Optional: `mask`, (H, W)
            or (1, H, W); `label`, a number or K of them, for whole images; `crs`, an object with `to_wkt` or a WKT
            text, together with `transform`, six or nine numbers, or `bounds`, slices of x, y and time; and `valid`,
            `temporal_coords` and `location_coords` as in `Sample`, which take precedence.
        temporal_dim: Dates of an image (T * C, H, W).
        dates: Acquisition date of each date of the image, or none.
        no_data_value: Value that means "no observation", in addition to NaN.
        ignore_index: Label for pixels without a valid date; NaN is used for labels of floating-point type.

    Raises:
        DataError: The image has another shape, or there is another number of dates.
    """
    image = _split_dates(sample["image"].float(), temporal_dim)
    valid = sample.get("valid")
    if valid is None:
        layers = image.detach().flatten(0, 1).cpu().numpy()
        observed = torch.from_numpy(validity_mask(layers, [None] * len(layers), no_data_value)).to(image.device)
        valid = observed.view_as(image).all(dim=0)
    grid = _grid(sample, image.shape[-2], image.shape[-1])
    temporal, location = find_chip_coordinates(dates, None, grid, {}, image.shape[1])
    return Sample(
        zero_invalid(image, valid),
        valid,
        _label_from_torchgeo(sample, valid, ignore_index),
        sample.get("temporal_coords", torch.from_numpy(temporal)),
        sample.get("location_coords", torch.from_numpy(location)),
    )


def sample_to_torchgeo(
    sample: Sample,
    *,
    transform: Sequence[float] | None = None,
    crs: object = None,
    bounds: object = None,
    time_series: bool = False,
) -> dict[str, Any]:
    """Convert a single sample to the dictionary that TorchGeo's transforms and trainers take.

    Args:
        sample: Sample of one chip.
        transform: Affine transform from (column, row) to CRS coordinates, as `Grid.transform`; stored as a tensor.
        crs: Coordinate reference system, stored as it is.
        bounds: Bounds of the image, stored as they are.
        time_series: Return an image (T, C, H, W) instead of (T * C, H, W) with all bands of the first date first.

    Returns:
        `image`; `mask` (H, W) if there is a label of pixels, or `label`, () or (K,), if there is an image-level one;
        `valid` (T, H, W), `temporal_coords` (T, 2) and `location_coords` (2,), as in the sample, so that
        `sample_from_torchgeo` restores it; `transform`, `crs` and `bounds` as far as given.
    """
    image = sample.image.transpose(0, 1)
    converted: dict[str, Any] = {"image": image if time_series else image.flatten(0, 1), "valid": sample.valid}
    if sample.pixel_label is not None:
        converted["mask"] = sample.pixel_label
    elif sample.label is not None:
        converted["label"] = sample.label[..., 0, 0]
    optional = {
        "temporal_coords": sample.temporal_coords,
        "location_coords": sample.location_coords,
        "transform": None if transform is None else torch.tensor(tuple(transform), dtype=torch.float64),
        "crs": crs,
        "bounds": bounds,
    }
    return converted | {key: value for key, value in optional.items() if value is not None}


def _split_dates(image: Tensor, temporal_dim: int) -> Tensor:
    """Return an image (T, C, H, W) or (T * C, H, W) as (C, T, H, W)."""
    if image.ndim == 3 and image.shape[0] % temporal_dim == 0:
        image = torch.unflatten(image, 0, (temporal_dim, -1))
    if image.ndim != 4:
        raise DataError(
            f"the image has shape {tuple(image.shape)}; expected (T, C, H, W), or (T * C, H, W) with temporal_dim="
            f"{temporal_dim} dates, of a single sample"
        )
    return image.transpose(0, 1).contiguous()


def _label_from_torchgeo(sample: Mapping[str, Any], valid: Tensor, ignore_index: int) -> Tensor | None:
    """Return `mask` as (H, W), or `label` as (1, 1) or (K, 1, 1), as float32 or int64."""
    label = sample.get("mask", sample.get("label"))
    if label is None:
        return None
    label = torch.as_tensor(label)
    label = label.float() if label.is_floating_point() else label.long()
    if "mask" not in sample:
        return label[..., None, None]
    label = label.squeeze(0) if label.ndim == 3 else label
    return label.masked_fill(~valid.any(dim=0), ignored_value(label, ignore_index))


def _grid(sample: Mapping[str, Any], height: int, width: int) -> Grid | None:
    """Return the grid of a TorchGeo sample, or None if it does not have one."""
    crs, bounds = sample.get("crs"), sample.get("bounds")
    if sample.get("transform") is not None:
        transform = Affine(*(float(number) for number in sample["transform"][:6]))
    elif isinstance(bounds, tuple) and all(isinstance(side, slice) for side in bounds[:2]):
        x, y = bounds[:2]
        transform = Affine((x.stop - x.start) / width, 0.0, x.start, 0.0, (y.start - y.stop) / height, y.stop)
    else:
        return None
    return None if crs is None else Grid(crs if isinstance(crs, str) else crs.to_wkt(), transform, height, width)

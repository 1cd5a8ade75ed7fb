"""A small convolutional encoder: a stem for each date, dates pooled to one map, then maps of ever lower resolution.

Blocks are plain 3 x 3 convolutions: for the same time on a CPU they do more arithmetic than depthwise ones. Batch
normalisation is folded into the convolutions where a network is exported.
"""

import torch
from torch import Tensor, nn

from instageo.errors import ConfigError
from instageo.model.backbones.variants import ConvVariant


def conv_batch_norm(channels_in: int, channels_out: int, kernel: int = 3, *, stride: int = 1) -> nn.Sequential:
    """Build a convolution that keeps the size, or divides it by `stride`, and batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
    )


class ResidualBlock(nn.Module):
    """Two convolutions that are added to their input (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv_batch_norm(channels, channels), nn.ReLU(inplace=True), conv_batch_norm(channels, channels)
        )
        self.activate = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        mixed: Tensor = self.activate(maps + self.layers(maps))
        return mixed


class DatePooling(nn.Module):
    """Mean over the dates of each pixel, weighted by attention if it is wanted; the weights are equal at first."""

    def __init__(self, channels: int, *, attention: bool) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, kernel_size=1) if attention else None
        if self.score is not None:
            nn.init.zeros_(self.score.weight)

    def forward(self, maps: Tensor, num_dates: int) -> Tensor:
        """Map (B * T, C, h, w), the dates of a chip one after the other, to (B, C, h, w)."""
        by_date = torch.unflatten(maps, 0, (-1, num_dates))
        if self.score is None:
            return by_date.mean(dim=1)
        weights = torch.unflatten(self.score(maps), 0, (-1, num_dates)).softmax(dim=1)
        return (by_date * weights).sum(dim=1)


def _build_stage(channels_in: int, channels_out: int, blocks: int) -> nn.Sequential:
    """Build a convolution that halves the resolution, and residual blocks."""
    return nn.Sequential(
        conv_batch_norm(channels_in, channels_out, stride=2),
        nn.ReLU(inplace=True),
        *(ResidualBlock(channels_out) for _ in range(blocks)),
    )


class ConvEncoder(nn.Module):
    """From images of any number of dates to maps at 1/4, 1/8 and 1/16 of their resolution.

    Args:
        variant: Its channels and blocks.
        channels: Bands of one date.
        temporal_dim: Dates of an image; with one, nothing is pooled.
        date_pooling: `mean` or `attention`.

    Raises:
        ConfigError: `date_pooling` is neither.
    """

    def __init__(self, variant: ConvVariant, *, channels: int, temporal_dim: int, date_pooling: str) -> None:
        super().__init__()
        if date_pooling not in ("mean", "attention"):
            raise ConfigError(f"model.date_pooling={date_pooling} does not work; expected mean or attention")
        half, quarter, eighth, sixteenth = variant.widths
        self.stem = nn.Sequential(_build_stage(channels, half, 0), _build_stage(half, quarter, variant.blocks[0]))
        self.dates = DatePooling(quarter, attention=date_pooling == "attention") if temporal_dim > 1 else None
        self.eighth = _build_stage(quarter, eighth, variant.blocks[1])
        self.sixteenth = _build_stage(eighth, sixteenth, variant.blocks[2])
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module is not getattr(self.dates, "score", None):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, C, T, H, W) to (B, D, H/4, W/4), (B, D, H/8, W/8) and (B, D, H/16, W/16), each with its own D."""
        num_dates = image.shape[2]
        quarter = self.stem(image.transpose(1, 2).flatten(0, 1))
        if self.dates is not None:
            quarter = self.dates(quarter, num_dates)
        eighth = self.eighth(quarter)
        return [quarter, eighth, self.sixteenth(eighth)]

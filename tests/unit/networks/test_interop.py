"""Encoders and samples in the conventions of TerraTorch and TorchGeo, neither of which is installed."""

import math
from datetime import date

import pytest
import torch
from affine import Affine
from torch import nn

from instageo.errors import DataError
from instageo.model import build_encoder
from instageo.model.chips.sample import Sample
from instageo.model.networks.interop import (
    TerraTorchEncoder,
    TerraTorchHead,
    build_network_with_decoder,
    sample_from_torchgeo,
    sample_to_torchgeo,
)
from instageo.raster.grid import CRS


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class FuseDecoder(nn.Module):
    """A decoder in TerraTorch's manner: channels of its inputs first, a list of maps in, `out_channels`."""

    def __init__(self, embed_dim: list[int], channels: int = 8):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(dim, channels, kernel_size=1) for dim in embed_dim)
        self.upscale = nn.ConvTranspose2d(channels, channels, kernel_size=2, stride=2)
        self.out_channels = channels

    def forward(self, x: list[torch.Tensor]) -> torch.Tensor:
        assert isinstance(x, list)
        return self.upscale(sum(lateral(level) for lateral, level in zip(self.lateral, x, strict=True)))


class LinearDecoder(nn.Module):
    """A decoder in TerraTorch's manner that returns logits."""

    includes_head = True

    def __init__(self, embed_dim: list[int], num_classes: int):
        super().__init__()
        self.conv = nn.Conv2d(embed_dim[-1], num_classes, kernel_size=1)
        self.out_channels = num_classes

    def forward(self, x: list[torch.Tensor]) -> torch.Tensor:
        return self.conv(x[-1])


def encoder(num_dates=1, depth=4):
    return build_encoder("prithvi_eo_v2_tiny_tl", temporal_dim=num_dates, img_size=32, depth=depth)


@pytest.mark.parametrize("num_dates", [1, 3])
def test_the_backbone_returns_maps_with_its_out_channels(num_dates):
    backbone = TerraTorchEncoder(encoder(num_dates, depth=12)).eval()
    image = torch.randn(2, 6, num_dates, 32, 48)
    with torch.no_grad():
        maps = backbone(image)
        stacked = image.transpose(1, 2).flatten(1, 2)  # (B, T * C, H, W)
        assert all(torch.equal(*levels) for levels in zip(maps, backbone(stacked), strict=True))
        tokens = backbone.encoder.forward_features(image, norm=True)
    assert backbone.out_channels == [192 * num_dates] * 4
    assert [level.shape for level in maps] == [(2, channels, 2, 3) for channels in backbone.out_channels]
    for level, block in zip(maps, (2, 5, 8, 11), strict=True):
        rows = level.unflatten(1, (num_dates, 192)).movedim(2, -1).reshape(2, -1, 192)  # TerraTorch's "(t e) h w"
        assert torch.equal(rows, tokens[block][:, 1:])


def test_the_backbone_takes_other_blocks_and_coordinates():
    backbone = TerraTorchEncoder(encoder(), indices=[0, -1]).eval()
    image = torch.randn(1, 6, 32, 32)
    coords = torch.tensor([[[2020.0, 60.0]]]), torch.tensor([[12.5, -3.25]])
    first, last = backbone(image, *coords)
    expected = backbone.encoder(image[:, :, None], *coords)[:, 1:]
    assert torch.equal(last.flatten(2).transpose(1, 2), expected)
    assert not torch.allclose(backbone(image)[0], first)
    assert backbone.out_channels == [192, 192]
    assert backbone.patch_size == 16


@pytest.mark.parametrize("num_dates", [1, 2])
@pytest.mark.parametrize(("decoder", "options"), [(FuseDecoder, {"channels": 16}), (LinearDecoder, {})])
def test_a_terratorch_decoder_trains_on_the_encoder(decoder, options, num_dates):
    net = build_network_with_decoder(encoder(num_dates), decoder, num_classes=3, **options).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    image, label = torch.randn(2, 6, num_dates, 33, 50), torch.randint(0, 3, (2, 33, 50))
    losses = []
    for _ in range(2):
        logits = net(image)
        assert logits.shape == (2, 3, 33, 50)
        loss = nn.functional.cross_entropy(logits, label)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[1] < losses[0]
    assert all(parameter.grad is not None for parameter in net.segmentation_head.parameters())
    assert net.prithvi_encoder.patch_embed.proj.weight.grad.any()


def test_the_head_stacks_dates_as_the_backbone_does():
    net = build_network_with_decoder(encoder(2), LinearDecoder, num_classes=3).eval()
    image = torch.randn(1, 6, 2, 32, 32)
    with torch.no_grad():
        maps = TerraTorchEncoder(net.prithvi_encoder)(image)
        logits = net.segmentation_head.decoder(maps)
        expected = nn.functional.interpolate(logits, size=(32, 32), mode="bilinear", align_corners=False)
        torch.testing.assert_close(net(image), expected)


def test_a_decoder_with_a_head_gets_no_second_one():
    assert isinstance(TerraTorchHead(LinearDecoder([8] * 4, 3), 3).classify, nn.Identity)
    assert [part.out_channels for part in TerraTorchHead(FuseDecoder([8] * 4), 3).classify[1:]] == [3]


UTM = CRS.from_epsg(32633)  # its central meridian is 15 degrees east
TRANSFORM = Affine(30, 0, 500_000 - 30, 0, -30, 60)
"""The centre of 4 rows and 2 columns lies on the central meridian and on the equator."""


def test_an_image_of_stacked_dates_becomes_a_sample():
    image = torch.arange(4 * 4 * 2, dtype=torch.float32).reshape(4, 4, 2)  # two dates of two bands
    sample = sample_from_torchgeo({"image": image, "mask": torch.ones(4, 2, dtype=torch.uint8)}, temporal_dim=2)
    assert sample.image.shape == (2, 2, 4, 2)
    assert torch.equal(sample.image[1, 0], image[1])  # second band of the first date
    assert torch.equal(sample.image[0, 1], image[2])
    assert sample.valid.all()
    assert sample.label.dtype == torch.int64
    assert sample.temporal_coords.isnan().all()
    assert sample.location_coords.isnan().all()


def test_a_time_series_becomes_a_sample():
    image = torch.randn(3, 2, 4, 5)
    sample = sample_from_torchgeo({"image": image}, dates=[date(2020, 1, 1), date(2020, 12, 31), date(2021, 2, 1)])
    assert torch.equal(sample.image, image.transpose(0, 1))
    assert sample.label is None
    assert sample.temporal_coords.tolist() == [[2020, 1], [2020, 366], [2021, 32]]


def test_no_data_is_invalid_zero_and_ignored():
    image = torch.ones(4, 1, 3)
    image[0, 0, 0] = math.nan  # first date, one band
    image[:, 0, 1] = -9999
    mask = torch.tensor([[[1, 1, 1]]])
    sample = sample_from_torchgeo({"image": image, "mask": mask}, temporal_dim=2, no_data_value=-9999, ignore_index=255)
    assert sample.valid.tolist() == [[[False, False, True]], [[True, False, True]]]
    assert sample.image[:, 0, 0].tolist() == [[0, 0, 1], [0, 0, 1]]
    assert sample.label.tolist() == [[1, 255, 1]]
    values = sample_from_torchgeo({"image": image, "mask": mask.double()}, temporal_dim=2, no_data_value=-9999).label
    assert values.dtype == torch.float32
    assert values.isnan().tolist() == [[False, True, False]]


@pytest.mark.parametrize(
    "position",
    [
        {"transform": torch.tensor(TRANSFORM), "crs": UTM},  # TorchGeo 0.9
        {"transform": TRANSFORM, "crs": UTM.to_wkt()},
        {"bounds": (slice(499_970, 500_030, 30), slice(-60, 60, 30), slice(0, 1)), "crs": UTM},  # TorchGeo 0.8
    ],
)
def test_the_location_is_the_centre_of_the_image(position):
    sample = sample_from_torchgeo({"image": torch.zeros(6, 4, 2), **position})
    torch.testing.assert_close(sample.location_coords, torch.tensor([0.0, 15.0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("position", [{"transform": TRANSFORM}, {"crs": UTM}, {"crs": UTM, "bounds": torch.zeros(9)}])
def test_the_location_is_unknown_without_crs_and_position(position):
    assert sample_from_torchgeo({"image": torch.zeros(6, 4, 2), **position}).location_coords.isnan().all()


def example(label):
    valid = torch.tensor([[[True, False], [True, True]], [[False, False], [True, True]]])
    image = torch.randn(3, 2, 2, 2) * valid
    dates, location = torch.tensor([[2020.0, 1.0], [2021.0, 5.0]]), torch.tensor([1.5, -2.5])
    return Sample(image, valid, label, dates, location)


@pytest.mark.parametrize(
    ("label", "key", "shape"),
    [
        (torch.tensor([[0, -1], [2, 1]]), "mask", (2, 2)),
        (torch.tensor([[0.5, math.nan], [2, 1]]), "mask", (2, 2)),
        (torch.tensor([[3]]), "label", ()),
        (torch.tensor([0.5]).reshape(1, 1), "label", ()),
        (torch.tensor([1, 0, 1]).reshape(3, 1, 1), "label", (3,)),
        (None, None, None),
    ],
)
@pytest.mark.parametrize("time_series", [False, True])
def test_a_sample_survives_the_way_to_torchgeo_and_back(label, key, shape, time_series):
    sample = example(label)
    converted = sample_to_torchgeo(sample, transform=TRANSFORM, crs=UTM, time_series=time_series)
    assert converted["image"].shape == ((2, 3, 2, 2) if time_series else (6, 2, 2))
    assert converted["transform"].tolist() == list(TRANSFORM)
    assert converted["crs"] is UTM
    assert {"mask", "label"} & converted.keys() == ({key} if key else set())
    assert key is None or converted[key].shape == shape
    restored = sample_from_torchgeo(converted, temporal_dim=2)
    for name, expected in vars(sample).items():
        if expected is None:
            assert getattr(restored, name) is None
        else:
            torch.testing.assert_close(getattr(restored, name), expected, equal_nan=True, rtol=0, atol=0)


def test_only_known_parts_are_in_the_dictionary():
    sample = Sample(torch.zeros(3, 1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool))
    assert sample_to_torchgeo(sample).keys() == {"image", "valid"}
    assert sample_to_torchgeo(sample, bounds=(1, 2)).keys() == {"image", "valid", "bounds"}


@pytest.mark.parametrize("shape", [(5, 2, 2), (2, 2), (1, 2, 3, 4, 5)])
def test_other_shapes_of_images_are_refused(shape):
    with pytest.raises(DataError, match=r"the image has shape \(.*expected \(T, C, H, W\), or \(T \* C, H, W\) with"):
        sample_from_torchgeo({"image": torch.zeros(shape)}, temporal_dim=2)


def test_another_number_of_dates_is_refused():
    with pytest.raises(DataError, match="1 date is given"):
        sample_from_torchgeo({"image": torch.zeros(4, 2, 2)}, temporal_dim=2, dates=[date(2020, 1, 1)])

"""Every head: logits for images of any size, gradients for every parameter, and properties of single heads."""

import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from instageo.model import build_network
from instageo.model.backbones.variants import VARIANTS, Variant
from instageo.model.heads.base import HeadInput, HeadSpec
from instageo.model.heads.factory import HEADS
from instageo.model.heads.light import LightHead
from instageo.model.heads.light_v0 import SQUARE_CORRELATION, build_square_classifier
from instageo.model.heads.patch_decoder import DateAttention


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def build(monkeypatch):
    """Function that builds a network on a narrow encoder."""

    def make(head, *, patch_size=16, num_dates=1, depth=4):
        monkeypatch.setitem(VARIANTS, "narrow", Variant(32, depth, 2, patch_size=patch_size))
        return build_network("narrow", num_classes=3, temporal_dim=num_dates, img_size=4 * patch_size, head=head)

    return make


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("patch_size", [14, 16])
@pytest.mark.parametrize("num_dates", [1, 3])
def test_logits_have_the_size_of_the_image(build, head, patch_size, num_dates):  # pitfalls 16, 28
    net = build(head, patch_size=patch_size, num_dates=num_dates).eval()
    sizes = [(112, 112), (48, 80), (33, 50), (14, 14), (7, 16)]
    with torch.inference_mode():
        shapes = {(height, width): net(torch.zeros(1, 6, num_dates, height, width)).shape for height, width in sizes}
    assert shapes == {size: (1, 3, *((1, 1) if net.image_level else size)) for size in sizes}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("num_dates", [1, 2])
def test_a_batch_of_one_trains_every_parameter_of_the_head(build, head, num_dates):
    net = build(head, num_dates=num_dates).train()
    logits = net(torch.randn(1, 6, num_dates, 64, 48))
    (logits * torch.randn_like(logits)).sum().backward()
    parameters = dict(net.segmentation_head.named_parameters())
    assert [key for key, value in parameters.items() if value.grad is None] == []
    assert [key for key, value in parameters.items() if value.ndim > 1 and not value.grad.any()] == []


@pytest.mark.parametrize(
    ("head", "blocks", "uses_image"),
    [
        ("upscaling", (11,), False),
        ("upscaling_600m", (11,), False),
        ("linear", (11,), False),
        ("light", (2, 5, 8, 11), True),
        ("light_v0", (2, 5, 8, 11), True),
        ("light_v1", (2, 5, 8, 11), True),
        ("light_v2", (2, 5, 8, 11), True),
        ("unet", (2, 5, 8, 11), True),
        ("upernet", (2, 5, 8, 11), False),
    ],
)
def test_every_head_uses_every_date_of_its_blocks(build, head, blocks, uses_image):
    net = build(head, num_dates=3, depth=12).eval()
    for module in net.segmentation_head.modules():
        if isinstance(module, DateAttention):
            torch.nn.init.normal_(module.score.weight)
    image = torch.randn(1, 6, 3, 64, 64, requires_grad=True)
    maps = [level.detach().requires_grad_() for level in net.feature_maps(image)]
    with torch.no_grad():  # the maps are those of the right blocks, normalized
        levels = net.prithvi_encoder.forward_features(image, norm=True)
    for level, block in zip(maps, blocks, strict=True):
        torch.testing.assert_close(level.flatten(2).transpose(1, 2), levels[block][:, 1:])
    logits = net.segmentation_head(HeadInput(maps, image))
    (logits * torch.randn_like(logits)).sum().backward()
    for level in maps:
        assert level.grad.abs().amax((0, 1, 3, 4)).min() > 1e-6  # per date
    assert (image.grad is not None) == uses_image
    assert not uses_image or image.grad.abs().amax((0, 1, 3, 4)).min() > 1e-6


@pytest.mark.parametrize(("head", "kernels"), [("upscaling", [3, 3, 3, 3]), ("upscaling_600m", [5, 5, 5, 7])])
def test_the_published_heads_have_the_published_keys_and_kernels(head, kernels):
    state = HEADS[head](HeadSpec(embed_dim=32, temporal_dim=2, num_bands=6, patch_size=14, num_classes=5)).state_dict()
    normed = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    doubling = ["0.weight", "0.bias", "2.weight", "2.bias", *(f"3.{name}" for name in normed)]
    assert list(state) == [*(f"{level}.{key}" for level in range(4) for key in doubling), "5.weight", "5.bias"]
    widths = [64, 32, 16, 8, 4]
    assert [list(state[f"{level}.0.weight"].shape) for level in range(4)] == [
        [wide, narrow, 3, 3] for wide, narrow in pairwise(widths)
    ]
    assert [state[f"{level}.2.weight"].shape[-1] for level in range(4)] == kernels
    assert list(state["5.weight"].shape) == [5, 4, 1, 1]


def test_the_600m_head_returns_224_pixels_for_16_patches_and_too_few_for_others():
    head = HEADS["upscaling_600m"](
        HeadSpec(embed_dim=32, temporal_dim=1, num_bands=6, patch_size=14, num_classes=2)
    ).eval()
    for patches, pixels in [(16, 224), (15, 208), (3, 16)]:  # 16 x patches - 32
        logits = head(HeadInput([torch.zeros(1, 32, 1, patches, patches)], torch.zeros(1, 6, 1, 1, 1)))
        assert logits.shape == (1, 2, pixels, pixels)


def count_flops(model_name, head, num_dates, depth=-1):
    """Floating-point operations of the head and of the network, for one chip of 224 pixels."""
    with torch.device("meta"):
        net = build_network(model_name, num_classes=2, temporal_dim=num_dates, depth=depth, head=head).eval()
        image = torch.zeros(1, 6, num_dates, 224, 224)
    with FlopCounterMode(display=False) as counter:
        net(image)
    totals = {name: sum(Counter(counts).values()) for name, counts in counter.get_flop_counts().items()}
    return totals["PrithviSegmenter.segmentation_head"], totals["PrithviSegmenter"]


def test_the_flops_of_the_linear_head_by_hand():
    # 196 patches x 3 dates x 256 channels x 2 classes, a multiplication and an addition each
    head, whole = count_flops("prithvi_eo_tiny", "linear", 3)
    assert head == 196 * 3 * 256 * 2 * 2
    # per token and block: 12 x 256^2 for the projections, 2 x 589 x 256 for attention
    tokens = 1 + 3 * 196
    blocks = 4 * tokens * (12 * 256**2 + 2 * tokens * 256) * 2
    assert whole == head + blocks + 3 * 196 * 6 * 16**2 * 256 * 2


@pytest.mark.parametrize(
    "model_name",
    ["prithvi_eo_tiny", "prithvi_eo_v2_tiny_tl", "prithvi_eo_v1_100", "prithvi_eo_v2_300", "prithvi_eo_v2_600"],
)
def test_the_light_head_costs_at_most_a_fifteenth_and_little_for_each_date(model_name):
    head, whole = count_flops(model_name, "light", 3)
    assert head <= whole / 15
    one, four = (count_flops(model_name, "light", num_dates, depth=1)[0] for num_dates in (1, 4))
    variant = VARIANTS[model_name]
    details = 3 * 6 * 9 * 8 * 224**2  # three more dates of six bands, 3 x 3 kernel, 8 channels
    squares = 3 * 6 * 4 * 32 * 112**2  # 2 x 2 kernel, 32 channels at half the resolution
    attention = 4 * 4 * (224 // variant.patch_size) ** 2 * variant.embed_dim  # four blocks and dates, one weight each
    assert four - one == 2 * (details + squares + attention)


@pytest.mark.parametrize(("num_classes", "narrow"), [(1, 8), (4, 8), (8, 16), (20, 32)])
def test_the_light_head_has_two_channels_at_full_resolution_for_each_class(num_classes, narrow):
    head = LightHead(HeadSpec(embed_dim=16, temporal_dim=1, num_bands=6, patch_size=16, num_classes=num_classes))
    assert head.classify.in_channels == head.details.out_channels == narrow


def test_no_channel_of_the_light_head_loses_its_gradient():
    """Also where the sum of its features is below zero in every pixel."""
    head = LightHead(HeadSpec(embed_dim=16, temporal_dim=1, num_bands=6, patch_size=16, num_classes=2))
    torch.nn.init.constant_(head.narrow[-1].bias, -100)
    maps = [torch.randn(1, 16, 1, 2, 2) for _ in range(4)]
    head(HeadInput(maps, torch.randn(1, 6, 1, 32, 32))).square().sum().backward()
    assert head.details.weight.grad.flatten(1).any(1).all()


def test_a_border_within_a_patch_is_sharp_with_light_and_blurred_with_linear(build):
    image = torch.randn(1, 6, 1, 64, 64) / 10
    image[..., 20:] += 2  # patches end at 16 and 32
    sharpest = {}
    for head in ("linear", "light"):
        with torch.inference_mode():
            logits = build(head).eval()(image)[0]
        slopes = (logits[..., 1:] - logits[..., :-1]).abs() / (logits.amax((1, 2)) - logits.amin((1, 2)))[:, None, None]
        sharpest[head] = slopes.amax((0, 1))  # over classes and rows
    assert sharpest["linear"].max() <= 1 / 15 + 1e-5  # 16 steps from the middle of a patch to the next
    assert sharpest["light"][19] > 0.2


def test_light_distinguishes_pixels_of_one_patch_and_linear_does_not(build):
    image = torch.randn(16, 6, 1, 64, 64)
    changed = image.clone()
    changed[..., 20, 20] += 3
    for head, least, most in (("light", 3, math.inf), ("linear", 1, 1.5)):
        nets = [build(head).eval() for _ in range(4)]  # a single draw of random weights may hardly react
        with torch.inference_mode():
            moved = sum((net(changed) - net(image)).abs().amax(1).mean(0) for net in nets)
        assert least < moved[20, 20] / moved[28, 28] < most
        assert least < moved[20, 20] / moved[20, 28] < most


@pytest.fixture
def untrained():
    """Function that builds a head of a name, in evaluation mode."""
    spec = HeadSpec(embed_dim=32, temporal_dim=1, num_bands=6, patch_size=16, num_classes=3)
    return lambda head: HEADS[head](spec).eval()


def test_pixels_share_their_weights_in_light(untrained):
    head, image = untrained("light"), torch.randn(1, 6, 1, 32, 32)
    torch.nn.init.zeros_(head.narrow[3].weight)  # what is left depends on the pixel and its eight neighbours
    torch.nn.init.normal_(head.details.weight)
    maps = [torch.zeros(1, 32, 1, 2, 2)] * 4
    with torch.inference_mode():
        logits, moved = (head(HeadInput(maps, image.roll((down, 1), (-2, -1)))) for down in (0, 1))
        original = head(HeadInput(maps, image))
    for shifted, down in ((logits, 0), (moved, 1)):
        back = shifted.roll((-down, -1), (-2, -1))
        torch.testing.assert_close(back[..., 2:-2, 2:-2], original[..., 2:-2, 2:-2])
    changed = image.clone()
    changed[..., 20, 21] += 3
    with torch.inference_mode():
        difference = (head(HeadInput(maps, changed)) - original).abs().amax((0, 1))
    reached = torch.zeros(32, 32, dtype=torch.bool)
    reached[19:22, 20:23] = True
    assert ((difference > 1e-6) == reached).all()


def test_initial_maps_of_uniform_images_show_checkerboards_only_in_light_v0(untrained):
    shares = {"light": [], "light_v0": []}
    for head, found in shares.items():
        for _ in range(5):
            maps = [torch.randn(1, 32, 1, 8, 8)] * 4
            with torch.inference_mode():
                logits = untrained(head)(HeadInput(maps, torch.ones(1, 6, 1, 128, 128)))[..., 16:-16, 16:-16]
            right_minus_left = logits[..., 1::2] - logits[..., ::2]
            diagonal = (right_minus_left[..., 1::2, :] - right_minus_left[..., ::2, :]).abs().mean() / 4
            found.append((diagonal / logits.std((-2, -1)).mean()).item())
    assert sum(shares["light"]) / 5 < 0.05
    assert sum(shares["light_v0"]) / 5 > 0.2


def test_initial_weights_of_a_square_are_correlated_in_light_v0_and_have_the_usual_variance():
    conv = build_square_classifier(1000, 50)
    weights = conv.weight.detach().reshape(50, 4, -1)
    assert weights.var().item() == pytest.approx(torch.nn.Conv2d(1000, 200, 1).weight.var().item(), rel=0.02)
    first, others = weights[:, 0].flatten(), weights[:, 1:].transpose(0, 1).flatten(1)
    for other in others:
        assert torch.corrcoef(torch.stack([first, other]))[0, 1].item() == pytest.approx(SQUARE_CORRELATION, abs=0.02)
    biases = conv.bias.detach().reshape(50, 4)
    assert (biases == biases[:, :1]).all()
    assert biases[:, 0].unique().numel() == 50


def test_date_attention_is_a_weighted_mean_by_hand():
    attention = DateAttention(1)
    torch.nn.init.ones_(attention.score.weight)
    tokens = torch.tensor([0, math.log(3)]).reshape(1, 1, 2, 1, 1)
    assert attention(tokens).item() == pytest.approx(0.75 * math.log(3))  # weights 1/4 and 3/4
    torch.nn.init.zeros_(attention.score.weight)
    assert attention(tokens).item() == pytest.approx(0.5 * math.log(3))


def test_date_attention_starts_as_the_mean_and_keeps_tokens_that_are_equal_on_all_dates():
    attention = DateAttention(8)
    tokens = torch.randn(2, 8, 3, 4, 5)
    torch.testing.assert_close(attention(tokens), tokens.mean(2))
    torch.nn.init.normal_(attention.score.weight)
    equal = tokens[:, :, :1].expand(-1, -1, 3, -1, -1)
    torch.testing.assert_close(attention(equal), tokens[:, :, 0])  # the weights sum to 1
    between = attention(tokens)
    assert (between <= tokens.amax(2)).all()
    assert (between >= tokens.amin(2)).all()
    with torch.no_grad():
        others = attention(torch.cat([tokens[..., :1], torch.randn(2, 8, 3, 4, 4)], dim=-1))
    torch.testing.assert_close(others[..., 0], between[..., 0])  # each patch by itself

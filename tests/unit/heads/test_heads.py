"""Every head: logits of any image's size, gradients everywhere; what each promises beyond that."""

import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from instageo.model import build_network
from instageo.model.backbones.variants import VARIANTS, Variant
from instageo.model.heads.base import HeadInput, HeadSpec
from instageo.model.heads.light import ALIKE, DateAttention, _classifier
from instageo.model.networks.segmenter import HEADS


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def build(monkeypatch):
    """Function that builds a network on a narrow encoder."""

    def make(head, *, patch=16, steps=1, depth=4):
        monkeypatch.setitem(VARIANTS, "narrow", Variant(32, depth, 2, patch=patch))
        return build_network("narrow", num_classes=3, temporal_dim=steps, img_size=4 * patch, head=head)

    return make


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("patch", [14, 16])
@pytest.mark.parametrize("steps", [1, 3])
def test_logits_have_the_size_of_any_image(build, head, patch, steps):  # pitfalls 16, 28
    net = build(head, patch=patch, steps=steps).eval()
    sizes = [(224, 224), (48, 80), (33, 50), (14, 14), (7, 16)]
    with torch.inference_mode():
        found = {(height, width): net(torch.zeros(1, 6, steps, height, width)).shape for height, width in sizes}
    assert found == {size: (1, 3, *((1, 1) if net.image_level else size)) for size in sizes}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("steps", [1, 2])
def test_a_batch_of_one_trains_every_part_of_the_head(build, head, steps):
    net = build(head, steps=steps).train()
    logits = net(torch.randn(1, 6, steps, 64, 48))
    (logits * torch.randn_like(logits)).sum().backward()
    parameters = dict(net.segmentation_head.named_parameters())
    assert [key for key, value in parameters.items() if value.grad is None] == []
    assert [key for key, value in parameters.items() if value.ndim > 1 and not value.grad.any()] == []


@pytest.mark.parametrize(
    ("head", "blocks", "sees_pixels"),
    [
        ("upscaling", (11,), False),
        ("upscaling_600m", (11,), False),
        ("linear", (11,), False),
        ("light", (2, 5, 8, 11), True),
        ("unet", (2, 5, 8, 11), True),
        ("upernet", (2, 5, 8, 11), False),
    ],
)
def test_every_head_looks_at_every_date_of_its_blocks(build, head, blocks, sees_pixels):
    net = build(head, steps=3, depth=12).eval()
    for module in net.segmentation_head.modules():
        if isinstance(module, DateAttention):
            torch.nn.init.normal_(module.score.weight)
    image = torch.randn(1, 6, 3, 64, 64, requires_grad=True)
    maps = [level.detach().requires_grad_() for level in net.feature_maps(image)]
    with torch.no_grad():  # the maps are those of the right blocks, normalised
        levels = net.prithvi_encoder.forward_features(image, normalise=True)
    for level, block in zip(maps, blocks, strict=True):
        torch.testing.assert_close(level.flatten(2).transpose(1, 2), levels[block][:, 1:])
    logits = net.segmentation_head(HeadInput(maps, image))
    (logits * torch.randn_like(logits)).sum().backward()
    for level in maps:
        assert level.grad.abs().amax((0, 1, 3, 4)).min() > 1e-6  # of the dates
    assert (image.grad is not None) == sees_pixels
    assert not sees_pixels or image.grad.abs().amax((0, 1, 3, 4)).min() > 1e-6


@pytest.mark.parametrize(("head", "kernels"), [("upscaling", [3, 3, 3, 3]), ("upscaling_600m", [5, 5, 5, 7])])
def test_the_published_heads_have_the_published_keys_and_kernels(head, kernels):
    state = HEADS[head](HeadSpec(embed_dim=32, steps=2, bands=6, patch=14, num_classes=5)).state_dict()
    normed = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    doubling = ["0.weight", "0.bias", "2.weight", "2.bias", *(f"3.{name}" for name in normed)]
    assert list(state) == [*(f"{level}.{key}" for level in range(4) for key in doubling), "5.weight", "5.bias"]
    widths = [64, 32, 16, 8, 4]
    assert [list(state[f"{level}.0.weight"].shape) for level in range(4)] == [
        [wide, narrow, 3, 3] for wide, narrow in pairwise(widths)
    ]
    assert [state[f"{level}.2.weight"].shape[-1] for level in range(4)] == kernels
    assert list(state["5.weight"].shape) == [5, 4, 1, 1]


def test_the_600m_head_makes_224_pixels_of_16_patches_and_fewer_than_it_should_of_others():
    head = HEADS["upscaling_600m"](HeadSpec(embed_dim=32, steps=1, bands=6, patch=14, num_classes=2)).eval()
    for patches, pixels in [(16, 224), (15, 208), (3, 16)]:  # 16 x patches - 32
        logits = head(HeadInput([torch.zeros(1, 32, 1, patches, patches)], torch.zeros(1, 6, 1, 1, 1)))
        assert logits.shape == (1, 2, pixels, pixels)


def computation(model_name, head, steps, depth=-1):
    """Multiplications of the head and of the whole network, for one chip of 224 pixels."""
    with torch.device("meta"):
        net = build_network(model_name, num_classes=2, temporal_dim=steps, depth=depth, head=head).eval()
        image = torch.zeros(1, 6, steps, 224, 224)
    with FlopCounterMode(display=False) as counter:
        net(image)
    of = {name: sum(Counter(found).values()) for name, found in counter.get_flop_counts().items()}
    return of["PrithviSegmenter.segmentation_head"], of["PrithviSegmenter"]


def test_the_computation_of_the_smallest_head_is_counted_right():
    # 196 patches x 3 dates x 256 channels x 2 classes, a multiplication and an addition each
    head, whole = computation("prithvi_eo_tiny", "linear", 3)
    assert head == 196 * 3 * 256 * 2 * 2
    # per token and block: 12 x 256^2 for the projections, 2 x 589 x 256 for attention
    tokens = 1 + 3 * 196
    blocks = 4 * tokens * (12 * 256**2 + 2 * tokens * 256) * 2
    assert whole == head + blocks + 3 * 196 * 6 * 16**2 * 256 * 2


@pytest.mark.parametrize(
    "model_name",
    ["prithvi_eo_tiny", "prithvi_eo_v2_tiny_tl", "prithvi_eo_v1_100", "prithvi_eo_v2_300", "prithvi_eo_v2_600"],
)
def test_the_light_head_costs_at_most_a_tenth_and_hardly_more_for_more_dates(model_name):
    head, whole = computation(model_name, "light", 3)
    assert head <= whole / 10
    one, four = (computation(model_name, "light", steps, depth=1)[0] for steps in (1, 4))
    assert one < four < 1.15 * one


def test_a_border_within_a_patch_is_sharp_in_the_logits_of_light_and_cannot_be_in_those_of_linear(build):
    image = torch.randn(1, 6, 1, 64, 64) / 10
    image[..., 20:] += 2  # patches end at 16 and 32
    sharpest = {}
    for head in ("linear", "light"):
        with torch.inference_mode():
            logits = build(head).eval()(image)[0]
        steps = (logits[..., 1:] - logits[..., :-1]).abs() / (logits.amax((1, 2)) - logits.amin((1, 2)))[:, None, None]
        sharpest[head] = steps.amax((0, 1))  # of classes and rows
    assert sharpest["linear"].max() <= 1 / 15 + 1e-5  # 16 steps from the middle of a patch to the next
    assert sharpest["light"][19] > 0.2


def test_light_tells_pixels_of_one_patch_apart_where_linear_cannot(build):
    image = torch.randn(16, 6, 1, 64, 64)
    changed = image.clone()
    changed[..., 20, 20] += 3
    for head, least, most in (("light", 3, math.inf), ("linear", 1, 1.5)):
        nets = [build(head).eval() for _ in range(4)]  # random weights: one draw of them may hardly see the change
        with torch.inference_mode():
            moved = sum((net(changed) - net(image)).abs().amax(1).mean(0) for net in nets)
        assert least < moved[20, 20] / moved[28, 28] < most
        assert least < moved[20, 20] / moved[20, 28] < most


def test_pixels_of_a_square_begin_alike_in_light_and_with_the_variance_of_others():
    conv = _classifier(1000, 50)
    weights = conv.weight.detach().reshape(50, 4, -1)
    assert weights.var().item() == pytest.approx(torch.nn.Conv2d(1000, 200, 1).weight.var().item(), rel=0.02)
    first, others = weights[:, 0].flatten(), weights[:, 1:].transpose(0, 1).flatten(1)
    for other in others:
        assert torch.corrcoef(torch.stack([first, other]))[0, 1].item() == pytest.approx(ALIKE, abs=0.02)
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


def test_date_attention_starts_as_the_mean_and_keeps_what_is_equal_on_all_dates():
    attention = DateAttention(8)
    tokens = torch.randn(2, 8, 3, 4, 5)
    torch.testing.assert_close(attention(tokens), tokens.mean(2))
    torch.nn.init.normal_(attention.score.weight)
    alike = tokens[:, :, :1].expand(-1, -1, 3, -1, -1)
    torch.testing.assert_close(attention(alike), tokens[:, :, 0])  # the weights sum to 1
    between = attention(tokens)
    assert (between <= tokens.amax(2)).all()
    assert (between >= tokens.amin(2)).all()
    with torch.no_grad():
        others = attention(torch.cat([tokens[..., :1], torch.randn(2, 8, 3, 4, 4)], dim=-1))
    torch.testing.assert_close(others[..., 0], between[..., 0])  # each patch for itself

"""Dates and location in the encoder, intermediate features, and what differs between training and evaluation."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from instageo.errors import ConfigError
from instageo.model import build_encoder, build_network
from instageo.model.backbones.prithvi import Block, PrithviEncoder, attend
from instageo.model.backbones.variants import Variant
from instageo.model.heads.factory import HEADS
from tests.reference_encoder import two_numbers

SMALL = Variant(32, 4, 2, patch_size=4, coordinates=True)
NAN = float("nan")
DATES = torch.tensor([[[2020.0, 60.0], [2021.0, 366.0]], [[2018.0, 1.0], [2018.0, 200.0]]])
LOCATIONS = torch.tensor([[12.5, -3.25], [-41.0, 146.5]])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def small(**changes):
    return PrithviEncoder(SMALL, **{"channels": 2, "temporal_dim": 2, "img_size": 8, "depth": 4} | changes).eval()


def chips(count=2):
    return torch.randn(count, 2, 2, 8, 8)


def input_tokens(encoder, *inputs):
    """The tokens that enter the first block."""
    tokens = []
    handle = encoder.blocks[0].register_forward_pre_hook(lambda _, arguments: tokens.append(arguments[0]))
    encoder(*inputs)
    handle.remove()
    return tokens[0].detach()


def test_dates_and_location_are_added_to_their_patches_but_not_to_the_class_token():  # pitfall 26
    encoder, images = small(), chips()
    with torch.no_grad():
        encoder.temporal_embed_enc.scale.fill_(0.25)
        encoder.location_embed_enc.scale.fill_(2)
    bare = input_tokens(encoder, images)
    time = (input_tokens(encoder, images, DATES, None) - bare).reshape(2, 9, 32)
    location = (input_tokens(encoder, images, None, LOCATIONS) - bare).reshape(2, 9, 32)
    assert not time[:, 0].any()
    assert not location[:, 0].any()
    for sample in range(2):
        for date in range(2):  # four patches of each date
            expected = np.tile(0.25 * two_numbers(32, DATES[sample, date].tolist()), (4, 1))
            np.testing.assert_allclose(time[sample, 1 + 4 * date : 5 + 4 * date], expected, atol=1e-6)
        expected = np.tile(2 * two_numbers(32, LOCATIONS[sample].tolist()), (8, 1))
        np.testing.assert_allclose(location[sample, 1:], expected, atol=1e-6)
    both = input_tokens(encoder, images, DATES, LOCATIONS) - bare
    torch.testing.assert_close(both, time + location, atol=1e-6, rtol=0)


def test_nan_coordinates_equal_no_coordinates():
    encoder, images = small(), chips()
    nothing = encoder(images)
    assert torch.equal(encoder(images, torch.full_like(DATES, NAN), torch.full_like(LOCATIONS, NAN)), nothing)
    assert not torch.allclose(encoder(images, DATES, None), nothing)
    assert not torch.allclose(encoder(images, None, LOCATIONS), nothing)


@pytest.mark.parametrize("missing", [(0, 0), (0, 1), (1, 1)])
def test_partly_missing_dates_are_ignored_for_that_sample_only(missing):
    encoder, images, dates = small(), chips(), DATES.clone()
    dates[0][missing] = NAN
    partly, never, always = (encoder(images, coords) for coords in (dates, None, DATES))
    torch.testing.assert_close(partly[0], never[0])
    torch.testing.assert_close(partly[1], always[1])


def test_a_location_without_longitude_is_ignored_for_that_sample_only():
    encoder, images, locations = small(), chips(), LOCATIONS.clone()
    locations[1, 1] = NAN
    partly = encoder(images, DATES, locations)
    torch.testing.assert_close(partly[0], encoder(images, DATES, LOCATIONS)[0])
    torch.testing.assert_close(partly[1], encoder(images, DATES, None)[1])


def test_an_encoder_without_coordinates_ignores_them():
    encoder = PrithviEncoder(replace(SMALL, coordinates=False), channels=2, temporal_dim=2, img_size=8, depth=1)
    images = chips()
    assert torch.equal(encoder(images, DATES, LOCATIONS), encoder(images))


@pytest.mark.parametrize("head", HEADS)
def test_dates_and_location_change_the_logits_of_every_head(head):  # pitfall 26
    net = build_network("prithvi_eo_v2_tiny_tl", num_classes=2, temporal_dim=2, img_size=48, depth=1, head=head).eval()
    image = torch.randn(2, 6, 2, 48, 48)
    with torch.inference_mode():
        nothing, time, location = (net(image, *coords) for coords in ((), (DATES,), (None, LOCATIONS)))
    for logits in (time, location):
        assert (logits - nothing).abs().amax((1, 2, 3)).min() > 1e-5


def test_both_scales_have_a_gradient():
    encoder = small().train()
    encoder(chips(), DATES, LOCATIONS).pow(3).sum().backward()
    assert encoder.temporal_embed_enc.scale.grad.abs() > 1e-4
    assert encoder.location_embed_enc.scale.grad.abs() > 1e-4


def test_scales_have_a_zero_gradient_without_any_coordinates():
    """Distributed training waits for the gradient of every parameter."""
    encoder = small().train()
    encoder(chips(), torch.full_like(DATES, NAN), torch.full_like(LOCATIONS, NAN)).pow(3).sum().backward()
    assert encoder.temporal_embed_enc.scale.grad.tolist() == [0]
    assert encoder.location_embed_enc.scale.grad.tolist() == [0]
    assert all(torch.isfinite(parameter.grad).all() for parameter in encoder.parameters())


def hidden(encoder, count):
    """For each of `count` samples, whether its dates and whether its location is hidden from the embeddings."""
    masks = []
    for part in (encoder.temporal_embed_enc, encoder.location_embed_enc):
        part.register_forward_pre_hook(lambda _, arguments: masks.append(arguments[0].isnan().flatten(1)))
    encoder(chips(count), DATES[:1].expand(count, -1, -1), LOCATIONS[:1].expand(count, -1))
    time, location = masks
    assert torch.equal(time.any(1), time.all(1))  # all dates of a sample together
    assert torch.equal(location.any(1), location.all(1))
    return time.all(1), location.all(1)


def test_dates_and_location_are_hidden_independently_in_the_right_share_of_training_samples():
    encoder = small(depth=1).train()
    encoder.coords_dropout = 0.3
    time, location = hidden(encoder, 4000)
    assert time.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert location.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert (time & location).float().mean().item() == pytest.approx(0.09, abs=0.02)


@pytest.mark.parametrize(("training", "share"), [(False, 0.9), (True, 0.0)])
def test_nothing_is_hidden_in_evaluation_or_with_a_share_of_zero(training, share):  # pitfall 1
    encoder = small(depth=1).train(training)
    encoder.coords_dropout = share
    time, location = hidden(encoder, 100)
    assert not time.any()
    assert not location.any()


def simple_block(probability):
    """A block whose attention adds 3 to every number and whose second half adds 30."""
    block = Block(32, 2)
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(block.attn.proj.bias, 3)
    torch.nn.init.constant_(block.mlp.fc2.bias, 30)
    block.set_drop_path(probability)
    return block


def test_drop_path_of_a_block_by_hand():
    changes = simple_block(0.25).train()(torch.zeros(4000, 2, 32)).detach()
    assert (changes == changes[:, :1, :1]).all()  # whole samples
    values, counts = changes[:, 0, 0].round().unique(return_counts=True)
    assert values.tolist() == [0, 4, 40, 44]  # 3 / 0.75 and 30 / 0.75, each half by itself
    shares = [1 / 16, 3 / 16, 3 / 16, 9 / 16]
    np.testing.assert_allclose(counts / 4000, shares, atol=0.03)
    assert changes.mean().item() == pytest.approx(33, rel=0.03)  # as without drop path


def test_no_block_is_skipped_in_evaluation():  # pitfall 1
    assert (simple_block(0.9).eval()(torch.zeros(50, 2, 32)) == 33).all()
    encoder, images = small(), chips()
    before = encoder(images)
    encoder.set_drop_path(0.9)
    assert torch.equal(encoder(images), before)


def test_the_probability_of_skipping_rises_linearly_with_the_block():
    encoder, shares = small().train(), []
    for index in range(4):
        encoder.blocks[index] = simple_block(0)
        encoder.blocks[index].register_forward_hook(
            lambda _, inputs, output: shares.append(((output - inputs[0])[:, 0, 0] < 15).float().mean().item())
        )
    encoder.set_drop_path(0.6)
    encoder(chips(4000))
    assert shares == pytest.approx([0, 0.2, 0.4, 0.6], abs=0.03)
    assert shares[0] == 0


def test_a_single_block_is_never_skipped():
    encoder = small(depth=1)
    encoder.set_drop_path(0.9)
    images = chips()
    assert torch.equal(encoder.train()(images), encoder.eval()(images))


def train_once(encoder, images, checkpointing):
    """Loss, gradients, and how often blocks were computed."""
    runs = []
    handles = [block.register_forward_pre_hook(lambda *_: runs.append(1)) for block in encoder.blocks]
    encoder.zero_grad()
    encoder.gradient_checkpointing = checkpointing
    torch.manual_seed(1)  # the same hidden coordinates and skipped blocks
    loss = encoder(images, DATES, LOCATIONS).pow(3).sum()
    loss.backward()
    for handle in handles:
        handle.remove()
    return loss.detach(), [parameter.grad.clone() for parameter in encoder.parameters()], len(runs)


def test_attention_is_trained_in_float32_on_cpus():  # its gradient is up to thirty times slower in bfloat16
    query, key, value = (torch.randn(2, 3, 5, 4, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    weights = (query.float() @ key.float().mT / 2).softmax(-1)  # 2 is the square root of the four channels
    with torch.autocast("cpu", torch.bfloat16):
        mixed = attend(query, key, value)
    assert type(mixed.grad_fn).__name__ == "ToCopyBackward0"  # rounded after the kernel
    torch.testing.assert_close(mixed, (weights @ value.float()).bfloat16())


def test_an_encoder_of_bfloat16_weights_is_trained_on_cpus():
    encoder = small().train().to(torch.bfloat16)
    encoder(chips().bfloat16()).float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


def test_gradient_checkpointing_changes_neither_loss_nor_gradients():
    encoder, images = small().train(), chips()
    encoder.coords_dropout = 0.5
    encoder.set_drop_path(0.5)
    loss, gradients, runs = train_once(encoder, images, False)
    checkpointed_loss, checkpointed_gradients, checkpointed_runs = train_once(encoder, images, True)
    assert (runs, checkpointed_runs) == (4, 8)  # each block again in the backward pass
    torch.testing.assert_close(checkpointed_loss, loss)
    torch.testing.assert_close(checkpointed_gradients, gradients)


def test_all_blocks_are_normalized_on_request():
    encoder = build_encoder("prithvi_eo_tiny", temporal_dim=1, img_size=32)
    features = encoder.forward_features(torch.randn(1, 6, 1, 32, 32), norm=True)
    assert len(features) == 4
    for feature in features:
        torch.testing.assert_close(feature.mean(-1), torch.zeros(1, 5), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("indices", "blocks"),
    [(None, [0, 1, 2, 3]), (2, [2, 3]), (4, [0, 1, 2, 3]), ([2, 0, -1], [2, 0, 3]), ((1, 1), [1, 1])],
)
@pytest.mark.parametrize("norm", [False, True])
def test_intermediates_are_the_patch_tokens_of_the_requested_blocks(indices, blocks, norm):
    encoder, images = small(), chips()
    with torch.no_grad():
        *raw, last = encoder.forward_features(images, DATES, LOCATIONS, norm=norm)
        inputs = {"temporal_coords": DATES, "location_coords": LOCATIONS, "norm": norm}
        tokens = encoder.forward_intermediates(images, indices, output_fmt="NLC", **inputs)
        output, maps = encoder.forward_intermediates(images, indices, intermediates_only=False, **inputs)
        assert torch.equal(output, encoder(images, DATES, LOCATIONS))
    assert len(tokens) == len(maps) == len(blocks)
    for index, token, feature_map in zip(blocks, tokens, maps, strict=True):
        assert token.shape == (2, 8, 32)
        assert feature_map.shape == (2, 64, 2, 2)
        assert index == 3 or torch.equal(token, raw[index][:, 1:])
        if index == 3 and norm:
            assert torch.equal(token, last[:, 1:])
        for date in range(2):  # dates one after the other, rows from top to bottom
            expected = token[:, 4 * date : 4 * date + 4].transpose(1, 2).reshape(2, 32, 2, 2)
            assert torch.equal(feature_map[:, 32 * date : 32 * date + 32], expected)


def test_intermediates_of_the_last_block_are_raw_without_norm():
    encoder, images = small(), chips()
    with torch.no_grad():
        [tokens] = encoder.forward_intermediates(images, 1, output_fmt="NLC")
        assert torch.equal(encoder.norm(tokens), encoder(images)[:, 1:])


@pytest.mark.parametrize("count", [1, 3])
def test_out_channels_are_those_of_the_maps(count):
    encoder = small(temporal_dim=count)
    maps = encoder.forward_intermediates(torch.zeros(1, 2, count, 8, 12))
    assert [level.shape for level in maps] == [(1, channels, 2, 3) for channels in encoder.out_channels]
    assert encoder.out_channels == [32 * count] * 4


@pytest.mark.parametrize("indices", [[4], [-5], 5, 0, [0, 7]])
def test_intermediates_of_blocks_that_do_not_exist_are_refused(indices):
    with pytest.raises(ConfigError, match=r"does not fit an encoder of 4 blocks; expected indices from -4 to 3, or"):
        small().forward_intermediates(chips(), indices)


def test_an_unknown_output_format_is_refused():
    with pytest.raises(ConfigError, match="output_fmt=NHWC is unknown; choose NCHW or NLC"):
        small().forward_intermediates(chips(), output_fmt="NHWC")

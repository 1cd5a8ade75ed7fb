"""Time and place in the encoder, and what it does in training only."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from instageo.model import build_network
from instageo.model.backbones.prithvi import Block, PrithviEncoder
from instageo.model.backbones.variants import Variant
from instageo.model.networks.segmenter import HEADS
from tests.reference_encoder import two_numbers

SMALL = Variant(32, 4, 2, patch=4, coordinates=True)
NAN = float("nan")
DATES = torch.tensor([[[2020.0, 60.0], [2021.0, 366.0]], [[2018.0, 1.0], [2018.0, 200.0]]])
PLACES = torch.tensor([[12.5, -3.25], [-41.0, 146.5]])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def small(**changes):
    return PrithviEncoder(SMALL, **{"channels": 2, "temporal_dim": 2, "img_size": 8, "depth": 4} | changes).eval()


def chips(count=2):
    return torch.randn(count, 2, 2, 8, 8)


def entering(encoder, *inputs):
    """Tokens as the first block gets them."""
    seen = []
    handle = encoder.blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    encoder(*inputs)
    handle.remove()
    return seen[0].detach()


def test_time_and_place_are_added_to_their_patches_and_not_to_the_class_token():  # pitfall 26
    encoder, images = small(), chips()
    with torch.no_grad():
        encoder.temporal_embed_enc.scale.fill_(0.25)
        encoder.location_embed_enc.scale.fill_(2)
    bare = entering(encoder, images)
    time = (entering(encoder, images, DATES, None) - bare).reshape(2, 9, 32)
    place = (entering(encoder, images, None, PLACES) - bare).reshape(2, 9, 32)
    assert not time[:, 0].any()
    assert not place[:, 0].any()
    for sample in range(2):
        for step in range(2):  # four patches of each date
            expected = np.tile(0.25 * two_numbers(32, DATES[sample, step].tolist()), (4, 1))
            np.testing.assert_allclose(time[sample, 1 + 4 * step : 5 + 4 * step], expected, atol=1e-6)
        expected = np.tile(2 * two_numbers(32, PLACES[sample].tolist()), (8, 1))
        np.testing.assert_allclose(place[sample, 1:], expected, atol=1e-6)
    both = entering(encoder, images, DATES, PLACES) - bare
    torch.testing.assert_close(both, time + place, atol=1e-6, rtol=0)


def test_unknown_time_and_place_are_as_none_given():
    encoder, images = small(), chips()
    nothing = encoder(images)
    assert torch.equal(encoder(images, torch.full_like(DATES, NAN), torch.full_like(PLACES, NAN)), nothing)
    assert not torch.allclose(encoder(images, DATES, None), nothing)
    assert not torch.allclose(encoder(images, None, PLACES), nothing)


@pytest.mark.parametrize("missing", [(0, 0), (0, 1), (1, 1)])
def test_dates_that_are_partly_missing_are_missing_for_that_sample_alone(missing):
    encoder, images, dates = small(), chips(), DATES.clone()
    dates[0][missing] = NAN
    partly, never, always = (encoder(images, given) for given in (dates, None, DATES))
    torch.testing.assert_close(partly[0], never[0])
    torch.testing.assert_close(partly[1], always[1])


def test_a_place_without_longitude_is_none_and_leaves_time_and_the_other_sample_alone():
    encoder, images, places = small(), chips(), PLACES.clone()
    places[1, 1] = NAN
    partly = encoder(images, DATES, places)
    torch.testing.assert_close(partly[0], encoder(images, DATES, PLACES)[0])
    torch.testing.assert_close(partly[1], encoder(images, DATES, None)[1])


def test_an_encoder_without_coordinates_ignores_them():
    encoder = PrithviEncoder(replace(SMALL, coordinates=False), channels=2, temporal_dim=2, img_size=8, depth=1)
    images = chips()
    assert torch.equal(encoder(images, DATES, PLACES), encoder(images))


@pytest.mark.parametrize("head", HEADS)
def test_time_and_place_reach_the_logits_of_every_head(head):  # pitfall 26
    net = build_network("prithvi_eo_v2_tiny_tl", num_classes=2, temporal_dim=2, img_size=48, depth=1, head=head).eval()
    image = torch.randn(2, 6, 2, 48, 48)
    with torch.inference_mode():
        nothing, time, place = (net(image, *known) for known in ((), (DATES,), (None, PLACES)))
    for known in (time, place):
        assert (known - nothing).abs().amax((1, 2, 3)).min() > 1e-5


def test_both_scales_learn():
    encoder = small().train()
    encoder(chips(), DATES, PLACES).pow(3).sum().backward()
    assert encoder.temporal_embed_enc.scale.grad.abs() > 1e-4
    assert encoder.location_embed_enc.scale.grad.abs() > 1e-4


def test_scales_have_a_gradient_of_zero_where_nothing_is_known():
    """Processes that train together wait for the gradient of every parameter."""
    encoder = small().train()
    encoder(chips(), torch.full_like(DATES, NAN), torch.full_like(PLACES, NAN)).pow(3).sum().backward()
    assert encoder.temporal_embed_enc.scale.grad.tolist() == [0]
    assert encoder.location_embed_enc.scale.grad.tolist() == [0]
    assert all(torch.isfinite(parameter.grad).all() for parameter in encoder.parameters())


def hidden(encoder, count):
    """Of each of so many samples, whether its time and whether its place is kept from the embeddings."""
    seen = []
    for part in (encoder.temporal_embed_enc, encoder.location_embed_enc):
        part.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].isnan().flatten(1)))
    encoder(chips(count), DATES[:1].expand(count, -1, -1), PLACES[:1].expand(count, -1))
    time, place = seen
    assert torch.equal(time.any(1), time.all(1))  # all dates of a sample together
    assert torch.equal(place.any(1), place.all(1))
    return time.all(1), place.all(1)


def test_time_and_place_are_hidden_apart_in_the_right_share_of_training_samples():
    encoder = small(depth=1).train()
    encoder.coords_dropout = 0.3
    time, place = hidden(encoder, 4000)
    assert time.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert place.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert (time & place).float().mean().item() == pytest.approx(0.09, abs=0.02)


@pytest.mark.parametrize(("training", "share"), [(False, 0.9), (True, 0.0)])
def test_nothing_is_hidden_in_evaluation_or_with_a_share_of_zero(training, share):  # pitfall 1
    encoder = small(depth=1).train(training)
    encoder.coords_dropout = share
    time, place = hidden(encoder, 100)
    assert not time.any()
    assert not place.any()


def simple_block(probability):
    """A block whose attention adds 3 to every number and whose second half adds 30."""
    block = Block(32, 2)
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(block.attn.proj.bias, 3)
    torch.nn.init.constant_(block.mlp.fc2.bias, 30)
    block.set_drop_path(probability)
    return block


def test_a_block_left_out_by_hand():
    changes = simple_block(0.25).train()(torch.zeros(4000, 2, 32)).detach()
    assert (changes == changes[:, :1, :1]).all()  # whole samples
    values, counts = changes[:, 0, 0].round().unique(return_counts=True)
    assert values.tolist() == [0, 4, 40, 44]  # 3 / 0.75 and 30 / 0.75, each half by itself
    shares = [1 / 16, 3 / 16, 3 / 16, 9 / 16]
    np.testing.assert_allclose(counts / 4000, shares, atol=0.03)
    assert changes.mean().item() == pytest.approx(33, rel=0.03)  # as without leaving out


def test_no_block_is_left_out_in_evaluation():  # pitfall 1
    assert (simple_block(0.9).eval()(torch.zeros(50, 2, 32)) == 33).all()
    encoder, images = small(), chips()
    before = encoder(images)
    encoder.set_drop_path(0.9)
    assert torch.equal(encoder(images), before)


def test_later_blocks_are_left_out_more_often_by_equal_steps():
    encoder, shares = small().train(), []
    for number in range(4):
        encoder.blocks[number] = simple_block(0)
        encoder.blocks[number].register_forward_hook(
            lambda _, given, found: shares.append(((found - given[0])[:, 0, 0] < 15).float().mean().item())
        )
    encoder.set_drop_path(0.6)
    encoder(chips(4000))
    assert shares == pytest.approx([0, 0.2, 0.4, 0.6], abs=0.03)
    assert shares[0] == 0


def test_a_single_block_is_never_left_out():
    encoder = small(depth=1)
    encoder.set_drop_path(0.9)
    images = chips()
    assert torch.equal(encoder.train()(images), encoder.eval()(images))


def trained_once(encoder, images, saving):
    """Loss, gradients, and how often the blocks were computed."""
    runs = []
    handles = [block.register_forward_pre_hook(lambda *_: runs.append(1)) for block in encoder.blocks]
    encoder.zero_grad()
    encoder.gradient_checkpointing = saving
    torch.manual_seed(1)  # of hidden coordinates and left-out blocks
    loss = encoder(images, DATES, PLACES).pow(3).sum()
    loss.backward()
    for handle in handles:
        handle.remove()
    return loss.detach(), [parameter.grad.clone() for parameter in encoder.parameters()], len(runs)


def test_saving_memory_changes_neither_loss_nor_gradients():
    encoder, images = small().train(), chips()
    encoder.coords_dropout = 0.5
    encoder.set_drop_path(0.5)
    loss, gradients, runs = trained_once(encoder, images, False)
    saving_loss, saving_gradients, saving_runs = trained_once(encoder, images, True)
    assert (runs, saving_runs) == (4, 8)  # each block once more on the way back
    torch.testing.assert_close(saving_loss, loss)
    torch.testing.assert_close(saving_gradients, gradients)

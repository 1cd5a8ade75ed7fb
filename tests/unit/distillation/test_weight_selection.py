"""Networks that start from a larger one: exact parts of its tensors, by hand."""

import pytest
import torch

from instageo.errors import ConfigError
from instageo.model import build_network
from instageo.model.distillation.weight_selection import even_blocks, even_indices, init_from_teacher, select_layers
from instageo.model.networks.segmenter import HEADS
from instageo.sensors import PRITHVI_BANDS

BANDS = (PRITHVI_BANDS, PRITHVI_BANDS)


def network(seed=0, model_name="prithvi_eo_tiny", **options):
    """A network with random weights, biases and norms too, so that no two values are alike."""
    torch.manual_seed(seed)
    net = build_network(model_name, **{"num_classes": 3, "img_size": 32, "depth": 4} | options)
    for key, value in net.state_dict().items():
        if value.is_floating_point() and not key.endswith("pos_embed"):
            value.uniform_(0.5, 1.5) if key.endswith("running_var") else value.normal_()
    return net.eval()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("steps", [1, 2])
def test_equal_sizes_give_exactly_the_teacher(head, steps):
    donor, heir = (network(seed, embed_dim=32, head=head, temporal_dim=steps) for seed in (0, 1))
    init_from_teacher(heir, donor, bands=BANDS, with_head=True)
    theirs = donor.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in heir.state_dict().items())
    image = torch.randn(1, 6, steps, 64, 64)
    assert torch.equal(heir(image), donor(image))


def test_places_by_hand():
    assert even_indices(2, 4).tolist() == [0, 2]
    assert even_indices(4, 4).tolist() == [0, 1, 2, 3]
    assert even_indices(3, 8).tolist() == [0, 2, 5]
    assert even_blocks(6, 12) == [0, 2, 4, 7, 9, 11]  # those of DistilBERT
    assert even_blocks(4, 12) == [0, 4, 7, 11]
    assert even_blocks(3, 3) == [0, 1, 2]
    assert even_blocks(1, 12) == [0]


def test_a_narrow_network_has_parts_of_the_teachers_tensors_by_hand():
    """128 of 256 channels: every other channel, heads 0 and 2 of 4 with all of their 64 channels."""
    donor, heir = network(), network(1, embed_dim=128, depth=2)
    init_from_teacher(heir, donor, [1, 3], bands=BANDS, with_head=False)
    theirs, mine = (net.prithvi_encoder.state_dict() for net in (donor, heir))
    heads = torch.cat([torch.arange(64), torch.arange(128, 192)])
    rows = torch.cat([heads, 256 + heads, 512 + heads])  # of query, key and value
    expected = {
        "cls_token": theirs["cls_token"][..., ::2],
        "patch_embed.proj.weight": theirs["patch_embed.proj.weight"][::2],
        "patch_embed.proj.bias": theirs["patch_embed.proj.bias"][::2],
        "norm.weight": theirs["norm.weight"][::2],
        "norm.bias": theirs["norm.bias"][::2],
    }
    for block, source in ((0, 1), (1, 3)):
        a, b = f"blocks.{block}.", f"blocks.{source}."
        for norm in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "attn.proj.bias", "mlp.fc2.bias"):
            expected[a + norm] = theirs[b + norm][::2]
        expected[a + "attn.qkv.weight"] = theirs[b + "attn.qkv.weight"][rows][:, ::2]
        expected[a + "attn.qkv.bias"] = theirs[b + "attn.qkv.bias"][rows]
        expected[a + "attn.proj.weight"] = theirs[b + "attn.proj.weight"][::2][:, heads]
        expected[a + "mlp.fc1.weight"] = theirs[b + "mlp.fc1.weight"][::2, ::2]
        expected[a + "mlp.fc1.bias"] = theirs[b + "mlp.fc1.bias"][::2]
        expected[a + "mlp.fc2.weight"] = theirs[b + "mlp.fc2.weight"][::2, ::2]
    assert expected.keys() | {"pos_embed"} == mine.keys()
    assert [key for key, value in expected.items() if not torch.equal(mine[key], value)] == []


@pytest.mark.parametrize(("wide", "narrow"), [(256, 128), (256, 64), (192, 96)])
def test_channels_keep_what_the_position_embedding_makes_of_them(wide, narrow):
    donor, heir = (network(embed_dim=width, temporal_dim=2) for width in (wide, narrow))
    theirs = donor.prithvi_encoder.pos_embed[..., even_indices(narrow, wide)]
    torch.testing.assert_close(heir.prithvi_encoder.pos_embed, theirs)


def test_channels_beyond_heads_by_hand():
    """96 channels are 2 heads of 48: heads 0 and 2, of each 64 channels 0, 1, 2, 4, … (all but every fourth)."""
    donor, heir = network(), network(1, embed_dim=96)
    init_from_teacher(heir, donor, bands=BANDS, with_head=False)
    within = torch.tensor([place for place in range(64) if place % 4 != 3])
    rows = torch.cat([within, 128 + within])
    bias = donor.prithvi_encoder.blocks[0].attn.qkv.bias
    assert torch.equal(heir.prithvi_encoder.blocks[0].attn.qkv.bias[:96], bias[rows])


@pytest.mark.parametrize("steps", [1, 3])
def test_a_head_of_wider_tokens_is_cut_where_it_reads_them(steps):
    options = {"temporal_dim": steps, "width": 64}
    donor, heir = network(head="linear", **options), network(1, head="linear", **options | {"width": 32})
    init_from_teacher(heir, donor, bands=BANDS, with_head=True)
    theirs = donor.segmentation_head.classify.weight.reshape(3, 64, steps)  # channel k of date t is at k * T + t
    assert torch.equal(heir.segmentation_head.classify.weight.reshape(3, 32, steps), theirs[:, ::2])
    donor, heir = network(head="light", **options), network(1, head="light", **options | {"width": 32})
    init_from_teacher(heir, donor, bands=BANDS, with_head=True)
    theirs = donor.segmentation_head.deepen.narrow[0].weight.reshape(64, 4, 64)  # level after level
    assert torch.equal(heir.segmentation_head.deepen.narrow[0].weight.reshape(64, 4, 32), theirs[..., ::2])
    assert torch.equal(heir.segmentation_head.keep.weight, donor.segmentation_head.keep.weight)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("steps", [1, 3])
def test_every_head_can_be_cut(head, steps):
    donor, heir = (network(head=head, embed_dim=width, temporal_dim=steps) for width in (64, 48))
    init_from_teacher(heir, donor, bands=BANDS, with_head=True)
    theirs = donor.segmentation_head.state_dict()
    assert all(torch.isin(value, theirs[key]).all() for key, value in heir.segmentation_head.state_dict().items())


def test_bands_are_matched_by_name():
    donor, heir = network(), network(1, bands=("RED", "SWIR_1"))
    init_from_teacher(heir, donor, bands=(("RED", "SWIR_1"), PRITHVI_BANDS), with_head=False)
    mine, theirs = (net.prithvi_encoder.patch_embed.proj.weight for net in (heir, donor))
    assert torch.equal(mine, theirs[:, [2, 4]])


def test_scales_of_time_and_place_are_taken_where_both_have_them():
    donor = network(model_name="prithvi_eo_v2_tiny_tl")
    heir = network(1, model_name="prithvi_eo_v2_tiny_tl", embed_dim=64, depth=1)
    init_from_teacher(heir, donor, bands=BANDS, with_head=False)
    assert torch.equal(heir.prithvi_encoder.temporal_embed_enc.scale, donor.prithvi_encoder.temporal_embed_enc.scale)
    plain = network(2, embed_dim=64)
    init_from_teacher(plain, donor, bands=BANDS, with_head=False)
    assert plain.prithvi_encoder.temporal_embed_enc is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 320}, "width 320 in the student, 256 in the teacher; expected no more"),
        ({"model_name": "prithvi_eo_v2_600", "width": 160}, "patch 14 in the student, 16 in the teacher; expected the"),
        ({"depth": 5}, "the student has 5 blocks, the teacher 4; lower model.depth, or name"),
    ],
)
def test_a_teacher_that_has_not_what_it_takes_is_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        init_from_teacher(network(**options), network(), bands=BANDS, with_head=False)


def test_smaller_heads_do_not_make_wider_ones():
    with pytest.raises(ConfigError, match="channels per head 64 in the student, 52 in the teacher; expected no more"):
        init_from_teacher(network(embed_dim=192), network(embed_dim=208), bands=BANDS, with_head=False)


@pytest.mark.parametrize("told", [[0, 1, 2], [0, 1, 2, 4], [-1, 0, 1, 2]])
def test_blocks_that_the_teacher_does_not_have_are_refused(told):
    encoders = network().prithvi_encoder, network().prithvi_encoder
    with pytest.raises(ConfigError, match=r"expected 4 of the teacher's blocks 0\.\.3, one for each"):
        select_layers(*encoders, told)


def test_blocks_may_be_chosen_twice():
    encoders = network(depth=3).prithvi_encoder, network(depth=2).prithvi_encoder
    assert select_layers(*encoders, [0, 0, 1]) == [0, 0, 1]

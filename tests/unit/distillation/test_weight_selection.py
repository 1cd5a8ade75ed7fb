"""Initialisation from a larger network: exact parts of its tensors, by hand."""

import pytest
import torch

from instageo.errors import ConfigError
from instageo.model import build_network
from instageo.model.distillation.weight_selection import even_blocks, even_indices, init_from_teacher, select_layers
from instageo.model.heads.factory import HEADS
from instageo.sensors import PRITHVI_BANDS

BANDS = (PRITHVI_BANDS, PRITHVI_BANDS)


def network(seed=0, model_name="prithvi_eo_tiny", **options):
    """Build a network whose weights, biases and norms are all random, so that no two values are the same."""
    torch.manual_seed(seed)
    net = build_network(model_name, **{"num_classes": 3, "img_size": 32, "depth": 4} | options)
    for key, value in net.state_dict().items():
        if value.is_floating_point() and not key.endswith("pos_embed"):
            value.uniform_(0.5, 1.5) if key.endswith("running_var") else value.normal_()
    return net.eval()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("num_dates", [1, 2])
def test_equal_sizes_give_exactly_the_teacher(head, num_dates):
    teacher, student = (network(seed, embed_dim=32, head=head, temporal_dim=num_dates) for seed in (0, 1))
    init_from_teacher(student, teacher, bands=BANDS, with_head=True)
    weights = teacher.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in student.state_dict().items())
    image = torch.randn(1, 6, num_dates, 64, 64)
    assert torch.equal(student(image), teacher(image))


def test_indices_by_hand():
    assert even_indices(2, 4).tolist() == [0, 2]
    assert even_indices(4, 4).tolist() == [0, 1, 2, 3]
    assert even_indices(3, 8).tolist() == [0, 2, 5]
    assert even_blocks(6, 12) == [0, 2, 4, 7, 9, 11]  # those of DistilBERT
    assert even_blocks(4, 12) == [0, 4, 7, 11]
    assert even_blocks(3, 3) == [0, 1, 2]
    assert even_blocks(1, 12) == [0]


def test_a_narrow_network_takes_parts_of_the_teachers_tensors():
    """128 of 256 channels: every other channel, heads 0 and 2 of 4 with all of their 64 channels."""
    teacher, student = network(), network(1, embed_dim=128, depth=2)
    init_from_teacher(student, teacher, [1, 3], bands=BANDS, with_head=False)
    weights, selected = (net.prithvi_encoder.state_dict() for net in (teacher, student))
    heads = torch.cat([torch.arange(64), torch.arange(128, 192)])
    rows = torch.cat([heads, 256 + heads, 512 + heads])  # of query, key and value
    expected = {
        "cls_token": weights["cls_token"][..., ::2],
        "patch_embed.proj.weight": weights["patch_embed.proj.weight"][::2],
        "patch_embed.proj.bias": weights["patch_embed.proj.bias"][::2],
        "norm.weight": weights["norm.weight"][::2],
        "norm.bias": weights["norm.bias"][::2],
    }
    for block, source in ((0, 1), (1, 3)):
        a, b = f"blocks.{block}.", f"blocks.{source}."
        for norm in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "attn.proj.bias", "mlp.fc2.bias"):
            expected[a + norm] = weights[b + norm][::2]
        expected[a + "attn.qkv.weight"] = weights[b + "attn.qkv.weight"][rows][:, ::2]
        expected[a + "attn.qkv.bias"] = weights[b + "attn.qkv.bias"][rows]
        expected[a + "attn.proj.weight"] = weights[b + "attn.proj.weight"][::2][:, heads]
        expected[a + "mlp.fc1.weight"] = weights[b + "mlp.fc1.weight"][::2, ::2]
        expected[a + "mlp.fc1.bias"] = weights[b + "mlp.fc1.bias"][::2]
        expected[a + "mlp.fc2.weight"] = weights[b + "mlp.fc2.weight"][::2, ::2]
    assert expected.keys() | {"pos_embed"} == selected.keys()
    assert [key for key, value in expected.items() if not torch.equal(selected[key], value)] == []


@pytest.mark.parametrize(("wide", "narrow"), [(256, 128), (256, 64), (192, 96)])
def test_channels_keep_their_position_embedding(wide, narrow):
    teacher, student = (network(embed_dim=width, temporal_dim=2) for width in (wide, narrow))
    weights = teacher.prithvi_encoder.pos_embed[..., even_indices(narrow, wide)]
    torch.testing.assert_close(student.prithvi_encoder.pos_embed, weights)


def test_channels_of_narrower_heads_by_hand():
    """96 channels are 2 heads of 48: heads 0 and 2, and 48 of the 64 channels of each (0, 1, 2, 4, …)."""
    teacher, student = network(), network(1, embed_dim=96)
    init_from_teacher(student, teacher, bands=BANDS, with_head=False)
    within = torch.tensor([channel for channel in range(64) if channel % 4 != 3])
    rows = torch.cat([within, 128 + within])
    bias = teacher.prithvi_encoder.blocks[0].attn.qkv.bias
    assert torch.equal(student.prithvi_encoder.blocks[0].attn.qkv.bias[:96], bias[rows])


@pytest.mark.parametrize("num_dates", [1, 3])
def test_a_head_of_wider_tokens_is_cut_at_its_inputs(num_dates):
    options = {"temporal_dim": num_dates, "embed_dim": 64}
    teacher, student = network(head="linear", **options), network(1, head="linear", **options | {"embed_dim": 32})
    init_from_teacher(student, teacher, bands=BANDS, with_head=True)
    weights = teacher.segmentation_head.classify.weight.reshape(3, 64, num_dates)  # channel k of date t is at k * T + t
    assert torch.equal(student.segmentation_head.classify.weight.reshape(3, 32, num_dates), weights[:, ::2])
    teacher, student = network(head="light", **options), network(1, head="light", **options | {"embed_dim": 32})
    init_from_teacher(student, teacher, bands=BANDS, with_head=True)
    weights = teacher.segmentation_head.deepen.narrow[0].weight.reshape(64, 4, 64)  # level after level
    assert torch.equal(student.segmentation_head.deepen.narrow[0].weight.reshape(64, 4, 32), weights[..., ::2])
    assert torch.equal(student.segmentation_head.keep.weight, teacher.segmentation_head.keep.weight)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("num_dates", [1, 3])
def test_every_head_can_be_cut_to_size(head, num_dates):
    teacher, student = (network(head=head, embed_dim=width, temporal_dim=num_dates) for width in (64, 48))
    init_from_teacher(student, teacher, bands=BANDS, with_head=True)
    weights = teacher.segmentation_head.state_dict()
    assert all(torch.isin(value, weights[key]).all() for key, value in student.segmentation_head.state_dict().items())


def test_bands_are_matched_by_name():
    teacher, student = network(), network(1, bands=("RED", "SWIR_1"))
    init_from_teacher(student, teacher, bands=(("RED", "SWIR_1"), PRITHVI_BANDS), with_head=False)
    weight, full = (net.prithvi_encoder.patch_embed.proj.weight for net in (student, teacher))
    assert torch.equal(weight, full[:, [2, 4]])


def test_scales_of_time_and_place_are_copied_where_both_have_them():
    teacher = network(model_name="prithvi_eo_v2_tiny_tl")
    student = network(1, model_name="prithvi_eo_v2_tiny_tl", embed_dim=64, depth=1)
    init_from_teacher(student, teacher, bands=BANDS, with_head=False)
    assert torch.equal(
        student.prithvi_encoder.temporal_embed_enc.scale, teacher.prithvi_encoder.temporal_embed_enc.scale
    )
    plain = network(2, embed_dim=64)
    init_from_teacher(plain, teacher, bands=BANDS, with_head=False)
    assert plain.prithvi_encoder.temporal_embed_enc is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"embed_dim": 320}, "embed_dim 320 in the student, 256 in the teacher; expected no more"),
        (
            {"model_name": "prithvi_eo_v2_600", "embed_dim": 160},
            "patch size 14 in the student, 16 in the teacher; expected the",
        ),
        ({"depth": 5}, "the student has 5 blocks, the teacher 4; lower model.depth, or name"),
    ],
)
def test_a_teacher_that_is_too_small_is_an_error(options, words):
    with pytest.raises(ConfigError, match=words):
        init_from_teacher(network(**options), network(), bands=BANDS, with_head=False)


def test_smaller_attention_heads_cannot_initialise_wider_ones():
    with pytest.raises(ConfigError, match="channels per head 64 in the student, 52 in the teacher; expected no more"):
        init_from_teacher(network(embed_dim=192), network(embed_dim=208), bands=BANDS, with_head=False)


@pytest.mark.parametrize("layers", [[0, 1, 2], [0, 1, 2, 4], [-1, 0, 1, 2]])
def test_blocks_that_the_teacher_does_not_have_are_errors(layers):
    encoders = network().prithvi_encoder, network().prithvi_encoder
    with pytest.raises(ConfigError, match=r"expected 4 of the teacher's blocks 0\.\.3, one for each"):
        select_layers(*encoders, layers)


def test_blocks_may_be_selected_twice():
    encoders = network(depth=3).prithvi_encoder, network(depth=2).prithvi_encoder
    assert select_layers(*encoders, [0, 0, 1]) == [0, 0, 1]

"""Which parameters are trained, and with which learning rates, by hand."""

import pytest
import torch

from instageo.errors import ConfigError
from instageo.model import build_network
from instageo.model.networks.freezing import freeze_parameters
from instageo.model.networks.lora import add_lora
from instageo.model.training.parameter_groups import build_parameter_groups

RATE, DECAY = 0.8, 0.01


@pytest.fixture
def make_net():
    """Function that builds a small network with coordinates, and with everything on that only training uses."""

    def make(depth=2, head="linear"):
        torch.manual_seed(0)
        net = build_network("prithvi_eo_v2_tiny_tl", num_classes=2, img_size=32, depth=depth, head=head)
        net.prithvi_encoder.set_drop_path(0.5)
        net.prithvi_encoder.coords_dropout = 0.5
        return net

    return make


def trained(net):
    """The parts that are trained: names without the last component, and whole blocks."""
    names = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    parts = {".".join(name.split(".")[:3]) if ".blocks." in name else name.rpartition(".")[0] for name in names}
    return {part.removeprefix("prithvi_encoder.") for part in parts}


def training_only(net):
    """Probabilities of hiding coordinates and of skipping each block."""
    return net.prithvi_encoder.coords_dropout, [block._drop_path for block in net.prithvi_encoder.blocks]


def test_by_default_everything_is_trained(make_net):
    net = make_net(3)
    freeze_parameters(net)
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert training_only(net) == (0.5, [0, 0.25, 0.5])


def test_with_a_frozen_encoder_only_the_head_is_trained(make_net):
    net = make_net(3)
    freeze_parameters(net, freeze_encoder=True)
    assert trained(net) == {"segmentation_head.classify"}
    assert training_only(net) == (0, [0, 0, 0])


@pytest.mark.parametrize(
    ("last", "blocks", "drop_path"),
    [
        (1, {"blocks.2"}, [0, 0, 0.5]),
        (2, {"blocks.1", "blocks.2"}, [0, 0.25, 0.5]),
        (3, {"blocks.0", "blocks.1", "blocks.2"}, [0, 0.25, 0.5]),
    ],
)
def test_the_last_blocks_are_trained_with_the_norm_and_the_head_but_without_the_embedding(
    make_net, last, blocks, drop_path
):
    net = make_net(3)
    freeze_parameters(net, last_blocks=last)
    assert trained(net) == blocks | {"norm", "segmentation_head.classify"}
    assert training_only(net) == (0, drop_path)
    assert len(list(net.prithvi_encoder.blocks[2].parameters())) == 12
    assert all(parameter.requires_grad for parameter in net.prithvi_encoder.blocks[2].parameters())


def test_more_blocks_than_the_encoder_has_are_refused(make_net):
    net = make_net(2)
    with pytest.raises(ConfigError, match=r"^model\.train_last_blocks=3, but the encoder has 2 blocks; expected at m"):
        freeze_parameters(net, last_blocks=3)


def test_a_frozen_encoder_works_in_training_as_in_inference(make_net):
    net = make_net(3)
    freeze_parameters(net, freeze_encoder=True)
    encoder, image = net.prithvi_encoder, torch.randn(8, 6, 1, 32, 32)
    coords = torch.tensor([[[2020.0, 65.0]]]).repeat(8, 1, 1), torch.tensor([[36.0, -81.0]]).repeat(8, 1)
    evaluated = encoder.eval()(image, *coords)
    assert torch.equal(encoder.train()(image, *coords), evaluated)
    free = make_net(3).prithvi_encoder
    free.load_state_dict(encoder.state_dict())
    assert not torch.allclose(free.train()(image, *coords), evaluated)  # an encoder that is not frozen differs


def groups_of(net, layer_decay):
    """Learning rate and weight decay by parameter, and the number of groups."""
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    groups = build_parameter_groups(net, learning_rate=RATE, weight_decay=DECAY, layer_decay=layer_decay)
    rates = [(names[id(one)], (group["lr"], group["weight_decay"])) for group in groups for one in group["params"]]
    assert len({name for name, _ in rates}) == len(rates)  # no parameter twice
    return dict(rates), len(groups)


def test_rates_halve_from_block_to_block():
    net = build_network("prithvi_eo_v2_tiny_tl", num_classes=2, img_size=32, depth=2, head="linear")
    rates, count = groups_of(net, 0.5)
    assert set(rates) == {name for name, _ in net.named_parameters()}
    encoder = "prithvi_encoder."
    assert {name: rates[name] for name in (
        "segmentation_head.classify.weight", "segmentation_head.classify.bias", f"{encoder}norm.weight",
        f"{encoder}blocks.1.attn.qkv.weight", f"{encoder}blocks.1.norm2.bias", f"{encoder}blocks.0.mlp.fc2.weight",
        f"{encoder}blocks.0.mlp.fc2.bias", f"{encoder}patch_embed.proj.weight", f"{encoder}patch_embed.proj.bias",
        f"{encoder}cls_token", f"{encoder}temporal_embed_enc.scale", f"{encoder}location_embed_enc.scale",
    )} == {
        "segmentation_head.classify.weight": (0.8, 0.01),
        "segmentation_head.classify.bias": (0.8, 0),
        f"{encoder}norm.weight": (0.8, 0),
        f"{encoder}blocks.1.attn.qkv.weight": (0.4, 0.01),
        f"{encoder}blocks.1.norm2.bias": (0.4, 0),
        f"{encoder}blocks.0.mlp.fc2.weight": (0.2, 0.01),
        f"{encoder}blocks.0.mlp.fc2.bias": (0.2, 0),
        f"{encoder}patch_embed.proj.weight": (0.1, 0.01),
        f"{encoder}patch_embed.proj.bias": (0.1, 0),
        f"{encoder}cls_token": (0.1, 0),
        f"{encoder}temporal_embed_enc.scale": (0.1, 0),
        f"{encoder}location_embed_enc.scale": (0.1, 0),
    }  # fmt: skip
    assert count == 8  # four levels, each with and without decay


def test_rates_of_twelve_blocks_follow_their_numbers():
    net = build_network("prithvi_eo_v2_tiny_tl", num_classes=2, img_size=32, head="linear")
    rates, _ = groups_of(net, 0.5)
    by_block = [rates[f"prithvi_encoder.blocks.{number}.norm1.bias"][0] for number in range(12)]
    assert by_block == pytest.approx([RATE * 0.5 ** (12 - number) for number in range(12)])


@pytest.mark.parametrize("head", ["upscaling", "light", "unet"])
def test_without_layer_decay_there_are_two_groups(make_net, head):
    net = make_net(head=head)
    rates, count = groups_of(net, 1.0)
    assert set(rates) == {name for name, _ in net.named_parameters()}
    assert count == 2
    vectors = {name for name, parameter in net.named_parameters() if parameter.ndim == 1}
    undecayed = {name for name, (rate, decay) in rates.items() if decay == 0}
    assert undecayed == vectors | {"prithvi_encoder.cls_token"}
    assert {rate for rate, _ in rates.values()} == {RATE}


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_frozen_parameters_are_in_no_group(make_net, layer_decay):
    net = make_net()
    freeze_parameters(net, last_blocks=1)
    rates, _ = groups_of(net, layer_decay)
    assert set(rates) == {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert rates["prithvi_encoder.blocks.1.attn.qkv.weight"] == (RATE * layer_decay, DECAY)


def test_lora_weights_have_the_rate_of_their_block(make_net):
    net = make_net()
    add_lora(net.prithvi_encoder, rank=2, alpha=4, dropout=0, targets=["qkv"])
    rates, _ = groups_of(net, 0.5)
    part = "prithvi_encoder.blocks.0.attn.qkv.lora_A.default.weight"
    assert rates[part] == (0.2, DECAY)
    assert rates[part.replace("blocks.0", "blocks.1")] == (0.4, DECAY)


def test_an_optimizer_moves_each_level_at_its_own_rate(make_net):
    net = make_net()
    groups = build_parameter_groups(net, learning_rate=RATE, weight_decay=0, layer_decay=0.5)
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    torch.optim.SGD(groups).step()
    moved = {name: float((before[name] - parameter).detach().mean()) for name, parameter in net.named_parameters()}
    assert moved["segmentation_head.classify.weight"] == pytest.approx(0.8, rel=1e-4)
    assert moved["prithvi_encoder.blocks.0.attn.qkv.weight"] == pytest.approx(0.2, rel=1e-4)
    assert moved["prithvi_encoder.cls_token"] == pytest.approx(0.1, rel=1e-4)

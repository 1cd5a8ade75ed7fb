"""LoRA: no effect at first, few weights to train, and plain weights after merging."""

import sys

import pytest
import torch

from instageo.errors import MissingExtraError
from instageo.model import build_network
from instageo.model.networks.lora import add_lora, merge_lora

ALL = ["qkv", "proj", "fc1", "fc2"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def plain_net():
    return build_network("prithvi_eo_v2_tiny_tl", num_classes=3, img_size=32, depth=2, head="linear").eval()


@pytest.fixture
def pair():
    """A network, and a copy of it with LoRA weights that are not trained yet."""

    def make(targets=("qkv", "proj"), rank=2, alpha=8.0, dropout=0.0):
        plain, adapted = plain_net(), plain_net()
        adapted.load_state_dict(plain.state_dict())
        add_lora(adapted.prithvi_encoder, rank=rank, alpha=alpha, dropout=dropout, targets=targets)
        return plain, adapted.eval()

    return make


def randomize_lora(net):
    """Fill the LoRA weights with random values, as if trained."""
    for name, parameter in net.named_parameters():
        if ".lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)


def logits(net):
    image = torch.randn(2, 6, 1, 32, 32, generator=torch.Generator().manual_seed(0), dtype=next(net.parameters()).dtype)
    with torch.no_grad():
        return net(image, torch.tensor([[[2020.0, 65.0]]] * 2), torch.tensor([[36.0, -81.0]] * 2))


@pytest.mark.parametrize("targets", [["qkv"], ALL])
def test_untrained_lora_weights_change_nothing(pair, targets):
    plain, adapted = pair(targets)
    assert torch.equal(logits(plain), logits(adapted))


@pytest.mark.parametrize(
    ("targets", "layers"),
    [(["qkv"], ["attn.qkv"]), (["proj"], ["attn.proj"]), (["fc1", "fc2"], ["mlp.fc1", "mlp.fc2"])],
)
def test_only_the_lora_weights_of_the_chosen_layers_and_the_head_are_trained(pair, targets, layers):
    _, adapted = pair(targets)
    trained = {name for name, parameter in adapted.named_parameters() if parameter.requires_grad}
    changes = {
        f"prithvi_encoder.blocks.{block}.{layer}.lora_{side}.default.weight"
        for block in (0, 1)
        for layer in layers
        for side in "AB"
    }
    assert trained == changes | {"segmentation_head.classify.weight", "segmentation_head.classify.bias"}


def test_the_patch_embedding_is_never_adapted(pair):  # its layer is called proj too
    _, adapted = pair(["proj"])
    assert type(adapted.prithvi_encoder.patch_embed.proj) is torch.nn.Conv3d
    assert not [name for name, _ in adapted.named_parameters() if "patch_embed" in name and "lora" in name]


def test_the_number_of_lora_weights_by_hand(pair):
    _, adapted = pair(["qkv"], rank=2)
    changes = sum(part.numel() for name, part in adapted.named_parameters() if ".lora_" in name)
    assert changes == 2 * 2 * (192 + 3 * 192)  # two blocks of rank 2, from 192 to three times 192 channels


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("targets", [["qkv", "proj"], ALL])
def test_merged_weights_give_the_same_logits_in_a_plain_network(pair, targets, dtype, tolerance):
    plain, adapted = (net.to(dtype) for net in pair(targets))
    randomize_lora(adapted)
    before = logits(adapted)
    assert (before - logits(plain)).abs().max() > 0.05
    fresh = plain_net().to(dtype)
    fresh.load_state_dict(merge_lora(adapted, adapted.state_dict()))
    torch.testing.assert_close(logits(fresh), before, atol=tolerance, rtol=tolerance)
    assert torch.equal(logits(adapted), before)  # the network itself is unchanged


@pytest.mark.parametrize("alpha", [2.0, 8.0])
def test_a_merged_weight_by_hand(pair, alpha):
    plain, adapted = pair(["fc1"], rank=2, alpha=alpha)
    randomize_lora(adapted)
    layer = adapted.prithvi_encoder.blocks[1].mlp.fc1
    change = alpha / 2 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    expected = plain.prithvi_encoder.blocks[1].mlp.fc1.weight + change
    merged = merge_lora(adapted, adapted.state_dict())["prithvi_encoder.blocks.1.mlp.fc1.weight"]
    torch.testing.assert_close(merged, expected)
    assert not merged.requires_grad


def test_merged_keys_are_the_published_ones_in_their_shapes(pair):  # pitfall 30
    plain, adapted = pair(ALL)
    state = {f"net.{key}": value for key, value in adapted.state_dict().items()}
    merged = merge_lora(adapted, state, "net.")
    assert {key: value.shape for key, value in merged.items()} == {
        f"net.{key}": value.shape for key, value in plain.state_dict().items()
    }


def test_the_prefix_of_keys_is_respected(pair):
    plain, adapted = pair(["qkv"])
    randomize_lora(adapted)
    state = {f"net.{key}": value for key, value in adapted.state_dict().items()}
    key = "prithvi_encoder.blocks.0.attn.qkv.weight"
    merged = merge_lora(adapted, state, "net.")[f"net.{key}"]
    assert torch.equal(merged, merge_lora(adapted, adapted.state_dict())[key])
    assert not torch.allclose(merged, plain.state_dict()[key])


def test_the_state_of_a_network_without_lora_is_returned_as_it_is():
    plain = plain_net()
    state = plain.state_dict()
    merged = merge_lora(plain, state)
    assert list(merged) == list(state)
    assert all(merged[key] is state[key] for key in state)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_merging_preserves_the_dtype(pair, dtype):
    _, adapted = pair()
    randomize_lora(adapted)
    state = {key: value.to(dtype) for key, value in adapted.state_dict().items()}
    assert {value.dtype for value in merge_lora(adapted, state).values()} == {dtype}
    assert {value.dtype for value in merge_lora(adapted.to(dtype), state).values()} == {dtype}


def test_dropout_is_active_in_training_only(pair):
    _, adapted = pair(dropout=0.9)
    randomize_lora(adapted)
    assert torch.equal(logits(adapted), logits(adapted))
    adapted.prithvi_encoder.train()
    assert not torch.equal(logits(adapted), logits(adapted))


def test_without_peft_the_extra_is_named_and_the_network_stays_as_it_is(monkeypatch):  # pitfall 37
    net = plain_net()
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(
        MissingExtraError, match=r"^model\.lora_rank needs the package peft; .*'instageo-model\[lora\]'"
    ):
        add_lora(net.prithvi_encoder, rank=2, alpha=4, dropout=0, targets=["qkv"])
    assert all(parameter.requires_grad for parameter in net.parameters())

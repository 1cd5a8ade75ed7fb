"""What a checkpoint stores is checked before anything is built from it."""

import pytest
import torch

from instageo.errors import CheckpointError
from instageo.model import build_network
from instageo.model.networks.checkpoint import BEST, checkpoint_metadata, read_checkpoint
from instageo.model.networks.stored_settings import count_blocks, describe_unusable, describe_unusable_tensors
from instageo.model.settings import Settings
from instageo.model.settings.compose import update_settings


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {
            "train.loss": {"dice": 0.5},
            "dataloader.mean": [1.0, 2.0],
            "seed": 1,
            "model.depth": None,
            "is_reg_task": True,
        },
        {"model.class_names": ["$ per ha", "{x}"]},
    ],
)
def test_plain_values_are_usable(stored):
    assert describe_unusable(stored) is None


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ([1], "are a list; expected values by name"),
        ("text", "are a str"),
        ({1: 2}, "are a dict"),
        ({"a": torch.zeros(1)}, "a is a Tensor; expected a number, text"),
        ({"a": {1, 2}}, "a is a set"),
        ({"a": 1j}, "a is a complex"),
        ({"a": b"x"}, "a is a bytes"),
        ({"a": nested(70)}, "more than 64 levels"),
        ({"a": [0] * 100_001}, "have more than 100000 values"),
        ({"a": "x" * 10_001}, "a has a text of 10001 characters"),
        ({"a": "${oc.env:HOME}"}, r"a has the interpolation \$\{oc.env:HOME\}, which only the user may write"),
        ({"a": ["x", {"b": "${root_dir}"}]}, "has the interpolation"),
        ({"a": {"${x}": 1}}, "has the interpolation"),
    ],
)
def test_other_values_are_described(stored, problem):
    assert problem.replace("\\", "") in describe_unusable(stored)


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({"net.a": "text"}, "hold a str as net.a; expected a tensor"),
        ({"net.a": torch.zeros(2), 5: torch.zeros(1)}, "have the key 5, a int; expected text"),
        ({"net.a": torch.zeros(2, 2).to_sparse()}, "hold net.a as sparse_coo numbers"),
        ({"net.a": torch.zeros(2, dtype=torch.complex64)}, "hold net.a as complex64 numbers"),
        ({"net.a": torch.zeros(2, device="meta")}, "hold net.a as"),
    ],
)
def test_tensors_that_cannot_be_weights_are_described(tensors, problem):
    assert problem in describe_unusable_tensors(tensors)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # deprecated, but files may hold such tensors
def test_quantized_tensors_are_described():
    tensor = torch.quantize_per_tensor(torch.zeros(2), 1, 0, torch.qint8)
    assert "hold net.a as quantized numbers" in describe_unusable_tensors({"net.a": tensor})


def test_ordinary_tensors_are_usable():
    assert (
        describe_unusable_tensors({"net.a": torch.zeros(2), "net.n": torch.tensor(3), "b": torch.zeros(1).half()})
        is None
    )


def test_blocks_are_counted():
    state = {f"prithvi_encoder.blocks.{number}.norm.weight": torch.zeros(1) for number in (0, 1, 11)}
    assert count_blocks(state | {"segmentation_head.blocks.12.x": torch.zeros(1)}) == 3


@pytest.fixture
def content():
    """What a checkpoint of a small network holds."""
    settings = update_settings(Settings(), {"model.model_name": "prithvi_eo_tiny", "model.depth": 1})
    net = build_network("prithvi_eo_tiny", num_classes=2, depth=1, img_size=32)
    state = {f"net.{key}": value for key, value in net.state_dict().items()}
    return {"state_dict": state} | checkpoint_metadata(settings, settings, None, {"val_mIoU": 0.5})


@pytest.mark.parametrize(
    ("section", "value", "problem"),
    [
        ("metrics", [1], "its metrics are a list; expected values by name"),
        ("run", "abc", "its run are a str; expected values by name"),
        ("value_range", {"low": 3}, "its value_range is not readable"),
        ("settings", {"model.depth": 10**6}, "stores model.depth=1000000, but weights of 1 block"),
        ("settings", {"model.class_names": ["${oc.env:HOME}", "b"]}, "has the interpolation"),
    ],
)
def test_a_tampered_checkpoint_is_one_sentence(content, tmp_path, section, value, problem):
    path = tmp_path / f"{BEST}.ckpt"
    torch.save(content, path)
    assert read_checkpoint(path).metrics == {"val_mIoU": 0.5}
    content["instageo"][section] = value
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=problem):
        read_checkpoint(path)


def test_a_configuration_of_nested_aliases_is_refused(content, tmp_path):
    path = tmp_path / f"{BEST}.ckpt"
    torch.save({"state_dict": content["state_dict"]}, path)
    (tmp_path / ".hydra").mkdir()
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]" for below, name in zip("abcde", "bcdef", strict=True)]
    (tmp_path / ".hydra" / "config.yaml").write_text("\n".join(lines))
    with pytest.raises(Exception, match=r"its aliases \(\*name\) repeat more than 100000 values"):
        read_checkpoint(path)

"""Low-rank adaptation of the encoder (LoRA, Hu et al. 2022) by the `peft` library; exported as plain weights."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from instageo.errors import MissingExtraError

BASE = ".base_layer"
"""What peft puts between the name of an adapted layer and those of its own weights."""


def add_lora(encoder: nn.Module, *, rank: int, alpha: float, dropout: float, targets: Sequence[str]) -> None:
    """Freeze an encoder and add trainable low-rank changes to linear layers of its blocks.

    At first they change nothing.

    Args:
        encoder: Changed in place; its adapted layers get other keys until `merged` gives them back.
        rank: Of the changes.
        alpha: Their scale, divided by the rank.
        dropout: On their inputs, in training.
        targets: Names of layers: qkv, proj, fc1, fc2.

    Raises:
        MissingExtraError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"model.lora_rank needs the package {error.name}; install the extra: pip install 'instageo-model[lora]'"
        ) from error
    chosen = rf"blocks\.\d+\.\w+\.({'|'.join(targets)})"
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=chosen)  # type: ignore[arg-type]
    encoder.requires_grad_(False)
    inject_adapter_in_model(config, encoder)


def merge_lora(net: nn.Module, state: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """A state dict with low-rank changes added to the weights they change, under the keys of a network without them.

    Args:
        net: The network.
        state: Its state dict, all keys beginning with `prefix`; without low-rank changes it is returned as it is.
        prefix: What precedes the network's own keys.
    """
    changes = {
        f"{prefix}{name}{BASE}.weight": module.get_delta_weight("default")
        for name, module in net.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    with torch.no_grad():
        return {
            key.replace(BASE, ""): value + changes[key].to(value) if key in changes else value
            for key, value in state.items()
            if ".lora_" not in key
        }

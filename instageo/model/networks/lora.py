"""Low-rank adaptation of the encoder (LoRA, Hu et al. 2022) by the `peft` library; exported as plain weights."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from instageo.extras import required_by

BASE = ".base_layer"
"""Part that peft inserts between the name of an adapted layer and those of its own weights."""


def add_lora(encoder: nn.Module, *, rank: int, alpha: float, dropout: float, targets: Sequence[str]) -> None:
    """Freeze an encoder and add trainable LoRA weights to linear layers of its blocks.

    Until they are trained, the output stays the same.

    Args:
        encoder: Changed in place; the keys of its adapted layers change, and `merge_lora` restores them.
        rank: Rank of the LoRA matrices.
        alpha: Scale of the update, which is multiplied by alpha / rank.
        dropout: Dropout on the inputs of the LoRA layers, in training.
        targets: Names of layers to adapt: qkv, proj, fc1, fc2.

    Raises:
        MissingExtraError: peft is not installed.
    """
    with required_by("model.lora_rank", "lora"):
        from peft import LoraConfig, inject_adapter_in_model
    modules = rf"blocks\.\d+\.\w+\.({'|'.join(targets)})"
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=modules)  # type: ignore[arg-type]
    encoder.requires_grad_(False)
    inject_adapter_in_model(config, encoder)


def merge_lora(net: nn.Module, state: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Return a state dict with the LoRA weights merged, under the keys of a network without LoRA.

    Args:
        net: Network with or without LoRA weights.
        state: Its state dict, all keys beginning with `prefix`; returned as it is if there are no LoRA weights.
        prefix: Prefix of the keys in `state` compared to those of `net`.
    """
    updates = {
        f"{prefix}{name}{BASE}.weight": module.get_delta_weight("default")
        for name, module in net.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    with torch.no_grad():
        return {
            key.replace(BASE, ""): value + updates[key].to(value) if key in updates else value
            for key, value in state.items()
            if ".lora_" not in key
        }

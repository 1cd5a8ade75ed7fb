"""The network's entry in `run.json`: its parameters, and the floating-point operations of one chip."""

from typing import Any

import torch
from torch import nn

from instageo.model.context import RunInfo
from instageo.model.inference.predictor import Predictor
from instageo.model.networks.checkpoint import locate_checkpoint
from instageo.model.networks.from_settings import network_from_settings
from instageo.model.networks.meta_device import without_values
from instageo.model.settings import Settings
from instageo.model.settings.compose import settings_to_dict
from instageo.model.settings.derived import band_names
from instageo.model.tracking.run_json import RUN_FILE, read_run_json


def record_network(info: RunInfo, settings: Settings, net: nn.Module) -> None:
    """Record the network that is trained, and the resolved settings.

    Args:
        info: Receives both.
        settings: With mean, std and sizes fitted to the chips.
        net: The network, its frozen parameters marked with `requires_grad=False`.
    """
    trained = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    info.network = summarize_network(settings) | {"trained_parameters": trained}
    info.configuration = settings_to_dict(settings)


def record_predictor(info: RunInfo, predictor: Predictor) -> None:
    """Record a network used for inference, and the settings resolved with its checkpoint."""
    info.network = summarize_predictor(predictor) | {"trained_parameters": 0, "engine": predictor.engine}
    info.configuration = settings_to_dict(predictor.settings)


def summarize_predictor(predictor: Predictor) -> dict[str, Any]:
    """Return the summary of a loaded network; see `summarize_network`.

    Counting operations takes PyTorch a second or two. If the `run.json` next to the checkpoint describes the same
    network, its counts are used.
    """
    settings = predictor.settings
    folder = locate_checkpoint(str(settings.checkpoint_path)).parent
    stored = read_run_json(folder / RUN_FILE).get("network") or {}
    matches = all(stored.get(key) == value for key, value in _identity(settings, predictor.net).items())
    return dict(stored) if matches and "forward_flops" in stored else summarize_network(settings)


def summarize_network(settings: Settings) -> dict[str, Any]:
    """Return name, parameters, and floating-point operations of a forward pass of one window of the training size.

    They are counted on a copy on the meta device, with LoRA weights merged, as the network is used for inference.
    """
    from instageo.model.networks.cost import count_forward_flops  # PyTorch's counter takes a while to import

    with without_values():
        net = network_from_settings(settings)
        identity = _identity(settings, net)
        return identity | {"forward_flops": count_forward_flops(net, torch.empty(1, *identity["forward_shape"]))}


def _identity(settings: Settings, net: nn.Module) -> dict[str, Any]:
    """Return name and size of a network; two networks that agree in all of it have the same operations."""
    side = settings.dataloader.img_size
    return {
        "model_name": settings.model.model_name,
        "head": settings.model.head,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "forward_shape": [len(band_names(settings)), settings.dataloader.temporal_dim, side, side],
    }

"""What `run.json` tells of a network: its parameters, and the arithmetic of one chip."""

from typing import Any

import torch
from torch import nn

from instageo.model.context import RunInfo
from instageo.model.inference.predictor import Predictor
from instageo.model.networks.checkpoint import locate_checkpoint
from instageo.model.networks.factory import network_from_settings
from instageo.model.settings import Settings
from instageo.model.settings.compose import settings_to_dict
from instageo.model.settings.resolve import band_names
from instageo.model.tracking.run_json import RUN_FILE, read_run_json


def record_network(info: RunInfo, settings: Settings, net: nn.Module) -> None:
    """Note the network that is trained, and the settings as they came to be.

    Args:
        info: Where to.
        settings: With mean, std and sizes fitted to the chips.
        net: With what is trained of it chosen.
    """
    trained = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    info.network = summarize_network(settings) | {"trained_parameters": trained}
    info.configuration = settings_to_dict(settings)


def record_predictor(info: RunInfo, predictor: Predictor) -> None:
    """Note the network that is used, and the settings that its checkpoint decides."""
    info.network = summarize_predictor(predictor) | {"trained_parameters": 0}
    info.configuration = settings_to_dict(predictor.settings)


def summarize_predictor(predictor: Predictor) -> dict[str, Any]:
    """The account of a network that was loaded, as `network_account` gives it.

    Counting takes PyTorch a second or two; the accounts of the training, where they lie beside the checkpoint, have
    counted the same network before.
    """
    settings = predictor.settings
    beside = locate_checkpoint(str(settings.checkpoint_path)).parent
    counted = read_run_json(beside / RUN_FILE).get("network") or {}
    same = all(counted.get(key) == value for key, value in _identity(settings, predictor.net).items())
    return dict(counted) if same and "forward_flops" in counted else summarize_network(settings)


def summarize_network(settings: Settings) -> dict[str, Any]:
    """Name, parameters, and floating-point operations of a forward pass of one window of the training size.

    They are counted on a copy without values, low-rank changes merged, as the network is used.
    """
    from instageo.model.networks.cost import forward_flops  # PyTorch's counter takes a while to import

    with torch.device("meta"):
        net = network_from_settings(settings)
        identity = _identity(settings, net)
        return identity | {"forward_flops": forward_flops(net, torch.empty(1, *identity["forward_shape"]))}


def _identity(settings: Settings, net: nn.Module) -> dict[str, Any]:
    side = settings.dataloader.img_size
    return {
        "model_name": settings.model.model_name,
        "head": settings.model.head,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "forward_shape": [len(band_names(settings)), settings.dataloader.temporal_dim, side, side],
    }

"""What `run.json` tells of a network: its parameters, and the arithmetic of one chip."""

from typing import Any

import torch
from torch import nn

from instageo.model.accounts.record import RUN_FILE, read_run
from instageo.model.assemble import build
from instageo.model.checkpoint import locate
from instageo.model.config import to_plain
from instageo.model.layout import band_names
from instageo.model.notes import Notes
from instageo.model.predictor import Predictor
from instageo.model.settings import Settings


def note_network(notes: Notes, settings: Settings, net: nn.Module) -> None:
    """Note the network that is trained, and the settings as they came to be.

    Args:
        notes: Where to.
        settings: With mean, std and sizes fitted to the chips.
        net: With what is trained of it chosen.
    """
    trained = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    notes.network = network_account(settings) | {"trained_parameters": trained}
    notes.configuration = to_plain(settings)


def note_predictor(notes: Notes, predictor: Predictor) -> None:
    """Note the network that is used, and the settings that its checkpoint decides."""
    notes.network = predictor_account(predictor) | {"trained_parameters": 0}
    notes.configuration = to_plain(predictor.settings)


def predictor_account(predictor: Predictor) -> dict[str, Any]:
    """The account of a network that was loaded, as `network_account` gives it.

    Counting takes PyTorch a second or two; the accounts of the training, where they lie beside the checkpoint, have
    counted the same network before.
    """
    settings = predictor.settings
    beside = locate(str(settings.checkpoint_path)).parent
    counted = read_run(beside / RUN_FILE).get("network") or {}
    same = all(counted.get(key) == value for key, value in _identity(settings, predictor.net).items())
    return dict(counted) if same and "forward_flops" in counted else network_account(settings)


def network_account(settings: Settings) -> dict[str, Any]:
    """Name, parameters, and floating-point operations of a forward pass of one window of the training size.

    They are counted on a copy without values, low-rank changes merged, as the network is used.
    """
    from instageo.model.cost import forward_flops  # PyTorch's counter takes a while to import

    with torch.device("meta"):
        net = build(settings)
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

"""An exponential moving average of a network's weights: what is validated and kept, while training goes on."""

from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def ema_decay_at(updates: int, decay: float) -> float:
    """Share of the average that an update keeps: less at first, so that random weights are soon forgotten.

    Args:
        updates: Updates before this one.
        decay: The share in the long run.

    Returns:
        min(decay, (1 + updates) / (10 + updates)).
    """
    return min(decay, (1 + updates) / (10 + updates))


def averaged_tensors(net: nn.Module) -> dict[str, Tensor]:
    """What of a network changes in training: its trained parameters, and the running mean and variance of its norms.

    Counters of batches are left out.
    """
    state = net.state_dict(keep_vars=True)
    trained = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    running = {name: buffer for name, buffer in net.named_buffers() if name in state and buffer.is_floating_point()}
    return trained | running


class EMACallback(pl.Callback):
    """Keeps the average of `module.net`, and puts it into the network for validation.

    It stays there until the next epoch of training begins, or for good after the last: checkpoints, which are written
    in between, hold the averaged network under its usual keys. The weights that training goes on from are this
    callback's state, so that the full checkpoint has both.

    Args:
        decay: Share of the average that each step keeps in the long run; see `decay_at`.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.updates, self.steps, self.inside = 0, 0, False
        self.aside: dict[str, Tensor] = {}
        self._network: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """Whichever of average and weights is not in the network, and which of them is."""
        return {"updates": self.updates, "steps": self.steps, "inside": self.inside, "aside": self.aside}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on as saved."""
        self.updates, self.steps, self.inside = (state_dict[name] for name in ("updates", "steps", "inside"))
        self.aside = dict(state_dict["aside"])

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the weights as they are, or as resumed, on the device of the network."""
        self._network = averaged_tensors(cast(nn.Module, pl_module.net))
        self.aside = {
            name: self.aside[name].to(tensor.device) if name in self.aside else tensor.detach().clone()
            for name, tensor in self._network.items()
        }

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train the weights, not their average."""
        if self.inside:
            self._swap()

    @torch.no_grad()
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Update the average if the optimiser has made a step; other batches only add to its gradient."""
        if trainer.global_step == self.steps:
            return
        update = get_ema_multi_avg_fn(ema_decay_at(self.updates, self.decay))
        update(list(self.aside.values()), list(self._network.values()), self.updates)
        self.updates, self.steps = self.updates + 1, trainer.global_step

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the average."""
        if not self.inside:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, tensor in self._network.items():
            current = tensor.clone()
            tensor.copy_(self.aside[name])
            self.aside[name] = current
        self.inside = not self.inside

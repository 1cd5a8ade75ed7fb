"""An exponential moving average (EMA) of a network's weights, which is validated and saved while training continues."""

from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def ema_decay_at(num_updates: int, decay: float) -> float:
    """Return the decay of an update: smaller at first, so that random weights are soon forgotten.

    Args:
        num_updates: Updates before this one.
        decay: Decay in the long run.

    Returns:
        min(decay, (1 + num_updates) / (10 + num_updates)), the share of the average that the update keeps.
    """
    return min(decay, (1 + num_updates) / (10 + num_updates))


def averaged_tensors(net: nn.Module) -> dict[str, Tensor]:
    """Return the tensors that change in training: trained parameters, and running mean and variance of norms.

    Counters of batches are left out.
    """
    state = net.state_dict(keep_vars=True)
    trained = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    running = {name: buffer for name, buffer in net.named_buffers() if name in state and buffer.is_floating_point()}
    return trained | running


class EMACallback(pl.Callback):
    """Maintains the average of `module.net`, and swaps it into the network for validation.

    It stays there until the next epoch of training starts, and permanently after the last. Checkpoints are written in
    between, so they contain the averaged network under its usual keys. The weights with which training continues are
    this callback's state, so that the full checkpoint has both.

    Args:
        decay: Share of the average that each step keeps in the long run; see `ema_decay_at`.

    Attributes:
        swapped_in: Whether the average is in the network.
        stored: Whichever of average and weights is not in the network, by name.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.num_updates, self.global_step, self.swapped_in = 0, 0, False
        self.stored: dict[str, Tensor] = {}
        self._network: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the counters, and whichever of average and weights is not in the network."""
        return {
            "num_updates": self.num_updates,
            "global_step": self.global_step,
            "swapped_in": self.swapped_in,
            "stored": self.stored,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the saved state."""
        self.num_updates, self.global_step = state_dict["num_updates"], state_dict["global_step"]
        self.swapped_in, self.stored = state_dict["swapped_in"], dict(state_dict["stored"])

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start from the weights as they are, or as resumed, on the device of the network."""
        self._network = averaged_tensors(cast(nn.Module, pl_module.net))
        self.stored = {
            name: self.stored[name].to(tensor.device) if name in self.stored else tensor.detach().clone()
            for name, tensor in self._network.items()
        }

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train the weights, not their average."""
        if self.swapped_in:
            self._swap()

    @torch.no_grad()
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Update the average if the optimiser has made a step; other batches only accumulate gradients."""
        if trainer.global_step == self.global_step:
            return
        update = get_ema_multi_avg_fn(ema_decay_at(self.num_updates, self.decay))
        update(list(self.stored.values()), list(self._network.values()), self.num_updates)
        self.num_updates, self.global_step = self.num_updates + 1, trainer.global_step

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate the average."""
        if not self.swapped_in:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, tensor in self._network.items():
            current = tensor.clone()
            tensor.copy_(self.stored[name])
            self.stored[name] = current
        self.swapped_in = not self.swapped_in

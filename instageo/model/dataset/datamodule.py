"""The chips of a training run as Lightning takes them."""

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.dataset.datasets import RandomCropDataset, WholeChipDataset, eval_loader, make_loader
from instageo.model.dataset.sampler import EpochSampler, Probabilities


class LoaderDataModule(pl.LightningDataModule):
    """Loaders of a training run, in one process or as one of several.

    Args:
        train: Random windows to learn from.
        valid: Whole chips to score on.
        batch_size: Chips per batch.
        workers: Processes that read; 0 to read in the training process.
        seed: Fixes order and windows of every epoch.
        shares: How often each training chip is drawn; None for each once.
    """

    def __init__(
        self,
        train: RandomCropDataset,
        valid: WholeChipDataset,
        *,
        batch_size: int,
        workers: int,
        seed: int,
        shares: Probabilities | None = None,
    ) -> None:
        super().__init__()
        self.shares = shares
        self.train, self.valid = train, valid
        self.batch_size, self.workers, self.seed = batch_size, workers, seed

    def _shard(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)

    def train_dataloader(self) -> DataLoader[Sample]:
        """Batches of random windows."""
        rank, processes = self._shard()
        sampler = EpochSampler(len(self.train), self.seed, self.shares, rank=rank, processes=processes)
        return make_loader(self.train, sampler, self.batch_size, self.workers, stack_samples)

    def val_dataloader(self) -> DataLoader[list[Sample]]:
        """Whole chips; every chip goes to exactly one process."""
        return eval_loader(self.valid, self.batch_size, self.workers, self._shard())

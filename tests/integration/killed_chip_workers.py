"""Workers of `engine=ray` that are killed; in a module of their own, which their processes import soon."""

import os
import signal
from pathlib import Path

from instageo.model.inference import ray_engine
from instageo.model.inference.predictor import Predictor


class KilledOnce(ray_engine.RayWorker):
    """A worker that is killed with the outcomes of its block, if it is the first to have some."""

    def _predict(self, predictor, number, items):
        outcomes = super()._predict(predictor, number, items)
        marker = Path(self.job.setup.settings.output_dir).parent / "killed"
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return outcomes


class KillingPredictor(Predictor):
    """Kills its process when it reads a certain chip."""

    def read_row(self, row):
        if row.input.endswith("a/chip_7.tif"):
            os._exit(1)
        return super().read_row(row)


class KillingWorker(ray_engine.RayWorker):
    """A worker with such a predictor."""

    def _load(self):
        loaded = super()._load()
        return KillingPredictor(loaded.net, loaded.settings, loaded.metrics, loaded.device)


class NeverLoaded(ray_engine.RayWorker):
    """A worker that is killed while it loads the network."""

    def _load(self):
        os._exit(1)

"""Workers of maps on Ray that are killed; in a module of their own, which their processes import soon."""

import os
import signal
from dataclasses import replace

from instageo.model.map_jobs import ray_maps


class KilledOnce(ray_maps.MapWorker):
    """A worker that is killed within a range of the divided scene, if it is the first to get there."""

    def run(self, task):
        marker = task.prepared.output.parent.parent / "killed"
        if is_second_range(task) and not marker.exists():
            marker.touch()
            first = replace(task.pieces, rows=task.pieces.rows[:1])
            replace(task, pieces=first).run(self.ensemble)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(task)


def is_second_range(task):
    return isinstance(task, ray_maps.MapRange) and task.pieces.rows.start == 2


class KilledAlways(ray_maps.MapWorker):
    """A worker that is killed whenever it begins a certain range."""

    def run(self, task):
        if is_second_range(task):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(task)


class NeverLoaded(ray_maps.MapWorker):
    """A worker that is killed while it loads the network."""

    def _load(self):
        os._exit(1)

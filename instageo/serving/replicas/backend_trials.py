"""Choose what computes the networks of a server: as named, as remembered, or by a trial once there is enough work."""

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf

import torch

from instageo.model.backends.backend import AUTO, Backend, BackendChoice, ChipBatch
from instageo.model.backends.choice import choose_backend
from instageo.model.inference.backend_choice import agreement_of, choose_for_work, network_source
from instageo.model.inference.predictor import Predictor
from instageo.model.map_jobs.trained_model import load_model

log = logging.getLogger(__name__)

MIN_TILES = 2000
"""Tiles after which a trial is begun: work of a minute or so, in which a server has found users."""


class BackendTrials:
    """Loads models with what computes them fastest, and tries that on tiles of requests when there are many.

    Args:
        backend: As `engine.backend`.
        precision: As `engine.precision`.
        min_tiles: Tiles of a model after which a trial is begun, in another thread.
    """

    def __init__(self, backend: str, precision: str, min_tiles: int = MIN_TILES) -> None:
        self._request, self._min_tiles = BackendChoice(backend, precision), min_tiles
        self._num_tiles: Counter[str] = Counter()
        self._chosen: dict[str, Backend] = {}
        self._pool = ThreadPoolExecutor(1, "backend trial")

    def load(self, source: str) -> Predictor:
        """Load a model; what an earlier trial on this machine has found computes it."""
        self._chosen.pop(source, None)  # of the same model when it was loaded before
        predictor = load_model(source, backend=self._request.backend, precision=self._request.precision)
        return predictor if predictor.backend is not None else choose_for_work(predictor, lambda _: [], 0)

    def current(self, source: str, predictor: Predictor, tiles: ChipBatch) -> Predictor:
        """Return a loaded model with what computes it now, and begin a trial on these tiles if it is time.

        Args:
            source: Source of the model.
            predictor: As loaded.
            tiles: Tiles that are about to be computed.
        """
        before = self._num_tiles[source]
        self._num_tiles[source] += len(tiles.image)
        if before < self._min_tiles <= self._num_tiles[source] and AUTO in self._request:
            self._pool.submit(self._try, source, predictor, ChipBatch(*(part.clone() for part in tiles)))
        chosen = self._chosen.get(source)
        return predictor if chosen is None else replace(predictor, backend=chosen)

    def close(self) -> None:
        """Wait for the end of trials."""
        self._pool.shutdown()

    def _try(self, source: str, predictor: Predictor, tiles: ChipBatch) -> None:
        chips = ChipBatch(*(part.to(predictor.device) for part in tiles))
        network = network_source(predictor, tiles.shape.size)
        with torch.inference_mode():
            self._chosen[source] = choose_backend(network, self._request, chips.head, inf, agreement_of(predictor))

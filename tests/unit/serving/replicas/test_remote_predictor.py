"""Predictors whose network is in another process."""

import pytest

from instageo.model.inference.predictor import Predictor
from instageo.model.settings.keywords import settings_from_keywords


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
@pytest.mark.parametrize(("side", "tiles"), [(224, 1), (448, 9), (1000, 25), (2000, 48)])  # at most three batches of 16
def test_tiles_on_their_way_count_as_memory(side, tiles):
    pytest.importorskip("ray", reason="the extra `serve` is not installed")
    from instageo.serving.replicas.remote_predictor import RemotePredictor

    settings = settings_from_keywords({"dataloader.img_size": 224, "model.num_classes": 2, "train.batch_size": 16})
    alone, remote = (cls(None, settings).memory_for(6, side, side, 2) for cls in (Predictor, RemotePredictor))
    assert remote - alone == tiles * 224 * 224 * 4 * (6 + 2)

"""A predictor with a network of one block and random weights, for chips of six bands."""

import torch

from instageo.model.inference.predictor import Predictor
from instageo.model.networks.from_settings import network_from_settings
from instageo.model.settings.keywords import settings_from_keywords

SETTINGS = {
    "model.model_name": "prithvi_eo_tiny", "model.depth": 1, "model.head": "linear", "dataloader.img_size": 32,
    "dataloader.mean": [1000.0] * 6, "dataloader.std": [500.0] * 6,
}  # fmt: skip


def small_predictor(batch_size):
    settings = settings_from_keywords(SETTINGS | {"train.batch_size": batch_size}, normalized=True)
    torch.manual_seed(0)
    return Predictor(network_from_settings(settings).eval(), settings)

"""What a report says of the model: what it is, what it was trained on, its scores, and its limits."""

from typing import Any

from instageo.area_maps.preparation.area_scene import trained_on
from instageo.data.sources.source import Source
from instageo.locations import hide_secrets
from instageo.model.inference.fingerprint import model_fingerprint
from instageo.model.inference.predictor import Predictor
from instageo.model.map_jobs.collection import describe_network
from instageo.model.settings.derived import band_names


def describe_model(predictor: Predictor, source: Source, name: str | None = None) -> dict[str, Any]:
    """Return facts of a model by name, as JSON values.

    Args:
        predictor: The model.
        source: The product that is mapped.
        name: Name in place of the checkpoint's path; None to show the path.
    """
    settings = predictor.settings
    fields, trained = describe_network(predictor), trained_on(predictor)
    limits = []
    if settings.dataloader.sensor is None and not settings.dataloader.radar_unit:
        limits.append(
            f"The model does not say which product it was trained on; {trained.name} is assumed, as for the Prithvi "
            "weights."
        )
    if source.name.split("_")[0] != trained.name.split("_")[0]:
        limits.append(f"The model was trained on {trained.name}, but the images are of {source.name}.")
    return {
        "name": name or fields["mlm:name"],
        "checkpoint": name or hide_secrets(str(settings.checkpoint_path)),
        "fingerprint": model_fingerprint(settings),
        "architecture": fields["mlm:architecture"],
        "task": fields["mlm:tasks"][0],
        "trained_on": settings.dataloader.sensor or trained.name,
        "bands": list(band_names(settings)),
        "dates": settings.dataloader.temporal_dim,
        "scores": {name: round(float(value), 4) for name, value in predictor.metrics.items()},
        "limits": limits,
    }

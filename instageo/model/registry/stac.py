"""Describe a version as a STAC Item with the machine-learning model extension (MLM), for catalogues of models."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from instageo.extras import required_by
from instageo.model.registry.local_models import CHECKPOINT
from instageo.model.registry.manifest import FileChecksum, ModelVersion, RegisteredModel
from instageo.raster.map_products.stac_fields import EXTENSIONS, classification_name, file_fields

ITEM = "item.json"
"""File of the Item in the folder of the version."""

TASKS = {
    "segmentation": "semantic-segmentation",
    "regression": "regression",
    "chip_classification": "scene-classification",
    "chip_multilabel": "classification",
    "chip_regression": "regression",
}
"""Names of the tasks in MLM."""

FORMATS = {
    ".ckpt": ("application/octet-stream; application=pytorch", "torch.save"),
    ".pt": ("application/octet-stream; application=pytorch", "torch.save"),
    ".pt2": ("application/octet-stream; application=pytorch", "torch.export.save"),
    ".safetensors": ("application/octet-stream; application=safetensors", "safetensors.torch.save_file"),
    ".onnx": ("application/octet-stream; application=onnx", "torch.onnx.export"),
    ".xml": ("application/xml; application=openvino", "openvino.save_model"),
    ".bin": ("application/octet-stream; application=openvino", "openvino.save_model"),
}
"""Media type, and the function that writes such a file, by suffix; the formats of one model are assets of one Item."""


def build_stac_item(model: RegisteredModel, size: str, version: ModelVersion) -> dict[str, Any]:
    """Return the Item of a version as GeoJSON, with its assets next to it.

    Args:
        model: The model.
        size: Name of the size.
        version: The version, with the metadata that a push collects.

    Raises:
        MissingExtraError: pystac or its extension is not installed.
    """
    with required_by("a STAC Item", "registry"):
        import pystac
    metadata = version.metadata
    created = datetime.fromisoformat(str(metadata["created"]))
    properties = {
        "title": f"{model.title} ({size}) {version.number}",
        "description": model.description or model.title,
        "version": str(version.number),
        "created": created.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    if metadata.get("licence"):
        properties["license"] = metadata["licence"]
    item = pystac.Item(f"{model.key}-{size}-{version.number}", None, None, created, properties)
    item.properties |= describe_model(model, size, version)
    item.stac_extensions.append(EXTENSIONS["mlm"])
    for path, checksum in version.files.items():
        export = (metadata.get("exports") or {}).get(path) or {}
        item.add_asset(path, _asset(path, checksum, metadata["bands"], export))
    geojson: dict[str, Any] = item.to_dict(include_self_link=False)
    return geojson


def describe_model(model: RegisteredModel, size: str, version: ModelVersion) -> dict[str, Any]:
    """Return the properties `mlm:…` of a version, for its Item and for those of the maps that it makes.

    Args:
        model: The model.
        size: Name of the size.
        version: The version, with the metadata that a push collects.

    Raises:
        MissingExtraError: pystac or its extension is not installed.
    """
    with required_by("a STAC Item", "registry"):
        import pystac
        from pystac.extensions.mlm import MLMExtension, TaskType
    metadata = version.metadata
    item = pystac.Item("model", None, None, datetime(2000, 1, 1, tzinfo=UTC), {})  # the extension writes to Items alone
    MLMExtension.ext(item, add_if_missing=True).apply(
        name=f"{model.key} {size}".replace("/", " "), architecture=str(metadata["architecture"]),
        tasks=[TaskType(TASKS[model.task])], input=[_model_input(metadata)], output=[_model_output(model, metadata)],
        framework="PyTorch", framework_version=str(metadata["versions"]["torch"]),
        total_parameters=metadata["num_params"], pretrained=True,
    )  # fmt: skip
    return {name: value for name, value in item.properties.items() if name.startswith("mlm:")}


def _model_input(metadata: Mapping[str, Any]) -> Any:
    from pystac.extensions.mlm import InputStructure, ModelInput, ValueScaling, ValueScalingType
    from pystac.extensions.raster import DataType

    channels, num_dates, height, width = metadata["shape"]
    dimensions = ["batch", "bands", "time", "height", "width"]
    shape = InputStructure.create([-1, channels, num_dates, height, width], dimensions, DataType.FLOAT32)
    description = f"{num_dates} date(s), from the oldest; values as in training, no-data as 0 after scaling"
    chips = ModelInput.create("chips", list(metadata["bands"]), shape, description)
    chips.properties["value_scaling"] = [  # one per band, which the extension's class does not support yet
        ValueScaling.create(ValueScalingType.Z_SCORE, mean=mean, stddev=std).to_dict()
        for mean, std in zip(metadata["mean"], metadata["std"], strict=True)
    ]
    return chips


def _model_output(model: RegisteredModel, metadata: Mapping[str, Any]) -> Any:
    from pystac.extensions.classification import Classification
    from pystac.extensions.mlm import ModelOutput, ResultStructure, TaskType
    from pystac.extensions.raster import DataType

    image_level = model.task.startswith("chip")
    shape = [-1, metadata["outputs"], *([] if image_level else metadata["shape"][2:])]
    dimensions = ["batch", "class", *([] if image_level else ["height", "width"])]
    classes = [
        Classification.create(value, description=name, name=classification_name(name))
        for value, name in model.classes.items()
    ]
    return ModelOutput.create(
        name="classes" if model.classes else "values", tasks=[TaskType(TASKS[model.task])],
        result=ResultStructure.create(shape, dimensions, DataType.FLOAT32), classes=classes or None,
    )  # fmt: skip


def _asset(path: str, checksum: FileChecksum, bands: Sequence[str], export: Mapping[str, Any]) -> Any:
    """Return the asset of a file; `export` holds the fields of a network in another format, empty for other files."""
    import pystac

    suffix = path[path.rfind(".") :]
    media_type, artifact_type = FORMATS.get(suffix, (None, None))
    extra = file_fields(checksum.size, checksum.sha256)
    if media_type:
        extra |= {"mlm:artifact_type": artifact_type, "bands": [{"name": band} for band in bands]}
    extra |= {key: value for key, value in export.items() if key.startswith("mlm:")}
    roles = ["mlm:model", "mlm:weights"] if media_type else ["metadata"]
    other_type = {".json": "application/json", ".yaml": "application/yaml"}.get(suffix)
    title = "best checkpoint" if path == CHECKPOINT else path
    return pystac.Asset(f"./{path}", title, None, media_type or other_type, roles, extra)

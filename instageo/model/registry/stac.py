"""A version as a STAC Item with the extension for machine-learning models (MLM), for catalogues that list such."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from instageo.errors import MissingExtraError
from instageo.model.registry.local_models import CHECKPOINT
from instageo.model.registry.manifest import FileChecksum, ModelVersion, RegisteredModel

ITEM = "item.json"
"""The Item's file in the version's folder."""

TASKS = {
    "segmentation": "semantic-segmentation",
    "regression": "regression",
    "chip_classification": "scene-classification",
    "chip_multilabel": "classification",
    "chip_regression": "regression",
}
"""What MLM calls the tasks."""

FORMATS = {
    ".ckpt": ("application/octet-stream; application=pytorch", "torch.save"),
    ".pt": ("application/octet-stream; application=pytorch", "torch.save"),
    ".pt2": ("application/octet-stream; application=pytorch", "torch.export.save"),
    ".safetensors": ("application/octet-stream; application=safetensors", "safetensors.torch.save_file"),
    ".onnx": ("application/octet-stream; application=onnx", "torch.onnx.export"),
}
"""Media type, and what makes such a file, by its ending: the formats of one model are assets of one Item."""


def stac_item(model: RegisteredModel, size: str, version: ModelVersion) -> dict[str, Any]:
    """The Item of a version, as GeoJSON; its assets lie beside it.

    Args:
        model: The model.
        size: Name of the size.
        version: With the facts that `publishing` gathers.

    Raises:
        MissingExtraError: pystac or its extension is not installed.
    """
    try:
        import pystac
        from pystac.extensions.mlm import MLMExtension, TaskType
    except ImportError as error:
        raise MissingExtraError(
            f"STAC Items need the package {error.name}; install the extra: pip install 'instageo-model[registry]'"
        ) from error
    facts = version.facts
    created = datetime.fromisoformat(str(facts["created"]))
    own = pystac.Item(
        f"{model.key}-{size}-{version.number}", None, None, created,
        {"title": f"{model.name} ({size}) {version.number}", "description": model.description or model.name,
         "version": str(version.number), "license": facts["licence"], "created": _utc(created)},
    )  # fmt: skip
    MLMExtension.ext(own, add_if_missing=True).apply(
        name=f"{model.key} {size}".replace("/", " "), architecture=str(facts["architecture"]),
        tasks=[TaskType(TASKS[model.kind])], input=[_input(facts)], output=[_output(model, facts)],
        framework="PyTorch", framework_version=str(facts["versions"]["torch"]),
        total_parameters=facts["num_params"], pretrained=True,
    )  # fmt: skip
    for path, proof in version.files.items():
        own.add_asset(path, _asset(path, proof, facts["bands"]))
    plain: dict[str, Any] = own.to_dict(include_self_link=False)
    return plain


def _input(facts: Mapping[str, Any]) -> Any:
    from pystac.extensions.mlm import InputStructure, ModelInput, ValueScaling, ValueScalingType
    from pystac.extensions.raster import DataType

    channels, steps, height, width = facts["shape"]
    order = ["batch", "bands", "time", "height", "width"]
    shape = InputStructure.create([-1, channels, steps, height, width], order, DataType.FLOAT32)
    text = f"{steps} date(s), from the oldest; values as in training, no-data as 0 after scaling"
    chips = ModelInput.create("chips", list(facts["bands"]), shape, text)
    chips.properties["value_scaling"] = [  # one per band, which the extension's class does not know yet
        ValueScaling.create(ValueScalingType.Z_SCORE, mean=mean, stddev=std).to_dict()
        for mean, std in zip(facts["mean"], facts["std"], strict=True)
    ]
    return chips


def _output(model: RegisteredModel, facts: Mapping[str, Any]) -> Any:
    from pystac.extensions.classification import Classification
    from pystac.extensions.mlm import ModelOutput, ResultStructure, TaskType
    from pystac.extensions.raster import DataType

    image_level = model.kind.startswith("chip")
    shape = [-1, facts["outputs"], *([] if image_level else facts["shape"][2:])]
    order = ["batch", "class", *([] if image_level else ["height", "width"])]
    classes = [
        Classification.create(value, description=name, name=_class_name(name)) for value, name in model.classes.items()
    ]
    return ModelOutput.create(
        name="classes" if model.classes else "values", tasks=[TaskType(TASKS[model.kind])],
        result=ResultStructure.create(shape, order, DataType.FLOAT32), classes=classes or None,
    )  # fmt: skip


def _asset(path: str, proof: FileChecksum, bands: Sequence[str]) -> Any:
    import pystac

    ending = path[path.rfind(".") :]
    kind, made = FORMATS.get(ending, (None, None))
    extra: dict[str, Any] = {"file:size": proof.size, "file:checksum": f"1220{proof.sha256}"}  # multihash of a sha256
    if kind:
        extra |= {"mlm:artifact_type": made, "bands": [{"name": band} for band in bands]}
    roles = ["mlm:model", "mlm:weights"] if kind else ["metadata"]
    other = {".json": "application/json", ".yaml": "application/yaml"}.get(ending)
    title = "best checkpoint" if path == CHECKPOINT else path
    return pystac.Asset(f"./{path}", title, None, kind or other, roles, extra)


def _class_name(text: str) -> str:
    """What the classification extension takes for a name: letters, digits, `-` and `_`."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in text).strip("-") or "class"


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""What the model of a map is: name, training, scores and limits, as far as they are known."""

from collections.abc import Mapping, Sequence
from typing import Any

from instageo.area_maps.report.elements import Child, Html, element, section

LABELS: Mapping[str, str] = {
    "name": "Name",
    "version": "Version",
    "checkpoint": "Checkpoint",
    "sha256": "Checksum of the checkpoint (SHA-256)",
    "architecture": "Architecture",
    "task": "Task",
    "trained_on": "Trained on",
    "sensor": "Sensor",
    "bands": "Bands",
    "dates": "Dates",
    "resolution_m": "Resolution, m",
    "scores": "Scores",
    "licence": "Licence",
}
"""Titles of the entries that come first, in this order; others follow under their own names."""

WARNINGS = ("limits", "warnings")
"""Entries that hold sentences on what differs from the training."""

SCORE_DIGITS = 4


def model_section(model: Mapping[str, Any]) -> Html:
    """Return the model card."""
    keys = [key for key in LABELS if key in model] + [key for key in model if key not in LABELS]
    warnings = [str(line) for key in WARNINGS for line in _sentences(model.get(key))]
    entries = [
        part
        for key in keys
        if key not in WARNINGS and model[key] not in (None, "", [], {})
        for part in (element("dt", LABELS.get(key, _title(key))), element("dd", _value(model[key])))
    ]
    alerts = [element("p", f"Take care: {line}", class_="warning") for line in warnings]
    missing = [] if model.get("scores") else [element("p", "No scores of this model are known.", class_="warning")]
    return section("The model", "model", *alerts, *missing, element("dl", *entries))


def _value(value: Any) -> Child:
    """Return a value as text, or a mapping as a list of its own."""
    if isinstance(value, Mapping):
        return element("dl", *(part for key, own in value.items()
                               for part in (element("dt", str(key)), element("dd", _value(own)))))  # fmt: skip
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{SCORE_DIGITS}g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(part) for part in value)
    return str(value)


def _sentences(value: Any) -> Sequence[Any]:
    if not value:
        return ()
    return [value] if isinstance(value, str) else list(value)


def _title(key: str) -> str:
    text = str(key).replace("_", " ")
    return text[:1].upper() + text[1:]

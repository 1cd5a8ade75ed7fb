"""What a format of exports is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instageo.model.exports.gate import Runner
from instageo.model.exports.graph import ExportGraph, Feed


@dataclass(frozen=True)
class ExportOptions:
    """What a format's writer needs besides the graph.

    Attributes:
        opset: Operator set of ONNX; None for the format's own.
        calibration: Inputs of real chips for int8; empty for f32.
        metadata: JSON texts by key, stored in the file where the format can.
    """

    opset: int | None = None
    calibration: Sequence[Feed] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExportFormat:
    """A format of exports.

    Attributes:
        suffix: End of the main file's name, after the precision.
        artifact_type: `mlm:artifact_type` of the STAC extension for models.
        packages: Packages whose versions are recorded.
        write: Writes the graph to a path with this suffix, and perhaps further files with the same stem.
        load: Loads the file to run it.
        alternative: Writes the same file in another way, for graphs that `write` converts wrongly; None without one.
        find_obstacle: Returns why a graph cannot be written in this format; None if it can.
        stacked: Whether it takes one input with dates stacked in channels, and pixels divided by 255.
        notes: Returns sentences on what a user of the file must know.
    """

    suffix: str
    artifact_type: str
    packages: tuple[str, ...]
    write: Callable[[ExportGraph, Path, ExportOptions], None]
    load: Callable[[Path], Runner]
    alternative: Callable[[ExportGraph, Path, ExportOptions], None] | None = None
    find_obstacle: Callable[[ExportGraph], str | None] = lambda _: None
    stacked: bool = False
    notes: Callable[[ExportGraph], list[str]] = lambda _: []

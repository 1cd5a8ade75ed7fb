"""Scores as files and on the screen."""

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import Tensor

log = logging.getLogger(__name__)

Line = dict[str, object]


def write_scores(content: Mapping[str, object], lines: Sequence[Line], title: str, folder: Path) -> dict[str, float]:
    """Show lines as a table, and write them as metrics.csv, and the content as metrics.json.

    Returns:
        The scores of all classes together, by name.
    """
    (folder / "metrics.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    with open(folder / "metrics.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    _show(lines, title)
    log.info("scores: %s, metrics.csv", folder / "metrics.json")
    return {name: float(value) for name, value in content.items() if isinstance(value, (int, float))}


def per_class_lines(
    scores: Mapping[str, Tensor], names: Sequence[str], columns: Mapping[str, str], support: str = "pixels"
) -> list[Line]:
    """One line per class and one for the mean over classes; no value where a class has no score.

    Args:
        scores: With `<column>_per_class` and, for the means, the scores that `columns` names.
        names: Of the classes.
        columns: From column to the score that is its mean.
        support: What is counted.
    """
    lines: list[Line] = []
    for position, name in enumerate(names):
        values = {column: round_score(scores[f"{column}_per_class"][position]) for column in columns}
        lines.append({"class": name, support: int(scores["support_per_class"][position]), **values})
    means = {column: round_score(scores[mean]) for column, mean in columns.items()}
    return [*lines, {"class": "mean", support: int(scores["support_per_class"].sum()), **means}]


def round_score(value: Tensor) -> float | None:
    """A score to six digits behind the point; None where there is none."""
    number = float(value)
    return None if number != number else round(number, 6)


def _show(lines: Sequence[Line], title: str) -> None:
    table = Table(title=title)
    for column in lines[0]:
        table.add_column(column, justify="left" if column == "class" else "right")
    for number, line in enumerate(lines):
        if number and number == len(lines) - 1:
            table.add_section()
        table.add_row(*map(_text, line.values()))
    Console().print(table)


def _text(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str("–" if value is None else value)

"""Scores as files and on the terminal."""

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import Tensor

from instageo.files import atomic_path, write_text

log = logging.getLogger(__name__)

Line = dict[str, object]


def write_scores(content: Mapping[str, object], lines: Sequence[Line], title: str, folder: Path) -> dict[str, float]:
    """Print lines as a table, write them to metrics.csv, and write the content to metrics.json.

    Returns:
        The scores that are one number, by name.
    """
    write_text(folder / "metrics.json", json.dumps(content, indent=2) + "\n")
    with atomic_path(folder / "metrics.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    Console().print(_render_table(lines, title))
    log.info("scores: %s, metrics.csv", folder / "metrics.json")
    return {name: float(value) for name, value in content.items() if isinstance(value, (int, float))}


def per_class_lines(
    scores: Mapping[str, Tensor], names: Sequence[str], columns: Mapping[str, str], support: str = "pixels"
) -> list[Line]:
    """Return one line per class and one for the mean over classes; None where a class has no score.

    Args:
        scores: With `<column>_per_class` and, for the means, the scores that `columns` names.
        names: Names of the classes.
        columns: The score that is the mean of each column, by column.
        support: Name of the units that are counted.
    """
    lines: list[Line] = []
    for position, name in enumerate(names):
        values = {column: round_score(scores[f"{column}_per_class"][position]) for column in columns}
        lines.append({"class": name, support: int(scores["support_per_class"][position]), **values})
    means = {column: round_score(scores[mean]) for column, mean in columns.items()}
    return [*lines, {"class": "mean", support: int(scores["support_per_class"].sum()), **means}]


def round_score(value: Tensor) -> float | None:
    """Round a score to six decimals; return None for NaN."""
    number = float(value)
    return None if number != number else round(number, 6)


def _render_table(lines: Sequence[Line], title: str) -> Table:
    """Render lines with a rule above the last, which holds the means."""
    table = Table(title=title)
    for column in lines[0]:
        table.add_column(column, justify="left" if column == "class" else "right")
    for number, line in enumerate(lines):
        if number and number == len(lines) - 1:
            table.add_section()
        table.add_row(*map(_cell_text, line.values()))
    return table


def _cell_text(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str("–" if value is None else value)

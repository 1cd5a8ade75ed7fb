"""Format rows as text and numbers: for the screen, Markdown and a spreadsheet."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from instageo.model.runs.rows import TEACHER, PrimaryMetrics, ReportRow, Spread

LABELS = {"f1": "F1", "rmse": "RMSE", "r2": "R²", "pearson": "Pearson r"}
"""How scores are written, if not by their names."""

SCORES_WITH_UNIT = ("rmse",)
"""Scores in the unit of the label; all others are shares."""

MISSING = "–"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its head, with line breaks for narrow columns.
        text: Returns the cell of a row.
    """

    title: str
    text: Callable[[ReportRow], str]


def cost_columns() -> list[Column]:
    """Return the columns on the cost of a network."""
    return [
        Column("trained", lambda row: row.role),
        Column("params\n(M)", lambda row: f"{row.parameters / 1e6:.2f}"),
        Column("GFLOPs", lambda row: format_digits(row.flops / 1e9)),
        Column("of the\nteacher", lambda row: format_ratio(row.flops_ratio)),
        Column("latency (ms)\n[10–90 %]", _format_latency),
        Column("chips/s", lambda row: format_digits(row.speed.chips_per_second)),
        Column("file\n(MB)", lambda row: f"{row.file_bytes / 1e6:.1f}"),
    ]


def score_columns(metrics: PrimaryMetrics) -> list[Column]:
    """Return the columns on the scores of a network and on the cost of its training."""
    return [
        Column("n", lambda row: str(len(row.runs))),
        *(_score_column(name) for name in metrics.names),
        Column(f"Δ {score_label(metrics.main)}", lambda row: _format_difference(row, metrics.main)),
        Column("training\n(min)", lambda row: _format_spread(_scale(row.training["wall_seconds"], 1 / 60))),
        Column("kWh", lambda row: _format_spread(row.training["energy_kwh"])),
        Column("CO2\n(kg)", lambda row: _format_spread(row.training["co2_kg"])),
    ]


def markdown_table(rows: Sequence[ReportRow], metrics: PrimaryMetrics) -> str:
    """Return one Markdown table with all columns, a line per network."""
    columns = [Column("network", lambda row: row.name), *cost_columns(), *score_columns(metrics)]
    lines = [[column.title.replace("\n", " ") for column in columns], ["---", "---", *["--:"] * (len(columns) - 2)]]
    lines += [[column.text(row).replace("|", "\\|") for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def csv_record(row: ReportRow, metrics: PrimaryMetrics) -> dict[str, object]:
    """Return a line of a spreadsheet: unrounded numbers, with units in the names of their columns."""
    latency = row.speed.latency
    record: dict[str, object] = {
        "name": row.name,
        "role": row.role,
        "runs": len(row.runs),
        "seeds": " ".join(map(str, row.seeds)),
        "parameters": row.parameters,
        "gflops": row.flops / 1e9,
        "flops_of_teacher": row.flops_ratio,
        "latency_ms_median": 1e3 * latency.median,
        "latency_ms_p10": 1e3 * latency.low,
        "latency_ms_p90": 1e3 * latency.high,
        "chips_per_second": row.speed.chips_per_second,
        "file_bytes": row.file_bytes,
        "weight_bytes": row.weight_bytes,
    }
    for name in metrics.names:
        record |= _mean_and_std(name, row.scores[name]) | {f"{name}_less_teacher": row.differences[name]}
    for name, spread in row.training.items():
        record |= _mean_and_std(f"training_{name}", spread)
    return record


def score_label(name: str) -> str:
    """Return how a score is written."""
    return LABELS.get(name, name)


def format_score(spread: Spread | None, name: str) -> str:
    """Return the mean of a score and, for several runs, ± its standard deviation."""
    if spread is None:
        return MISSING
    form = _score_format(name, spread.mean)
    return _with_minus(f"{spread.mean:{form}}" + ("" if spread.std is None else f" ± {spread.std:{form}}"))


def format_ratio(ratio: float) -> str:
    """Return a share of the teacher's operations as a fraction, `1/16` or `1/3.9`; more than all as `2.50 x`."""
    if ratio > 1 / 1.05:
        return "1" if ratio < 1.05 else f"{format_digits(ratio)} x"
    return f"1/{format_digits(1 / ratio, 2)}"


def format_digits(value: float, count: int = 3) -> str:
    """Return a positive number with that many significant digits, without powers of ten above a thousandth."""
    if value >= 10 ** (count - 1):
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.{count}g}" if value < 1e-3 else f"{value:#.{count}g}".rstrip(".")


def _score_column(name: str) -> Column:
    return Column(score_label(name), lambda row: format_score(row.scores[name], name))


def _format_difference(row: ReportRow, name: str) -> str:
    """Return a student's mean score minus the teacher's, with its sign and as many decimals as the mean."""
    difference, spread = row.differences[name], row.scores[name]
    if row.role == TEACHER or difference is None or spread is None:
        return MISSING
    return _with_minus(f"{difference:+{_score_format(name, spread.mean)}}")


def _format_latency(row: ReportRow) -> str:
    """Return the median latency and, in brackets, the 10th and 90th percentile, in milliseconds."""
    latency = row.speed.latency
    low, median, high = (format_digits(1e3 * value) for value in (latency.low, latency.median, latency.high))
    return f"{median} [{low}–{high}]"


def _format_spread(spread: Spread | None) -> str:
    """Return the mean to three digits and, for several runs, ± the standard deviation."""
    if spread is None:
        return MISSING
    return format_digits(spread.mean) + ("" if spread.std is None else f" ± {format_digits(spread.std, 2)}")


def _mean_and_std(name: str, spread: Spread | None) -> dict[str, object]:
    return {f"{name}_mean": spread and spread.mean, f"{name}_std": spread and spread.std}


def _scale(spread: Spread | None, factor: float) -> Spread | None:
    return spread and Spread.of([factor * value for value in spread.values])


def _score_format(name: str, mean: float) -> str:
    """Return a format with four decimals for shares, and with four significant digits for scores with a unit."""
    decimals = 3 - math.floor(math.log10(abs(mean))) if name in SCORES_WITH_UNIT and mean else 4
    return f".{max(decimals, 0)}f"


def _with_minus(text: str) -> str:
    """Return a number with a minus sign in place of the hyphen."""
    return text.replace("-", "−")

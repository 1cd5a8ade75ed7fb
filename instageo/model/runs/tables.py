"""Rows as text and numbers: on the screen, in Markdown, and for a spreadsheet."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from instageo.model.runs.grouping import Spread
from instageo.model.runs.rows import TEACHER, PrimaryMetrics, ReportRow

LABELS = {"f1": "F1", "rmse": "RMSE", "r2": "R²", "pearson": "Pearson r"}
"""How scores are written, where not as they are called."""

IN_UNITS = ("rmse",)
"""Scores that are in the unit of the label, not shares."""

NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its head; a line break may stand where there is little room.
        text: What stands in a row.
    """

    title: str
    text: Callable[[ReportRow], str]


def cost_columns() -> list[Column]:
    """What a network costs."""
    return [
        Column("trained", lambda row: row.role),
        Column("params\n(M)", lambda row: f"{row.parameters / 1e6:.2f}"),
        Column("GFLOPs", lambda row: digits(row.flops / 1e9)),
        Column("of the\nteacher", lambda row: share_text(row.flops_ratio)),
        Column("latency (ms)\n[10–90 %]", latency_text),
        Column("chips/s", lambda row: digits(row.speed.chips_per_second)),
        Column("file\n(MB)", lambda row: f"{row.file_bytes / 1e6:.1f}"),
    ]


def score_columns(headline: PrimaryMetrics) -> list[Column]:
    """How well a network does, and what its training took."""
    main = headline.main
    return [
        Column("n", lambda row: str(len(row.runs))),
        *(_score_column(name) for name in headline.names),
        Column(f"Δ {score_label(main)}", lambda row: difference_text(row, main)),
        Column("training\n(min)", lambda row: spread_text(_scaled(row.training["wall_seconds"], 1 / 60))),
        Column("kWh", lambda row: spread_text(row.training["energy_kwh"])),
        Column("CO2\n(kg)", lambda row: spread_text(row.training["co2_kg"])),
    ]


def markdown_table(rows: Sequence[ReportRow], headline: PrimaryMetrics) -> str:
    """One table to paste, a line per network."""
    columns = [Column("network", lambda row: row.name), *cost_columns(), *score_columns(headline)]
    lines = [[column.title.replace("\n", " ") for column in columns], ["---", "---", *["--:"] * (len(columns) - 2)]]
    lines += [[column.text(row).replace("|", "\\|") for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def csv_record(row: ReportRow, headline: PrimaryMetrics) -> dict[str, object]:
    """A line of a spreadsheet: plain numbers, with units in their names."""
    latency, training = row.speed.latency, row.training
    told: dict[str, object] = {
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
    for name in headline.names:
        told |= _numbers(name, row.scores[name]) | {f"{name}_less_teacher": row.differences[name]}
    for name, spread in training.items():
        told |= _numbers(f"training_{name}", spread)
    return told


def score_label(name: str) -> str:
    """How a score is written."""
    return LABELS.get(name, name)


def score_text(spread: Spread | None, name: str) -> str:
    """Mean and, of several runs, ± standard deviation."""
    if spread is None:
        return NOTHING
    form = _form(name, spread.mean)
    return _minus(f"{spread.mean:{form}}" + ("" if spread.std is None else f" ± {spread.std:{form}}"))


def difference_text(row: ReportRow, name: str) -> str:
    """A student's mean less the teacher's, with its sign, as many digits behind the point as the mean has."""
    value, spread = row.differences[name], row.scores[name]
    return (
        NOTHING
        if row.role == TEACHER or value is None or spread is None
        else _minus(f"{value:+{_form(name, spread.mean)}}")
    )


def share_text(ratio: float) -> str:
    """A share of the teacher's operations, as one over something: `1/16`, `1/3.9`; above it `2.5 x`."""
    if ratio > 1 / 1.05:
        return "1" if ratio < 1.05 else f"{digits(ratio)} x"
    return f"1/{digits(1 / ratio, 2)}"


def latency_text(row: ReportRow) -> str:
    """Median and, in brackets, where eight of ten calls lie, in milliseconds."""
    latency = row.speed.latency
    low, median, high = (digits(1e3 * value) for value in (latency.low, latency.median, latency.high))
    return f"{median} [{low}–{high}]"


def spread_text(spread: Spread | None) -> str:
    """Mean and, of several runs, ± standard deviation, to three digits."""
    if spread is None:
        return NOTHING
    return digits(spread.mean) + ("" if spread.std is None else f" ± {digits(spread.std, 2)}")


def digits(value: float, count: int = 3) -> str:
    """A positive number to so many digits, never in powers of ten above a thousandth."""
    if value >= 10 ** (count - 1):
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.{count}g}" if value < 1e-3 else f"{value:#.{count}g}".rstrip(".")


def _score_column(name: str) -> Column:
    return Column(score_label(name), lambda row: score_text(row.scores[name], name))


def _numbers(name: str, spread: Spread | None) -> dict[str, object]:
    return {f"{name}_mean": spread and spread.mean, f"{name}_std": spread and spread.std}


def _scaled(spread: Spread | None, factor: float) -> Spread | None:
    return spread and Spread.of([factor * value for value in spread.values])


def _form(name: str, mean: float) -> str:
    """Four digits behind the point of shares; of values in the unit of the label as many as make four in all."""
    behind = 3 - math.floor(math.log10(abs(mean))) if name in IN_UNITS and mean else 4
    return f".{max(behind, 0)}f"


def _minus(text: str) -> str:
    return text.replace("-", "−")

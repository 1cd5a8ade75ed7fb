"""What a reader of a report must know before comparing."""

from collections.abc import Sequence

from instageo.model.comparison.rows import Row
from instageo.model.comparison.runs import TrainedRun

ENERGY_HINT = (
    "energy and CO2 are known of trainings that measured them: train with energy=true energy_country=… (three letters)"
)


def caveats(rows: Sequence[Row], groups: Sequence[Sequence[TrainedRun]], *, scored_anew: bool) -> list[str]:
    """Sentences; `scored_anew` tells that all runs were scored on one table."""
    runs = [run for group in groups for run in group]
    notes = [] if scored_anew else _notes_on_tables(runs)
    sizes = {row.chip for row in rows}
    if len(sizes) > 1:
        told = "; ".join(f"{row.name} {chip_text(row.chip)}" for row in rows)
        notes.append(f"operations and times are of chips of different sizes: {told}")
    for group in groups:
        seeds = [run.seed for run in group]
        if len(set(seeds)) < len(seeds):
            same = ", ".join(run.name for run in group)
            notes.append(f"runs of one row share a seed, so that their spread is no spread over seeds: {same}")
    for run in runs:
        status = run.account.get("status")
        if run.account.get("mode") == "train" and status != "finished":
            notes.append(f"{run.name}: its training did not finish ({status})")
        if run.file_bytes > 1.5 * run.weight_bytes:
            notes.append(f"{run.name}: the file holds more than weights, such as an optimiser's state")
    if any(row.training["energy_kwh"] is None for row in rows):
        notes.append(ENERGY_HINT)
    return notes


def _notes_on_tables(runs: Sequence[TrainedRun]) -> list[str]:
    tables = {run.scored_table for run in runs}
    unknown = [run.name for run in runs if run.scored_table is None]
    notes = []
    if len(tables - {None}) > 1:
        notes.append("the scores are of different tables, so that they do not compare: score all on one with --table")
    if unknown:
        notes.append(f"nothing tells which table the scores are of: {', '.join(unknown)}")
    return notes


def chip_text(chip: Sequence[int]) -> str:
    """A chip in words."""
    bands, dates, height, width = chip
    return f"{bands} bands × {dates} date{'s' if dates > 1 else ''} × {height} × {width} pixels"

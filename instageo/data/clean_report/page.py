"""The report of a cleaning as a page of HTML with pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from instageo.data.cleaning.checks import CHECKS, Judged
from instageo.files import write_text
from instageo.wording import counted

PAGE, PICTURES = "clean_report.html", "pictures"

MOST_PICTURES, MOST_ROWS = 12, 50
"""Chips with a picture, and rows of a table, for each check."""

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .6rem 0; } td, th { padding: .2rem .7rem; text-align: left; }
th { border-bottom: 2px solid #999; } td { border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
td.number { text-align: right; } .drop { color: #c8352b; font-weight: 600; } .warn { color: #a86a00; }
.group { color: #3b6ea5; } .sheet { display: flex; flex-wrap: wrap; gap: .8rem; } figure { margin: 0; width: 190px; }
figure img { width: 100%; height: 150px; object-fit: contain; background: #f3f3f3; image-rendering: pixelated; }
figcaption { font-size: 12px; overflow-wrap: anywhere; } img.wide { max-width: 100%; } code { background: #f3f3f3; }
"""

MEANINGS: Mapping[str, str] = {
    "readable": "files that cannot be read, or whose layers are not dates of bands",
    "nodata": "pixels without an observation, at a date or at all dates",
    "cloud": "few clear pixels, by the quality layers or the columns clear_1, …",
    "labelled": "no observed pixel has a label",
    "constant": "a band has one value everywhere",
    "range": "implausible reflectance, another scale, or an offset that was not removed",
    "saturated": "pixels at the maximum of their type, or bright in three bands",
    "stripes": "lines of zeros at the border, or lines that are repeated",
    "duplicate": "the same pixels at the same place and dates",
    "near_duplicate": "images that look the same",
    "overlap": "chips that share ground; they belong in the same part of a split",
    "registration": "a date, or the label, is shifted against the image",
    "grid": "label on another grid, missing coordinates, dates or layers",
    "classes": "rare classes, and labels that are no class",
    "outlier": "means of a band that are far from those of the table",
    "mislocated": "lat, lon of the table are not where the file lies",
}
"""What each check finds."""


@dataclass(frozen=True)
class ReportContent:
    """What a report shows.

    Attributes:
        record: Content of `clean.json`.
        findings: All findings.
        pictures: Path of the picture of a chip, relative to the page, by number of its row.
        figures: Title and path of each figure.
    """

    record: Mapping[str, Any]
    findings: Sequence[Judged]
    pictures: Mapping[int, str]
    figures: Sequence[tuple[str, str]]


def worst(findings: Sequence[Judged], check: str, most: int) -> list[Judged]:
    """Return the worst findings of a check, the worst first."""
    own = [entry for entry in findings if entry.check == check]
    return sorted(own, key=lambda entry: (-entry.finding.severity, entry.finding.chip.row.number))[:most]


def write_page(folder: Path, content: ReportContent) -> Path:
    """Write `clean_report.html`."""
    record = content.record
    title = f"Checks of {escape(str(record['table']))}"
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>",
        f"<h1>{title}</h1>",
        f"<p>{counted(record['chips'], 'chip')}, {record['chips_with_findings']} with findings, "
        f"{record['chips_to_drop']} to drop; {counted(record['chips_in_groups'], 'chip')} in "
        f"{counted(record['groups'], 'group')} that belong together.</p>",
        _counts(record),
        _remarks(record["remarks"]),
        _classes(record.get("classes", {})),
        *(f"<h2>{escape(name)}</h2><img class=wide src='{escape(path)}' alt='{escape(name)}'>"
          for name, path in content.figures),
        *(_section(check, content) for check in CHECKS if record["checks"][check]),
        "</html>",
    ]  # fmt: skip
    path = folder / PAGE
    write_text(path, "\n".join(part for part in parts if part) + "\n")
    return path


def _counts(record: Mapping[str, Any]) -> str:
    rows = []
    for check, counts in record["checks"].items():
        cells = "".join(f"<td class=number>{counts.get(verdict, '')}</td>" for verdict in ("drop", "warn", "group"))
        name = f"<a href='#{check}'>{check}</a>" if counts else check
        rows.append(f"<tr><td>{name}</td>{cells}<td>{escape(MEANINGS[check])}</td></tr>")
    return f"<table><tr><th>check<th>drop<th>warn<th>group<th>what it finds</tr>{''.join(rows)}</table>"


def _remarks(remarks: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(remark)}</li>" for remark in remarks)
    return f"<h2>Not checked, and remarks</h2><ul>{items}</ul>" if items else ""


def _classes(classes: Mapping[str, Mapping[str, float]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td class=number>{counts['chips']}</td>"
        f"<td class=number>{counts['share']:.2%}</td></tr>"
        for name, counts in classes.items()
    )
    return f"<h2>Classes</h2><table><tr><th>class<th>chips<th>share</tr>{rows}</table>" if rows else ""


def _section(check: str, content: ReportContent) -> str:
    entries = worst(content.findings, check, MOST_ROWS)
    number = sum(content.record["checks"][check].values())
    more = f"<p>The worst {MOST_ROWS} of {number}.</p>" if number > MOST_ROWS else ""
    shown = [entry for entry in entries[:MOST_PICTURES] if entry.finding.chip.row.number in content.pictures]
    sheet = "".join(_picture(entry, content.pictures[entry.finding.chip.row.number]) for entry in shown)
    rows = "".join(
        f"<tr><td class=number>{entry.finding.chip.row.number}</td><td>{escape(entry.finding.chip.row.name)}</td>"
        f"<td>{escape(entry.finding.value)}</td><td class={entry.verdict}>{entry.verdict}</td></tr>"
        for entry in entries
    )
    table = f"<table><tr><th>row<th>chip<th>found<th>verdict</tr>{rows}</table>"
    return f"<h2 id={check}>{check}</h2><p>{escape(MEANINGS[check])}</p>{more}<div class=sheet>{sheet}</div>{table}"


def _picture(entry: Judged, path: str) -> str:
    name, value = escape(entry.finding.chip.row.name), escape(entry.finding.value)
    return f"<figure><img src='{escape(path)}' alt='{name}'><figcaption>{name}<br>{value}</figcaption></figure>"

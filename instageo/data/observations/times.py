"""Dates and times in the cells of tables, in UTC."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from instageo.errors import ConfigError
from instageo.table import cell_text
from instageo.wording import counted

SPREADSHEET = "spreadsheet"
"""Format of dates that are the day numbers of spreadsheets: 45428 is 2024-05-16."""

DAY_ZERO = datetime(1899, 12, 30, tzinfo=UTC)
SERIALS = 20_000.0, 80_000.0
"""Day numbers of 1954 to 2119, by which they are recognised."""

_ORDERS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%d{0}%m{0}%y", "%m{0}%d{0}%y", "%Y{0}%m{0}%d")
GUESSES = (*(order.format(separator) for separator in "/.-" for order in _ORDERS), "%d %b %Y", "%d %B %Y", "%b %d, %Y")
"""Formats that are proposed for dates that are not ISO."""


@dataclass
class TimeParser:
    """Reads times of a column.

    Attributes:
        format: Format of the dates as of `strptime`, or `spreadsheet`; None for ISO dates.
        without_zone: Cells with a time of the day and without a zone, so far.
        dated: Results so far, by text, with whether a zone is missing.
    """

    format: str | None = None
    without_zone: int = 0
    dated: dict[str, tuple[datetime, bool]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.format not in (None, SPREADSHEET) and "%" not in str(self.format):
            raise ConfigError(f"date_format={self.format} has no fields; write it as %d/%m/%Y, or {SPREADSHEET}")

    def parse(self, value: object) -> datetime:
        """Return the time in a cell, UTC; midnight for dates.

        Raises:
            ValueError: It is empty or not in the expected format; the message is the end of a sentence.
        """
        if isinstance(value, datetime):
            return self._in_utc(value)
        if isinstance(value, date):
            return datetime.combine(value, time(), UTC)
        text = cell_text(value)
        if not text:
            raise ValueError("is empty")
        if text not in self.dated:
            self.dated[text] = self._parse_text(text)
        result, lacks_zone = self.dated[text]
        self.without_zone += lacks_zone
        return result

    def notes(self) -> list[str]:
        """Return remarks for the user."""
        if not self.without_zone:
            return []
        return [f"{counted(self.without_zone, 'time')} without a time zone read as UTC"]

    def _in_utc(self, parsed: datetime) -> datetime:
        self.without_zone += _lacks_zone(parsed)
        return _utc(parsed)

    def _parse_text(self, text: str) -> tuple[datetime, bool]:
        """Return a time in UTC, and whether its zone is missing."""
        try:
            if self.format == SPREADSHEET:
                parsed = DAY_ZERO + timedelta(seconds=round(float(text) * 86_400))
            else:
                parsed = datetime.strptime(text, self.format) if self.format else datetime.fromisoformat(text)
            return _utc(parsed), _lacks_zone(parsed)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"is '{text[:40]}', {_explain(text, self.format)}") from error


def _utc(parsed: datetime) -> datetime:
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _lacks_zone(parsed: datetime) -> bool:
    return parsed.tzinfo is None and parsed.time() != time()


def _explain(text: str, expected: str | None) -> str:
    """Return why a text is not a date, and what to do."""
    if expected:
        return f"which is not in the format {expected}"
    if re.fullmatch(r"\d{5}([.,]\d+)?", text) and SERIALS[0] <= float(text.replace(",", ".")) <= SERIALS[1]:
        day = DAY_ZERO + timedelta(days=float(text.replace(",", ".")))
        return f"a day number of a spreadsheet ({day:%Y-%m-%d}?); pass --date-format {SPREADSHEET}, or write ISO dates"
    fitting = [guess for guess in GUESSES if _fits(text, guess)]
    if len(fitting) > 1:
        meanings = " or ".join(f"{datetime.strptime(text, guess):%Y-%m-%d}" for guess in fitting)
        return f"which may be {meanings}; pass --date-format {' or '.join(fitting)}"
    if fitting:
        return f"which is not an ISO date; pass --date-format {fitting[0]}"
    return "which is not an ISO date such as 2024-05-16 or 2024-05-16T10:15:00Z"


def _fits(text: str, guess: str) -> bool:
    try:
        datetime.strptime(text, guess)
    except ValueError:
        return False
    return True

"""Numbers in the cells of tables, with decimal points or commas."""

import math
import re
from collections.abc import Iterable

from instageo.errors import TableError
from instageo.table import cell_text

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_NOT_FINITE = re.compile(r"[+-]?(inf|infinity|∞)", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


def parse_number(value: object, decimal: str) -> float:
    """Return the number in a cell.

    Args:
        value: Text, or a number of a format that has numbers.
        decimal: Decimal separator of texts.

    Raises:
        ValueError: The cell is empty, or no finite number; the message is the end of a sentence.
    """
    if decimal == "." and isinstance(value, str) and _NUMBER.fullmatch(value) and math.isfinite(float(value)):
        return float(value)
    text = cell_text(value)
    if not text:
        raise ValueError("is empty")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        text = repr(float(value))
    else:
        plain = text.replace("−", "-").replace("\u00a0", "")
        text = plain.replace(",", ".") if decimal == "," and "." not in plain else plain
    if _NOT_FINITE.fullmatch(text) or (_NUMBER.fullmatch(text) and not math.isfinite(float(text))):
        raise ValueError(f"is {text[:40]}, which is not finite")
    if not _NUMBER.fullmatch(text) or (decimal == "," and "." in cell_text(value) and isinstance(value, str)):
        advice = "; pass --decimal , if commas separate decimals" if "," in text and decimal == "." else ""
        raise ValueError(f"is '{cell_text(value)[:40]}', which is not a number{advice}")
    return float(text)


def detect_decimal(table: str, values: Iterable[object], *, is_degrees: bool) -> str:
    """Return the decimal separator of coordinates: a comma where commas occur and no points.

    Args:
        table: The file, for messages.
        values: Cells of coordinates.
        is_degrees: Whether they are degrees, of which none has thousands.

    Raises:
        TableError: Commas might also separate thousands.
    """
    texts = [value for value in values if isinstance(value, str) and ("," in value or "." in value)]
    if not texts or any("." in text for text in texts):
        return "."
    if not is_degrees and all(_THOUSANDS.fullmatch(text.strip()) for text in texts):
        raise TableError(
            f"{table}: the comma in {texts[0].strip()} may separate decimals or thousands; pass --decimal , or "
            "write numbers without separators of thousands"
        )
    return ","

"""Parse table files (CSV, JSON, Parquet) into records, one dictionary of columns per row."""

import csv
import io
import json
from collections.abc import Callable, Sequence

from instageo.errors import MissingExtraError, TableError
from instageo.extras import missing_extra

Records = list[dict[str, object]]


def read_csv(content: bytes, where: str) -> Records:
    """Parse UTF-8 text with a header line; spaces around column names are ignored."""
    try:
        stream = io.StringIO(content.decode("utf-8-sig"), newline="")
        return [{(name or "").strip(): value for name, value in record.items()} for record in csv.DictReader(stream)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{where}: cannot be read as CSV ({error}); expected UTF-8 text with a header line") from error


def read_json(content: bytes, where: str) -> Records:
    """Parse a list of records, or an object that holds one list of records under a key."""
    try:
        parsed = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise TableError(f"{where}: cannot be read as JSON ({error}); expected a list of records") from error
    if isinstance(parsed, dict):
        record_lists = [value for value in parsed.values() if isinstance(value, list) and _are_records(value)]
        if len(record_lists) != 1:
            raise TableError(
                f"{where}: {len(record_lists)} of the keys {list(parsed)} hold records; expected a list of records, "
                "or an object with the records under one key"
            )
        parsed = record_lists[0]
    if not isinstance(parsed, list) or not _are_records(parsed):
        raise TableError(f"{where}: expected a list of records such as [{{'Input': 'chip.tif'}}]")
    return parsed


def read_parquet(content: bytes, where: str) -> Records:
    """Parse a Parquet file; values have Python's own types."""
    try:
        from pyarrow import lib, parquet
    except ImportError as error:
        raise MissingExtraError(f"{missing_extra(where, 'data', error)}, or save the table as CSV") from error
    try:
        records: Records = parquet.read_table(io.BytesIO(content)).to_pylist()
    except (lib.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise TableError(f"{where}: cannot be read as Parquet ({reason}); expected a Parquet file") from error
    return records


READERS: dict[str, Callable[[bytes, str], Records]] = {
    ".csv": read_csv,
    ".json": read_json,
    ".parquet": read_parquet,
    ".pq": read_parquet,
}
"""Parser by file ending; its arguments are the content of the file, and the file's name for messages."""


def _are_records(content: Sequence[object]) -> bool:
    return all(isinstance(record, dict) for record in content)

"""Records of table files, a dictionary of columns each: CSV, JSON, Parquet."""

import csv
import io
import json
from collections.abc import Callable, Sequence

from instageo.errors import MissingExtraError, TableError

Records = list[dict[str, object]]


def read_csv(content: bytes, where: str) -> Records:
    """Records of UTF-8 text with a header line; spaces around column names do not count."""
    try:
        stream = io.StringIO(content.decode("utf-8-sig"), newline="")
        return [{(name or "").strip(): value for name, value in record.items()} for record in csv.DictReader(stream)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{where}: cannot be read as CSV ({error}); expected UTF-8 text with a header line") from error


def read_json(content: bytes, where: str) -> Records:
    """Records of a list, or of an object that holds one list of records under a key."""
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise TableError(f"{where}: cannot be read as JSON ({error}); expected a list of records") from error
    if isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list) and _are_records(value)]
        if len(lists) != 1:
            raise TableError(
                f"{where}: keys {list(found)}, of which {len(lists)} hold records; expected a list of records, "
                "or an object with the records under one key"
            )
        found = lists[0]
    if not isinstance(found, list) or not _are_records(found):
        raise TableError(f"{where}: expected a list of records such as [{{'Input': 'chip.tif'}}]")
    return found


def read_parquet(content: bytes, where: str) -> Records:
    """Records of a Parquet file, in Python's own types."""
    try:
        from pyarrow import lib, parquet
    except ImportError as error:
        raise MissingExtraError(
            f"{where}: Parquet tables need the package pyarrow; install the extra: pip install 'instageo-model[data]', "
            "or save the table as CSV"
        ) from error
    try:
        records: Records = parquet.read_table(io.BytesIO(content)).to_pylist()
    except (lib.ArrowException, OSError) as error:
        raise TableError(
            f"{where}: cannot be read as Parquet ({_first_line(error)}); expected a Parquet file"
        ) from error
    return records


READERS: dict[str, Callable[[bytes, str], Records]] = {
    ".csv": read_csv,
    ".json": read_json,
    ".parquet": read_parquet,
    ".pq": read_parquet,
}
"""Function that reads the content of a file with this ending; its second argument is the file's name for messages."""


def _are_records(content: Sequence[object]) -> bool:
    return all(isinstance(record, dict) for record in content)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0]

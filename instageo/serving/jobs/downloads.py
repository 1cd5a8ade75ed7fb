"""Responses with files of jobs: one file, or all of them as a ZIP archive that is written while it is sent."""

import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from fastapi.responses import FileResponse, Response, StreamingResponse

from instageo.serving.jobs.store import PUBLISHED

CHUNK_BYTES = 1 << 20

INLINE = (".html", ".png")
"""Suffixes of files that browsers show; they save others."""

POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Policy of files: a report runs without the origin of this server, and can request nothing from anywhere."""

HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}


def file_response(path: Path, *, save: bool = False) -> Response:
    """Build the response with a file.

    Args:
        path: The file.
        save: Whether browsers save it even if they could show it.
    """
    kind = "inline" if path.suffix in INLINE and not save else "attachment"
    headers = HEADERS | {"Content-Disposition": f"{kind}; {_name(path.name)}"}
    return FileResponse(path, headers=headers, media_type=PUBLISHED[path.suffix])


def zip_response(files: Sequence[tuple[str, Path]], name: str) -> Response:
    """Build the response with an archive of files.

    Args:
        files: Names in the archive, and paths.
        name: Name under which browsers save it.
    """
    headers = HEADERS | {"Content-Disposition": f"attachment; {_name(name)}"}
    return StreamingResponse(zip_chunks(files), headers=headers, media_type="application/zip")


def zip_chunks(files: Sequence[tuple[str, Path]]) -> Iterator[bytes]:
    """Yield an archive piece by piece, in the memory of a few pieces; nothing is compressed, since maps are already."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:  # type: ignore[call-overload]
        for name, path in files:
            entry = zipfile.ZipInfo(name, time.gmtime(max(path.stat().st_mtime, 315_532_800))[:6])  # 1980, the earliest
            entry.external_attr = 0o644 << 16
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while chunk := source.read(CHUNK_BYTES):
                    target.write(chunk)
                    yield sink.take()
    yield sink.take()


class _Sink:
    """What an archive is written to; it cannot seek."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing."""

    def take(self) -> bytes:
        """Return what was written since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _name(name: str) -> str:
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._- ") else "_" for letter in name)
    return f"filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"

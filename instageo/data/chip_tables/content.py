"""Files of several parts that have the same bytes under different paths."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEAD_BYTES = 65_536
"""Bytes that are compared before whole files are."""

Files = Sequence[tuple[str, int]]
"""Path and part of each file."""


def same_content(
    locations: Sequence[str], part: NDArray[np.intp]
) -> Mapping[tuple[int, int], Sequence[tuple[str, str]]]:
    """Return pairs of files with the same bytes in two parts, by the pair of parts; each file of the second part once.

    Files that are missing, remote or in no part are left out. Few files are read: only those of equal size in two
    parts, and wholly only those with the same beginning.
    """
    files = {(name, int(number)) for name, number in zip(locations, part, strict=True) if number >= 0}
    folders = {folder for folder in {name.rpartition("/")[0] for name, _ in files} if Path(folder or ".").is_dir()}
    groups: Iterable[Files] = [sorted(entry for entry in files if entry[0].rpartition("/")[0] in folders)]
    for key in (_size, _hash_head, _hash_file):
        groups = [group for files in groups for group in _group(files, key)]
    result: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
    for group in groups:
        first = {number: name for name, number in reversed(group)}
        for one, other in combinations(sorted(first), 2):
            names = [name for name, number in group if number == other and name != first[one]]
            result[one, other] += [(first[one], name) for name in names]
    return {pair: names for pair, names in result.items() if names}


def _group(files: Files, key: Callable[[str], Hashable]) -> list[Files]:
    """Return the groups of files of equal key, that are in several parts under several paths."""
    groups: dict[Hashable, list[tuple[str, int]]] = defaultdict(list)
    for name, number in files:
        try:
            groups[key(name)].append((name, number))
        except OSError:
            continue
    return [
        group for group in groups.values()
        if len({number for _, number in group}) > 1 and len({name for name, _ in group}) > 1
    ]  # fmt: skip


def _size(name: str) -> int:
    return Path(name).stat().st_size


def _hash_head(name: str) -> bytes:
    with open(name, "rb") as file:
        return sha256(file.read(HEAD_BYTES)).digest()


def _hash_file(name: str) -> bytes:
    digest = sha256()
    with open(name, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()

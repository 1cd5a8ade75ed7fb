"""Read a recipe from YAML."""

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from instageo.errors import RegistryError
from instageo.extras import required_by
from instageo.recipes.definition.recipe import (
    PUBLISHED,
    REBUILT,
    DownloadSource,
    ListedFile,
    Origin,
    Published,
    Recipe,
    RecipeError,
    Step,
)
from instageo.recipes.definition.settings import read_settings
from instageo.recipes.definition.values import check_keys, items, mapping, path_below, text, texts
from instageo.recipes.preparation.steps import STEPS

KEYS = ("name", "title", "task", "licence", "preset", "settings", "published", "chips")
TASKS = ("segmentation", "regression")
PARTS = ("train", "val", "test")
ORIGIN_KEYS = ("size", "places", "needs", "steps", "root", "tables", "settings", "notes")

SCHEMES = ("gs", "s3", "az", "https", "http", "hf")

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HUGGING_FACE = re.compile(r"hf://datasets/[\w.-]+/[\w.-]+(@[\w./-]+)?")


def parse_recipe(content: bytes, path: Path) -> Recipe:
    """Return the recipe in a file.

    Raises:
        RecipeError: It is not a recipe; the message says where and what was expected.
    """
    with required_by("instageo recipe", "registry"):
        import ruamel.yaml  # noqa: F401
    from instageo.model.registry.yaml_io import load_yaml

    try:
        values = mapping(load_yaml(content), "the file", f"a mapping with the keys {', '.join(KEYS)}")
        return _parse(values, path, sha256(content).hexdigest())
    except (RecipeError, RegistryError) as error:
        raise RecipeError(f"{path}: is not a recipe: {error}") from error


def _parse(values: Mapping[str, Any], path: Path, digest: str) -> Recipe:
    check_keys(values, "the recipe", KEYS, ("name", "title", "task", "licence", "chips"))
    name, task = text(values["name"], "name"), text(values["task"], "task")
    if not _NAME.fullmatch(name):
        raise RecipeError(f"name is '{name}'; expected small letters, digits and '-'")
    if task not in TASKS:
        raise RecipeError(f"task is '{task}'; expected {' or '.join(TASKS)}")
    chips = mapping(values["chips"], "chips", f"{PUBLISHED}, {REBUILT} or both")
    check_keys(chips, "chips", (PUBLISHED, REBUILT))
    return Recipe(
        name=name,
        title=text(values["title"], "title"),
        task=task,
        licence=text(values["licence"], "licence"),
        origins={key: _origin(chips[key], f"chips.{key}") for key in (PUBLISHED, REBUILT) if key in chips},
        preset=_preset(values.get("preset", "config")),
        settings=read_settings(values.get("settings"), "settings"),
        published=_published(values["published"]) if values.get("published") is not None else None,
        path=path,
        sha256=digest,
    )


def _preset(value: object) -> str:
    preset = text(value, "preset")
    if not re.fullmatch(r"\w+", preset):
        raise RecipeError(f"preset is '{preset}'; expected the name of a configuration of the program")
    return preset


def _origin(value: object, where: str) -> Origin:
    values = mapping(value, where, "places, steps, …")
    check_keys(values, where, ORIGIN_KEYS, ("steps",))
    needs = mapping(values.get("needs") or {}, f"{where}.needs", "a description of each file that the user brings")
    tables = mapping(values.get("tables") or {}, f"{where}.tables", "a table for each of train, val and test")
    check_keys(tables, f"{where}.tables", PARTS)
    return Origin(
        size=text(values["size"], f"{where}.size") if "size" in values else "",
        places=tuple(
            _download_source(entry, f"{where}.places[{number}]")
            for number, entry in enumerate(items(values.get("places"), f"{where}.places"))
        ),
        needs={path_below(key, f"{where}.needs"): text(what, f"{where}.needs.{key}") for key, what in needs.items()},
        steps=tuple(
            _step(step, f"{where}.steps[{number}]")
            for number, step in enumerate(items(values["steps"], f"{where}.steps"))
        ),
        root=path_below(values.get("root", "."), f"{where}.root"),
        tables={part: path_below(tables.get(part, f"{part}.csv"), f"{where}.tables.{part}") for part in PARTS},
        settings=read_settings(values.get("settings"), f"{where}.settings"),
        notes=texts(values.get("notes"), f"{where}.notes"),
    )


def _download_source(value: object, where: str) -> DownloadSource:
    values = mapping(value, where, "url, and match or files")
    check_keys(values, where, ("url", "match", "files", "to"), ("url",))
    url = text(values["url"], f"{where}.url").rstrip("/")
    scheme, separator, rest = url.partition("://")
    if scheme not in SCHEMES or not separator or not rest or "?" in url or "@" in rest.partition("/")[0]:
        raise RecipeError(f"{where}.url is '{url}'; expected a folder at {', '.join(f'{s}://' for s in SCHEMES)}")
    if scheme == "hf" and not _HUGGING_FACE.fullmatch(url):
        raise RecipeError(f"{where}.url is '{url}'; expected hf://datasets/OWNER/NAME, or …@REVISION")
    files = tuple(
        _file(file, f"{where}.files[{number}]")
        for number, file in enumerate(items(values.get("files"), f"{where}.files"))
    )
    match = texts(values.get("match"), f"{where}.match")
    if bool(files) == bool(match):
        raise RecipeError(f"{where}: expected either match, patterns of names, or files, their names")
    if match and scheme in ("http", "https"):
        raise RecipeError(f"{where}: web servers do not list their files; expected files, not match")
    return DownloadSource(url, match, files, path_below(values.get("to", "."), f"{where}.to"))


def _file(value: object, where: str) -> ListedFile:
    if isinstance(value, str):
        return ListedFile(path_below(value, where))
    values = mapping(value, where, "a name, or path, size and sha256")
    check_keys(values, where, ("path", "size", "sha256"), ("path",))
    size, digest = values.get("size"), values.get("sha256")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise RecipeError(f"{where}.size is {size!r}; expected a number of bytes")
    if digest is not None and not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
        raise RecipeError(f"{where}.sha256 is {digest!r}; expected 64 hexadecimal digits in lower case")
    return ListedFile(path_below(values["path"], f"{where}.path"), size, digest)


def _step(value: object, where: str) -> Step:
    values = mapping(value, where, f"one of {', '.join(STEPS)} with its options")
    if len(values) != 1:
        raise RecipeError(f"{where} has {len(values)} keys; expected one of {', '.join(STEPS)} with its options")
    check_keys(values, where, tuple(STEPS))
    [(kind, content)] = values.items()
    options = mapping(content or {}, f"{where}.{kind}", "options by name")
    STEPS[kind].check(options, f"{where}.{kind}")
    return Step(kind, options)


def _published(value: object) -> Published:
    values = mapping(value, "published", "scores and source")
    check_keys(values, "published", ("scores", "source", "notes"), ("scores", "source"))
    scores = mapping(values["scores"], "published.scores", "a number for each score")
    for name, score in scores.items():
        if not isinstance(score, int | float) or isinstance(score, bool):
            raise RecipeError(f"published.scores.{name} is {score!r}; expected a number, percent")
    return Published(
        {name: float(score) for name, score in scores.items()},
        text(values["source"], "published.source"),
        texts(values.get("notes"), "published.notes"),
    )

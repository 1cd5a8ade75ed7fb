"""The scenes that a user names, and where their maps are written."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path, PurePosixPath

from instageo.errors import ConfigError, DataError
from instageo.locations import is_remote
from instageo.model.scenes.scene_input import SceneFiles
from instageo.products.find import find_product
from instageo.table import read_table
from instageo.table_formats import READERS
from instageo.wording import counted

RASTER_SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2")
"""Endings of the rasters that a folder of scenes may hold."""

OTHER_FILES = (".png", ".jpg", ".jpeg", ".jp2", ".vrt", ".img", ".nc", ".zarr", ".zip", ".gpkg", ".geojson", ".parquet")
"""Endings of files that someone might expect maps to be."""


def list_scenes(
    names: Sequence[str],
    band_files: Sequence[str],
    days: Sequence[date],
    num_dates: int,
    has_all_dates: Callable[[str], bool],
) -> list[SceneFiles]:
    """Return the scenes that a user names.

    Args:
        names: Rasters, folders or archives of products, URLs, folders of rasters, and tables with the column `Input`.
        band_files: `NAME=PATH` of single-band files, in place of `names`; a name repeated for each date.
        days: Acquisition dates; for several scenes those of all.
        num_dates: Dates that the model takes.
        has_all_dates: Returns whether a raster has the layers of all dates.

    Raises:
        ConfigError: Neither or both are given, or dates do not fit.
        DataError: A scene is missing, a folder or table has none, or files cannot be grouped by dates.
    """
    if bool(names) == bool(band_files):
        found_what = "both scenes and single-band files are named" if names else "no scene is named"
        raise ConfigError(f"{found_what}; name scenes, or the single-band files of one scene with band")
    if band_files:
        return [_scene_of_bands(band_files, tuple(days), num_dates)]
    found: list[SceneFiles] = []
    single: list[str] = []
    for name in names:
        expanded = _expand(name)
        if expanded is not None:
            found += expanded
        elif num_dates == 1 or has_all_dates(name):
            found.append(SceneFiles(scene_name(name), (name,)))
        else:
            single.append(name)
    if len(single) % num_dates:
        raise DataError(
            f"{counted(len(single), 'raster', 'are')} of one date, but the scenes of the model have {num_dates}; name "
            f"{num_dates} for each scene, in the order of their dates"
        )
    found += [
        SceneFiles(scene_name(single[start]), tuple(single[start : start + num_dates]))
        for start in range(0, len(single), num_dates)
    ]
    return _with_days(found, days, num_dates) if days else found


def scene_name(location: str) -> str:
    """Return the name of a file or folder without the ending of a raster, a product or an archive."""
    name = PurePosixPath((location.partition("?")[0] if is_remote(location) else location).rstrip("/")).name
    for suffix in (".zip", ".SAFE", *RASTER_SUFFIXES):
        if name.lower().endswith(suffix.lower()) and len(name) > len(suffix):
            name = name[: -len(suffix)]
    return name


def map_paths(scenes: Sequence[SceneFiles], output: str) -> list[Path]:
    """Return the path of the map of each scene.

    Args:
        scenes: The scenes.
        output: A path that ends in `.tif` for the map of one scene, else a folder.

    Raises:
        ConfigError: One file is named for several scenes, or it is a URL or of another format.
        DataError: Two scenes have the same name.
    """
    if is_remote(output):
        raise ConfigError(f"{output}: maps are written to local disks; write there, and copy the finished files")
    path = Path(output).expanduser()
    if path.suffix.lower() in (".tif", ".tiff") and not path.is_dir():
        if len(scenes) > 1:
            raise ConfigError(f"{path}: is one file, but there are {len(scenes)} scenes; name a folder")
        return [path]
    if path.suffix.lower() in OTHER_FILES or path.is_file():
        raise ConfigError(f"{path}: maps are GeoTIFFs; name a file that ends in .tif, or a folder")
    names = [scene.name for scene in scenes]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"{path}: several scenes are called {repeated[0]}; map them into folders of their own")
    return [path / f"{name}.tif" for name in names]


def check_not_scene(scenes: Sequence[SceneFiles], paths: Sequence[Path]) -> None:
    """Check that no map would overwrite a file of a scene.

    Raises:
        DataError: One would.
    """
    inputs = {
        Path(file).expanduser().resolve()
        for scene in scenes
        for files in scene.dates
        for file in ([files] if isinstance(files, str) else files.values())
        if not is_remote(file)
    }
    for path in paths:
        if path.resolve() in inputs:
            raise DataError(f"{path}: the map would overwrite the scene; choose another output")


def _expand(name: str) -> list[SceneFiles] | None:
    """Return the scenes of a table or of a folder of rasters; None for a raster or a product."""
    if is_remote(name):
        return None
    path = Path(name)
    if not name or not path.exists():
        raise DataError(f"{name or 'a scene without a name'}: no such file or folder; check the path")
    if path.is_file() and path.suffix.lower() in READERS:
        rows = read_table(name, path.parent, need_label=False)
        return [SceneFiles(scene_name(row.input), (row.input,), tuple(row.dates)) for row in rows]
    if find_product(path) is not None:
        return None
    if path.suffix.lower() == ".zip":
        raise DataError(f"{path}: holds no known product; name a raster in it as /vsizip/{path.absolute()}/NAME.tif")
    if not path.is_dir():
        return None
    rasters = sorted(str(file) for file in path.iterdir() if file.suffix.lower() in RASTER_SUFFIXES)
    products = sorted(str(folder) for folder in path.iterdir() if _is_product(folder))
    if not rasters and not products:
        raise DataError(f"{path}: holds no raster and no known product; name rasters, or single-band files with band")
    return [SceneFiles(scene_name(file), (file,)) for file in [*rasters, *products]]


def _is_product(path: Path) -> bool:
    return (path.is_dir() or path.suffix.lower() == ".zip") and find_product(path) is not None


def _scene_of_bands(band_files: Sequence[str], days: tuple[date, ...], num_dates: int) -> SceneFiles:
    dates: list[dict[str, str]] = [{} for _ in range(num_dates)]
    for text in band_files:
        name, _, path = text.partition("=")
        free = next((files for files in dates if name not in files), None)
        if free is None:
            raise DataError(f"band {name}: named more than {counted(num_dates, 'time')}, once for each date")
        free[name] = path
    return SceneFiles(scene_name(next(iter(dates[0].values()))), tuple(dates), days)


def _with_days(scenes: Sequence[SceneFiles], days: Sequence[date], num_dates: int) -> list[SceneFiles]:
    if len(days) == num_dates:
        return [SceneFiles(scene.name, scene.dates, tuple(days)) for scene in scenes]
    if len(days) != num_dates * len(scenes):
        raise ConfigError(
            f"{counted(len(days), 'date', 'are')} given for {counted(len(scenes), 'scene')} of {num_dates}"
        )
    return [
        SceneFiles(scene.name, scene.dates, tuple(days[start : start + num_dates]))
        for scene, start in zip(scenes, range(0, len(days), num_dates), strict=True)
    ]

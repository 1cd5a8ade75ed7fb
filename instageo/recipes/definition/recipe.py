"""What a recipe says: where its data are, how they become tables, how a network is trained, what was published."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from instageo.errors import InstaGeoError

PUBLISHED, REBUILT = "published", "rebuilt"
"""Origins of a recipe's chips: as published, or made from catalogues of satellite images."""


FOLDER = Path(__file__).parents[1] / "recipes"
"""Folder of the recipes that come with the program."""


SCORES = {
    "segmentation": {"mIoU": "mIoU", "accuracy": "Acc", "f1": "mF1", "roc_auc": "ROC-AUC"},
    "regression": {"rmse": "RMSE", "mae": "MAE", "r2": "R²", "pearson": "Pearson r"},
}
"""Scores of each task as in `metrics.json`, and as they are written."""

MISSING = "–"
"""A figure that is not there."""


class RecipeError(InstaGeoError):
    """A recipe is unknown or malformed, or cannot be prepared or run."""


@dataclass(frozen=True)
class ListedFile:
    """A file that a recipe names.

    Attributes:
        path: Its path below the URL of the source.
        size: Its bytes, if known.
        sha256: The hash of its content in hexadecimal, if known.
    """

    path: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class DownloadSource:
    """A public location that files are downloaded from.

    Attributes:
        url: Folder: `gs://`, `s3://`, `az://`, `https://`, or `hf://datasets/OWNER/NAME` at Hugging Face, with
            `@REVISION` behind it for another revision than `main`.
        match: Patterns of paths below the URL, such as `*.tif`; `*` also matches `/`.
        files: Files by name, for sources that are not listed.
        to: Folder that the files go to, relative to the recipe's folder.
    """

    url: str
    match: tuple[str, ...] = ()
    files: tuple[ListedFile, ...] = ()
    to: str = "."


@dataclass(frozen=True)
class Step:
    """A command of the preparation.

    Attributes:
        kind: Key of `STEPS` in `instageo.recipes.preparation.steps`.
        options: Its options.
    """

    kind: str
    options: Mapping[str, object]


@dataclass(frozen=True)
class Origin:
    """Where the chips of a recipe come from.

    Attributes:
        size: Size of the download in words; empty if it is not known.
        places: Where the files are downloaded from.
        needs: Files that the user brings, relative to the folder, and what they hold.
        steps: Commands that make tables of it.
        root: Folder that paths in the tables start from, relative to the recipe's folder.
        tables: Table of each part (train, val, test), relative to `root`; a part may be that of another.
        settings: Settings for these chips, `group.key: value`, in addition to those of the recipe.
        notes: What is assumed, or could not be verified.
    """

    size: str = ""
    places: tuple[DownloadSource, ...] = ()
    needs: Mapping[str, str] | None = None
    steps: tuple[Step, ...] = ()
    root: str = "."
    tables: Mapping[str, str] | None = None
    settings: Mapping[str, object] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """Published figures.

    Attributes:
        scores: In percent, by the names of `metrics.json`.
        source: Where they are from.
        notes: How the published run is known to differ from this recipe, or what is not known of it.
    """

    scores: Mapping[str, float]
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A result to be reproduced.

    Attributes:
        name: Its name.
        title: What it maps.
        task: segmentation or regression.
        licence: Licence of the data; says so if it is not known.
        origins: Origins of its chips by name, the default first.
        preset: Configuration that the settings differ from.
        settings: Settings that differ from it, `group.key: value`.
        published: Published figures, if there are any.
        path: Its file.
        sha256: Hash of its file.
    """

    name: str
    title: str
    task: str
    licence: str
    origins: Mapping[str, Origin]
    preset: str
    settings: Mapping[str, object]
    published: Published | None
    path: Path
    sha256: str

    @property
    def is_shipped(self) -> bool:
        """Whether it comes with the program."""
        return self.path.parent == FOLDER

    @property
    def argument(self) -> str:
        """What names it on the command line."""
        return self.name if self.is_shipped else str(self.path)

    def origin(self, name: str | None) -> tuple[str, Origin]:
        """Return name and content of an origin; without a name, of the default.

        Raises:
            RecipeError: The recipe has no such origin.
        """
        chosen = name or next(iter(self.origins))
        if chosen not in self.origins:
            raise RecipeError(f"{self.name}: has no chips '{chosen}'; choose one of {', '.join(self.origins)}")
        return chosen, self.origins[chosen]

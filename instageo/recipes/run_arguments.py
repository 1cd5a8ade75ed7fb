"""Arguments of `instageo run` that train and score a recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instageo.errors import did_you_mean
from instageo.recipes.definition.recipe import Recipe, RecipeError
from instageo.recipes.definition.settings import to_override
from instageo.recipes.preparation.folder import table_paths

RUNS, OWN = "runs", "recipe"
"""Folder of all runs, and the name of those with the network of the recipe itself."""

ALSO_IN_SCORING = (
    "accelerator", "devices", "precision", "strategy", "compile", "dataloader.num_workers", "dataloader.on_bad_row",
    "dataloader.cache_dir",
)  # fmt: skip

SHAPE = ("model.model_name", "model.head", "model.head_channels", "model.depth", "model.embed_dim")
"""Settings of the recipe's network that a student has its own of."""


STUDENTS = ("tiny", "student", "normal")
"""Sizes that are distilled from the network of the recipe."""

RESERVED = (
    "mode", "seed", "root_dir", "train_filepath", "valid_filepath", "test_filepath", "checkpoint_path", "output_dir",
    "train.resume", "train.overwrite", "train.distillation", "train.teacher_ckpt_path", "model.size",
)  # fmt: skip
"""Settings that the command sets itself."""


@dataclass(frozen=True)
class Job:
    """What the runs of a call have in common.

    Attributes:
        recipe: The recipe.
        folder: Its folder.
        origin: Origin of its chips.
        overrides: Settings of the user.
    """

    recipe: Recipe
    folder: Path
    origin: str
    overrides: tuple[str, ...]

    @property
    def root(self) -> Path:
        """Folder that paths in the tables start from."""
        return self.folder / self.recipe.origins[self.origin].root

    def table(self, part: str) -> Path:
        """Return the table of a part."""
        return table_paths(self.recipe.origins[self.origin], self.folder)[part]

    def seed_folder(self, size: str | None, seed: int) -> Path:
        """Return the folder of a training."""
        return self.folder / RUNS / (size or OWN) / f"seed_{seed}"


def training_arguments(job: Job, seed: int, size: str | None) -> list[str]:
    """Return the arguments of `instageo run` that train with a seed."""
    origin = job.recipe.origins[job.origin]
    settings = {**job.recipe.settings, **(origin.settings or {})}
    if size:
        settings = {key: value for key, value in settings.items() if key not in SHAPE} | {
            "model.size": size,
            "train.distillation": True,
            "train.teacher_ckpt_path": str(job.seed_folder(None, seed)),
        }
    tables = [f"train_filepath={job.table('train')}", f"valid_filepath={job.table('val')}"]
    preset = [] if job.recipe.preset == "config" else [f"--config-name={job.recipe.preset}"]
    own = [to_override(key, value) for key, value in settings.items() if key not in _keys(job.overrides)]
    return [*preset, f"root_dir={job.root}", *tables, f"seed={seed}", *own, *job.overrides]


def scoring_arguments(job: Job, checkpoint: Path) -> list[str]:
    """Return the arguments of `instageo run` that score the test table."""
    scoring_overrides = [override for override in job.overrides if override.partition("=")[0] in ALSO_IN_SCORING]
    return [
        "mode=eval",
        f"root_dir={job.root}",
        f"test_filepath={job.table('test')}",
        f"checkpoint_path={checkpoint}",
        *scoring_overrides,
    ]


def _keys(overrides: Sequence[str]) -> set[str]:
    return {override.partition("=")[0] for override in overrides}


def seeds_from_text(text: str) -> list[int]:
    """Return seeds written with commas between them.

    Raises:
        RecipeError: A part is not a whole number of 0 or more, or is repeated.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 10 for part in parts) or len(set(map(int, parts))) < len(parts):
        raise RecipeError(f"--seeds {text} does not work; expected different whole numbers such as 1,2,3")
    return [int(part) for part in parts]


def check_arguments(size: str | None, overrides: Sequence[str]) -> None:
    """Check what a user passes to `instageo recipe run`.

    Raises:
        RecipeError: The size is unknown, or a setting is malformed or set by the recipe.
    """
    if size is not None and size not in STUDENTS:
        own = "; the recipe itself trains the teacher" if size == "teacher" else did_you_mean(size, STUDENTS)
        raise RecipeError(f"size '{size}' is unknown; choose one of {', '.join(STUDENTS)}{own}")
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals or override.startswith("-"):
            raise RecipeError(f"'{override}' is unknown; expected settings, key=value, such as train.num_epochs=20")
        if key in RESERVED or key.startswith("hydra"):
            raise RecipeError(f"{key} is set by the recipe; leave it out, or use instageo run")

"""Settings in a recipe, as differences from a preset: data alone, nothing that names code or files."""

from collections.abc import Mapping
from typing import Any

from instageo.recipes.definition.recipe import RecipeError
from instageo.recipes.definition.values import mapping

GROUPS = ("train", "model", "dataloader", "distill")

TOP = ("is_reg_task", "precision")
"""Settings outside of groups that a recipe may have."""

OWN = (
    "train.resume", "train.overwrite", "train.distillation", "train.teacher_ckpt_path", "model.weights", "model.size",
    "dataloader.augmentations.own", "dataloader.cache_dir",
)  # fmt: skip
"""Settings that name code or files of the user, or that `run` sets itself."""

LOSS = "train.loss"
"""Setting whose value may name code: `FILE.py:NAME` or `package.module:NAME`."""


def read_settings(value: object, where: str) -> dict[str, Any]:
    """Return settings as `group.key: value`.

    Raises:
        RecipeError: A setting is unknown, or names code or files.
    """
    from instageo.model.settings.keys import flatten, group_keys, is_setting, unknown_key_message

    content = mapping(value or {}, where, "settings by group, as in a preset")
    settings = flatten(content)
    for key, setting in settings.items():
        if not is_setting(key) or key in group_keys():
            raise RecipeError(f"{where}: {unknown_key_message(key)}")
        if key not in TOP and (key.partition(".")[0] not in GROUPS or key in OWN):
            raise RecipeError(f"{where}: {key} is not for recipes; pass it on the command line")
        _check_value(setting, f"{where}.{key}", is_loss=key == LOSS)
    return settings


def to_override(key: str, value: Any) -> str:
    """Return `key=value` as a user would type it.

    Examples:
        >>> to_override("model.class_names", ["water", "no water"]), to_override("dataloader.mean", None)
        ('model.class_names=["water","no water"]', 'dataloader.mean=null')
    """
    return f"{key}={_word(value, nested=False)}"


def _word(value: Any, *, nested: bool) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_word(part, nested=True)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_word(part, nested=True) for part in value) + "]"
    if isinstance(value, str) and nested:
        return f'"{value}"'
    return str(value)


def _check_value(value: Any, where: str, *, is_loss: bool) -> None:
    """Refuse interpolations, quotes and code in texts."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            _check_value(key, where, is_loss=is_loss)
            _check_value(part, where, is_loss=is_loss)
    elif isinstance(value, list):
        for part in value:
            _check_value(part, where, is_loss=is_loss)
    elif isinstance(value, str):
        if any(character in value for character in ("${", '"', "'", "\\", "\n")):
            raise RecipeError(f"{where} is '{value}'; expected plain text without $, quotes and line breaks")
        if is_loss and (":" in value or "." in value or "/" in value):
            raise RecipeError(f"{where} is '{value}'; a recipe names losses of the program, no code")
    elif not isinstance(value, int | float | bool | None):
        raise RecipeError(f"{where} is {value!r}; expected a number, a text, true or false, or a list of these")

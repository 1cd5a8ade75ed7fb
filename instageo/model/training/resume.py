"""Finding the state a training run goes on from, and making sure that it is of the same run."""

import logging
from pathlib import Path

from instageo.errors import CheckpointError
from instageo.model.checkpoint import LAST
from instageo.model.config import differing, read_yaml
from instageo.model.plain import SECTION, read_plain
from instageo.model.settings import Settings

log = logging.getLogger(__name__)

MAY_DIFFER = (
    "train.resume", "train.num_epochs", "train.early_stopping", "dataloader.num_workers", "accelerator", "devices",
    "strategy", "compile", "model.gradient_checkpointing", "mode", "root_dir", "output_dir", "test_filepath",
    "checkpoint_path", "energy", "energy_country", "logger", "tracking.uri", "tracking.experiment", "tracking.name",
    "tracking.mode", "tracking.upload", "train.lr_find.min", "train.lr_find.max", "train.lr_find.steps",
)  # fmt: skip
"""Settings that a resumed run may change: how long and where it runs, not what it learns."""


def to_resume(settings: Settings, folder: Path) -> Path | None:
    """The checkpoint to go on from; None for a new run.

    Args:
        settings: `train.resume` is false, true, or the path of a `last.ckpt` or of its folder. True looks in the run's
            own folder, then for the newest run of exactly these settings beside it.
        folder: Folder of the run.

    Raises:
        CheckpointError: The file named does not exist, cannot be resumed from, or is of a run with other settings.
    """
    wish = settings.train.resume
    if isinstance(wish, str):
        path = Path(wish).expanduser()
        return _usable(path / f"{LAST}.ckpt" if path.is_dir() else path, settings)
    if not wish:
        return None
    own = folder / f"{LAST}.ckpt"
    if own.is_file():
        return _usable(own, settings)
    stored = {path: path.parent / ".hydra" / "config.yaml" for path in folder.parent.parent.glob(f"*/*/{LAST}.ckpt")}
    fitting = [
        path
        for path, config in stored.items()
        if config.is_file() and not differing(settings, read_yaml(config), ["train.resume"])
    ]
    if not fitting:
        log.warning("train.resume=true: no %s.ckpt of these settings near %s; starting anew", LAST, folder)
        return None
    return _usable(max(fitting, key=lambda path: path.stat().st_mtime), settings)


def _usable(path: Path, settings: Settings) -> Path:
    if not path.is_file():
        raise CheckpointError(f"train.resume={path}: no such checkpoint; expected a {LAST}.ckpt or its folder")
    content = read_plain(path, CheckpointError)
    if "optimizer_states" not in content:
        raise CheckpointError(f"{path}: holds weights alone; training resumes from the {LAST}.ckpt beside it")
    other = differing(settings, content.get(SECTION, {}).get("run", {}), MAY_DIFFER)
    if other:
        key, theirs, mine = other
        raise CheckpointError(
            f"{path}: its run has {key}={theirs}, but {key}={mine} was asked for; resume with the same settings, or "
            "start a new run from its weights with checkpoint_path"
        )
    done = int(content.get("epoch", -1)) + 1
    if done >= settings.train.num_epochs:
        log.warning("%s has all %d epochs; nothing is left to train", path, done)
    else:
        log.info("resuming %s after epoch %d of %d", path, done, settings.train.num_epochs)
    return path

"""Finding the state a training run goes on from, and making sure that it is of the same run."""

import logging
from pathlib import Path

from instageo.errors import CheckpointError
from instageo.model.backbones.torch_files import METADATA_KEY, read_tensor_file
from instageo.model.networks.checkpoint import LAST
from instageo.model.settings import Settings
from instageo.model.settings.compose import first_difference, read_yaml
from instageo.model.settings.roles import FREE_ON_RESUME

log = logging.getLogger(__name__)


def find_resume_checkpoint(settings: Settings, folder: Path) -> Path | None:
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
        if config.is_file() and not first_difference(settings, read_yaml(config), ["train.resume"])
    ]
    if not fitting:
        log.warning("train.resume=true: no %s.ckpt of these settings near %s; starting anew", LAST, folder)
        return None
    return _usable(max(fitting, key=lambda path: path.stat().st_mtime), settings)


def _usable(path: Path, settings: Settings) -> Path:
    if not path.is_file():
        raise CheckpointError(f"train.resume={path}: no such checkpoint; expected a {LAST}.ckpt or its folder")
    content = read_tensor_file(path, CheckpointError)
    if "optimizer_states" not in content:
        raise CheckpointError(f"{path}: holds weights alone; training resumes from the {LAST}.ckpt beside it")
    other = first_difference(settings, content.get(METADATA_KEY, {}).get("run", {}), FREE_ON_RESUME)
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

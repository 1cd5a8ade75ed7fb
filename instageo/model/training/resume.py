"""Find the checkpoint from which a run resumes, and check that it belongs to a run with the same settings."""

import logging
from collections.abc import Mapping
from pathlib import Path

from instageo.errors import CheckpointError
from instageo.model.backbones.torch_files import METADATA_KEY, read_tensor_file
from instageo.model.networks.checkpoint import FORMAT, LAST, checked_metadata, with_current_head
from instageo.model.settings import Scheduler, Settings
from instageo.model.settings.compose import first_difference, read_yaml
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import keys_with, with_current_names
from instageo.model.settings.run_settings import AUTO_PRECISION
from instageo.wording import counted

log = logging.getLogger(__name__)


def find_resume_checkpoint(settings: Settings, folder: Path) -> Path | None:
    """Return the checkpoint from which to resume, or None for a new run.

    Args:
        settings: `train.resume` is false, true, or the path of a `last.ckpt` or of its folder. True searches the run's
            own folder, then the folders next to it for the newest run with exactly these settings.
        folder: Folder of the run.

    Raises:
        CheckpointError: The named file does not exist, cannot be resumed, or belongs to a run with other settings.
    """
    resume = settings.train.resume
    if isinstance(resume, str):
        path = Path(resume).expanduser()
        return _check_resumable(path / f"{LAST}.ckpt" if path.is_dir() else path, settings)
    if not resume:
        return None
    own = folder / f"{LAST}.ckpt"
    if own.is_file():
        return _check_resumable(own, settings)
    configs = {path: path.parent / ".hydra" / "config.yaml" for path in folder.parent.parent.glob(f"*/*/{LAST}.ckpt")}
    matching = [
        path
        for path, config in configs.items()
        if config.is_file() and not first_difference(settings, read_yaml(config), ["train.resume", *_chosen(settings)])
    ]
    if not matching:
        log.warning("train.resume=true: no %s.ckpt of these settings near %s; starting a new run", LAST, folder)
        return None
    return _check_resumable(max(matching, key=lambda path: path.stat().st_mtime), settings)


def _chosen(settings: Settings) -> list[str]:
    """Return the keys whose values a resumed run takes from its checkpoint."""
    return ["precision"] if settings.precision == AUTO_PRECISION else []


def _check_resumable(path: Path, settings: Settings) -> Path:
    """Return the path of a checkpoint that can be resumed with these settings."""
    if not path.is_file():
        raise CheckpointError(f"train.resume={path}: the file does not exist; expected a {LAST}.ckpt or its folder")
    content = read_tensor_file(path, CheckpointError)
    if "optimizer_states" not in content:
        raise CheckpointError(f"{path}: contains weights only; resume from the {LAST}.ckpt in the same folder")
    run, metadata = checked_metadata(path, content)["run"], content.get(METADATA_KEY)
    keys = {key.removeprefix("net.") for key in content.get("state_dict", {})}
    stored = with_current_head(with_current_names(run), keys)
    written_as = metadata.get("format", FORMAT) if isinstance(metadata, Mapping) else FORMAT
    epoch = content.get("epoch", -1)
    if not isinstance(written_as, int) or not isinstance(epoch, int):
        raise CheckpointError(f"{path}: its format or epoch is not a whole number; it was not loaded")
    if written_as < FORMAT and (settings.train.ema_decay is not None or settings.train.scheduler is Scheduler.plateau):
        raise CheckpointError(
            f"{path}: was written by an earlier version, whose averages and plateaus cannot be resumed exactly; "
            "start a new run from its weights with checkpoint_path"
        )
    other = first_difference(settings, stored, [*keys_with(Role.free_on_resume), *_chosen(settings)])
    if other:
        key, stored_value, value = other
        raise CheckpointError(
            f"{path}: its run has {key}={stored_value}, but you passed {key}={value}; resume with the same settings, "
            "or start a new run from its weights with checkpoint_path"
        )
    num_finished = epoch + 1
    if num_finished > settings.train.num_epochs:
        raise CheckpointError(
            f"{path}: its run has finished {counted(num_finished, 'epoch')}, but you passed "
            f"train.num_epochs={settings.train.num_epochs}; pass {num_finished} or more, or start a new run in another "
            "folder"
        )
    if num_finished == settings.train.num_epochs:
        log.warning("%s has finished all %s; nothing is left to train", path, counted(num_finished, "epoch"))
    else:
        log.info("resuming %s after epoch %d of %d", path, num_finished, settings.train.num_epochs)
    return path

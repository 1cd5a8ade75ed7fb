"""Claim the folder of a run, so that results of one training never mix with those of another."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from instageo.errors import RunFolderError
from instageo.files import write_text
from instageo.model.networks.checkpoint import BEST, LAST
from instageo.model.registry.names import is_registry_name
from instageo.model.settings import Mode, Settings
from instageo.model.tracking.environment import is_first_process
from instageo.stores.lock import LockedError, hold_folder

HYDRA = ".hydra"
"""Folder of a run's configuration, and of its lock."""

CHECKPOINTS = f"{BEST}.ckpt", f"{LAST}.ckpt"

RESULTS = (
    *CHECKPOINTS, "history.csv", "learning_curve.png", "metrics.json", "metrics.csv", "confusion_matrix.png",
    "scatter.png", "tensorboard",
)  # fmt: skip
"""Files and folders that describe the model of a training."""


@contextmanager
def claim_folder(settings: Settings, folder: Path, configuration: Mapping[str, str]) -> Iterator[None]:
    """Claim the folder of a run while this block runs, or refuse it; of several processes, only the first claims it.

    A training holds its folder alone. Its results may be continued (`train.resume`), or replaced by a new training
    (`train.overwrite`). Other modes may add the scores and maps of the model in the folder.

    Args:
        settings: Settings of the run.
        folder: Its folder.
        configuration: Files of `.hydra/` by name; those of a training stay when another mode uses its folder.

    Raises:
        RunFolderError: The folder is in use, or holds results of another model.
        WriteError: The disk refuses a file.
    """
    with ExitStack() as stack:
        if not is_first_process():
            configuration = {}
        elif settings.mode is Mode.train:
            stack.enter_context(lock_folder(folder))
            _check_unused(settings, folder)
        elif has_training(folder):
            _check_same_model(settings, folder)
            configuration = {}
        for name, text in configuration.items():
            write_text(folder / HYDRA / name, text)
        yield


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for writing a model, and remove what a killed process has left of one half-written.

    Raises:
        RunFolderError: Another process holds it.
        WriteError: The disk refuses the lock.
    """
    try:
        with hold_folder(folder / HYDRA):
            for path in folder.glob(".*.part"):
                path.unlink(missing_ok=True)
            yield
    except LockedError as error:
        raise RunFolderError(
            f"{folder}: is being used by another run ({error}); wait for its end, or choose another folder"
        ) from error


def has_training(folder: Path) -> bool:
    """Return whether a folder holds a checkpoint of a training."""
    return any((folder / name).is_file() for name in CHECKPOINTS)


def remove_results(folder: Path, *, keep: str = "") -> None:
    """Remove what describes the model of a training from a folder, except the file `keep`."""
    for path in [folder / name for name in (*RESULTS, "run.json") if name != keep]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _check_unused(settings: Settings, folder: Path) -> None:
    train, results = settings.train, [name for name in RESULTS if (folder / name).exists()]
    resumes = train.resume is True or (train.resume and _is_in(folder, train.resume))
    if not results or train.overwrite or (resumes and (folder / CHECKPOINTS[1]).is_file()):
        return
    raise RunFolderError(
        f"{folder}: holds results of another run ({', '.join(results[:3])}{', …' if results[3:] else ''}); choose "
        "another folder with hydra.run.dir=…, continue its training with train.resume=true, or replace it with "
        "train.overwrite=true"
    )


def _check_same_model(settings: Settings, folder: Path) -> None:
    source = settings.checkpoint_path
    if settings.mode not in (Mode.eval, Mode.chip_inference, Mode.map) or not source:
        return
    if is_registry_name(source) or not _is_in(folder, source):
        raise RunFolderError(
            f"{folder}: holds another model than checkpoint_path={source}, and its scores would be mistaken for that "
            "model's; choose another folder with hydra.run.dir=…"
        )


def _is_in(folder: Path, source: str) -> bool:
    """Return whether a path is that of a folder or of a file in it."""
    path = Path(source).expanduser().resolve()
    return folder.resolve() in (path, path.parent)

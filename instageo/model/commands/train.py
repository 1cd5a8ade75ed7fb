"""`mode=train`: fine-tune a network and write its best checkpoint, history and scores."""

import logging
from contextlib import nullcontext
from pathlib import Path

from instageo.errors import ConfigError
from instageo.model.commands.evaluate import score
from instageo.model.context import Run
from instageo.model.inference.predictor import predictor_from_settings
from instageo.model.inspection.report import TableReport
from instageo.model.networks.checkpoint import BEST
from instageo.model.run_folder.claim import lock_folder, remove_results
from instageo.model.settings import Settings, require_settings
from instageo.model.settings.compose import update_settings
from instageo.model.tasks.from_settings import task_from_settings
from instageo.model.tracking.environment import is_first_process
from instageo.model.tracking.loggers import check_loggers_available, finalize_loggers
from instageo.model.tracking.network_summary import record_network
from instageo.model.training.build import build_training
from instageo.model.training.from_settings import trainer_from_settings
from instageo.model.training.precision import with_precision
from instageo.model.training.resume import find_resume_checkpoint
from instageo.model.training.setup import prepare_training
from instageo.model.training.trainer import best_score, check_sweep_direction
from instageo.wording import counted

log = logging.getLogger(__name__)


def train(run: Run) -> float:
    """Train on `train_filepath`, choose the best epoch on `valid_filepath`, and score it there.

    Writes `instageo_best_checkpoint.ckpt`, `last.ckpt`, `history.csv`, `learning_curve.png`, `tensorboard/` and the
    files of `mode=eval`.

    Returns:
        The best epoch's score, by which a sweep compares runs.
    """
    require_settings(run.settings, "root_dir", "train_filepath", "valid_filepath")
    newest = find_resume_checkpoint(run.settings, run.folder)
    folder = newest.parent if newest else run.folder
    elsewhere = is_first_process() and folder.resolve() != run.folder.resolve()
    with lock_folder(folder) if elsewhere else nullcontext():
        return _train(run, folder, newest)


def _train(run: Run, folder: Path, newest: Path | None) -> float:
    """Train in a folder that this run holds, from the newest checkpoint in it if there is one."""
    run.info.folder, run.info.resumed = folder, newest is not None
    check_loggers_available(run.settings)
    inputs = with_precision(prepare_training(run), newest)
    monitor = task_from_settings(inputs.settings).monitor  # a checkpoint to start from may decide the task
    run.info.monitor = monitor.name, monitor.mode
    if run.sweep:
        check_sweep_direction(run.sweep, monitor)
    if run.settings.train.overwrite and is_first_process():
        remove_results(folder)
    trainer = trainer_from_settings(inputs.settings, folder, monitor, run.info)  # seconds of imports, so only now
    if run.sweep and trainer.world_size > 1:
        raise ConfigError(f"the jobs of a sweep (-m) run on one device each, not {trainer.world_size}; add devices=1")
    if len(inputs.val_table.rows) < trainer.world_size:
        chips = counted(len(inputs.val_table.rows), "validation chip")
        raise ConfigError(f"{chips} cannot be shared by {trainer.world_size} devices; use fewer devices")
    module, data = build_training(inputs)
    record_network(run.info, inputs.settings, module.net)
    try:
        trainer.fit(module, data, ckpt_path=newest, weights_only=True)
    except SystemExit as stop:  # how Lightning answers Ctrl-C
        raise KeyboardInterrupt from stop
    if trainer.is_global_zero:
        run.info.scores = _finish(inputs.settings, folder, inputs.val_table)
        finalize_loggers(
            trainer.loggers, run.info.scores, folder / f"{BEST}.ckpt", upload=inputs.settings.tracking.upload
        )
    return best_score(trainer)


def _finish(settings: Settings, folder: Path, val_table: TableReport) -> dict[str, float]:
    best = folder / f"{BEST}.ckpt"
    predictor = predictor_from_settings(update_settings(settings, {"checkpoint_path": str(best)}), frozenset())
    scores = predictor.task.write_report(score(predictor, val_table), folder)
    log.info("best checkpoint: %s", best)
    return scores

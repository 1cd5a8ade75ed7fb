"""`mode=train`: fine-tune a network and leave its best checkpoint, history and scores."""

import logging
from pathlib import Path

from instageo.errors import ConfigError
from instageo.model.accounts.network import note_network
from instageo.model.building import build_parts
from instageo.model.check import TableReport
from instageo.model.checkpoint import BEST
from instageo.model.commands.evaluate import score
from instageo.model.config import overlay
from instageo.model.predictor import predictor_from
from instageo.model.preparation import prepare
from instageo.model.settings import Run, Settings, require
from instageo.model.tasks.choose import task_of
from instageo.model.training.loggers import conclude, refuse_loggers
from instageo.model.training.resume import to_resume
from instageo.model.training.trainer import best_score, build_trainer, refuse_direction

log = logging.getLogger(__name__)


def train(run: Run) -> float:
    """Train on `train_filepath`, choose the best epoch on `valid_filepath`, and score it there.

    Leaves `instageo_best_checkpoint.ckpt`, `last.ckpt`, `history.csv`, `learning_curve.png`, `tensorboard/` and the
    files of `mode=eval`.

    Returns:
        The best epoch's score, by which a sweep chooses.
    """
    require(run.settings, "root_dir", "train_filepath", "valid_filepath")
    newest = to_resume(run.settings, run.folder)
    folder = newest.parent if newest else run.folder
    run.notes.folder, run.notes.resumed = folder, newest is not None
    refuse_loggers(run.settings)
    parts = prepare(run)
    monitor = task_of(parts.settings).monitor  # a checkpoint to start from may decide the task
    if run.sweep:
        refuse_direction(run.sweep, monitor)
    trainer = build_trainer(parts.settings, folder, monitor, run.notes)  # seconds of imports, so only now
    if run.sweep and trainer.world_size > 1:
        raise ConfigError(f"the jobs of a sweep (-m) run on one device each, not {trainer.world_size}; add devices=1")
    if len(parts.judge.rows) < trainer.world_size:
        raise ConfigError(
            f"{len(parts.judge.rows)} validation chips cannot be shared by {trainer.world_size} devices; use fewer"
        )
    module, data = build_parts(parts)
    note_network(run.notes, parts.settings, module.net)
    try:
        trainer.fit(module, data, ckpt_path=newest, weights_only=True)
    except SystemExit as stop:  # how Lightning answers Ctrl-C
        raise KeyboardInterrupt from stop
    if trainer.is_global_zero:
        run.notes.scores = _finish(parts.settings, folder, parts.judge)
        conclude(trainer.loggers, run.notes.scores, folder / f"{BEST}.ckpt", upload=parts.settings.tracking.upload)
    return best_score(trainer)


def _finish(settings: Settings, folder: Path, judge: TableReport) -> dict[str, float]:
    best = folder / f"{BEST}.ckpt"
    predictor = predictor_from(overlay(settings, {"checkpoint_path": str(best)}), frozenset())
    scores = predictor.task.report(score(predictor, judge), folder)
    log.info("best checkpoint: %s", best)
    return scores

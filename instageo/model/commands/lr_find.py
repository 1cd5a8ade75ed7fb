"""`mode=lr_find`: which learning rate to train at, by a range test."""

import csv
import json
import logging
import sys

from instageo.model.context import Run
from instageo.model.figures.curves import range_test_figure
from instageo.model.settings import require_settings
from instageo.model.training.build import build_training
from instageo.model.training.setup import prepare_training

log = logging.getLogger(__name__)


def lr_find(run: Run) -> None:
    """Train as `mode=train` would, but at a rising rate and for a few steps, and print the rate to train at.

    Prints one line of JSON on stdout, `{"learning_rate": …}`. Leaves `lr_find.csv` and `lr_find.png`, and no weights.
    """
    require_settings(run.settings, "root_dir", "train_filepath", "valid_filepath")
    parts = prepare_training(run)
    from instageo.model.training.lr_finder import RangeTest
    from instageo.model.training.trainer import range_test_trainer

    course = parts.settings.train
    test = RangeTest(course.lr_find.min, course.lr_find.max, course.lr_find.steps, course.learning_rate)
    trainer = range_test_trainer(parts.settings, run.folder, test)
    try:
        trainer.fit(*build_training(parts))
    except SystemExit as stop:  # how Lightning answers Ctrl-C
        raise KeyboardInterrupt from stop
    if not trainer.is_global_zero:
        return
    result = test.result()
    if result.cut_short:
        log.warning("the loss still falls at the highest rate tried, %.3g; raise train.lr_find.max", result.rates[-1])
    with open(run.folder / "lr_find.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["learning_rate", "loss", "smoothed_loss"])
        writer.writerows(zip(result.rates, result.losses, result.smoothed, strict=True))
    range_test_figure(result.rates, result.losses, result.smoothed, result.best, run.folder / "lr_find.png")
    log.info("%d steps, picture: %s", len(result.rates), run.folder / "lr_find.png")
    sys.stdout.write(json.dumps({"learning_rate": float(f"{result.best:.3g}")}) + "\n")

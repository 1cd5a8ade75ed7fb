"""`mode=lr_find`: suggest a learning rate by a range test."""

import csv
import json
import logging
import sys

from instageo.files import atomic_path
from instageo.model.context import Run
from instageo.model.figures.curves import draw_range_test
from instageo.model.settings import require_settings
from instageo.model.training.build import build_training
from instageo.model.training.from_settings import range_test_trainer_from_settings
from instageo.model.training.precision import with_precision
from instageo.model.training.setup import prepare_training

log = logging.getLogger(__name__)


def lr_find(run: Run) -> None:
    """Train as `mode=train` would, but at a rising rate and for a few steps, and print the suggested rate.

    Prints one line of JSON on stdout, `{"learning_rate": …}`. Writes `lr_find.csv` and `lr_find.png`, and no weights.
    """
    require_settings(run.settings, "root_dir", "train_filepath", "valid_filepath")
    inputs = with_precision(prepare_training(run))
    from instageo.model.training.lr_finder import RangeTest

    train = inputs.settings.train
    test = RangeTest(train.lr_find.min, train.lr_find.max, train.lr_find.steps, train.learning_rate)
    trainer = range_test_trainer_from_settings(inputs.settings, run.folder, test)
    try:
        trainer.fit(*build_training(inputs))
    except SystemExit as stop:  # how Lightning answers Ctrl-C
        raise KeyboardInterrupt from stop
    if not trainer.is_global_zero:
        return
    result = test.result()
    if result.still_falling:
        log.warning("the loss still falls at the highest rate tried, %.3g; raise train.lr_find.max", result.rates[-1])
    with atomic_path(run.folder / "lr_find.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["learning_rate", "loss", "smoothed_loss"])
        writer.writerows(zip(result.rates, result.losses, result.smoothed, strict=True))
    draw_range_test(result.rates, result.losses, result.smoothed, result.best, run.folder / "lr_find.png")
    log.info("%d steps, figure: %s", len(result.rates), run.folder / "lr_find.png")
    sys.stdout.write(json.dumps({"learning_rate": float(f"{result.best:.3g}")}) + "\n")

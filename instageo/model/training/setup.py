"""Prepare a training run: check weights, settings and tables, so that mistakes are reported before training starts."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from instageo.errors import ConfigError
from instageo.model.augmentations.from_settings import augmentations_from_settings
from instageo.model.backbones.variants import find_prithvi_variant, find_variant
from instageo.model.backbones.weights import find_weights
from instageo.model.chips.distribution_shift import ValueRange
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.context import Run
from instageo.model.distillation.from_settings import check_teacher, load_teacher
from instageo.model.inference.predictor import Predictor
from instageo.model.inspection.report import TableReport, require_same_layout
from instageo.model.inspection.tables import inspect_table, warn_of_shared_ground
from instageo.model.inspection.units import MeanFrom, warn_if_units_differ
from instageo.model.inspection.value_range import measure_value_range
from instageo.model.losses.from_settings import loss_from_settings
from instageo.model.networks.checkpoint import Checkpoint, read_checkpoint
from instageo.model.networks.from_settings import network_from_settings
from instageo.model.networks.meta_device import without_values
from instageo.model.settings import AUTO, Settings
from instageo.model.settings.derived import class_names, describe_layout, table_root
from instageo.model.settings.resolve import resolve
from instageo.model.training.from_settings import check_devices
from instageo.table import find_table
from instageo.wording import counted

log = logging.getLogger(__name__)

InitialWeights = Checkpoint | Path | Predictor | None
"""Source of the first weights: a checkpoint, a file of pretrained ones, a teacher, or None for random weights."""

UNLABELLED = "distill.unlabelled_filepath"

SHOWN_CLASSES = 10
"""Absent classes that a warning names."""


@dataclass(frozen=True)
class TrainingInputs:
    """Checked inputs of a training run.

    Attributes:
        settings: Resolved, with sizes and statistics that fit the training table.
        requested: As the user passed them; a resumed run must share these.
        initial_weights: Source of the first weights.
        teacher: Teacher of a distillation; None without one.
        train_table: The training table.
        val_table: The validation table.
        value_range: Usual values of the training chips; None if none could be read.
        unlabelled_table: Chips without labels that a student learns from; None without such a table.
    """

    settings: Settings
    requested: Settings
    initial_weights: InitialWeights
    teacher: Predictor | None
    train_table: TableReport
    val_table: TableReport
    value_range: ValueRange | None = None
    unlabelled_table: TableReport | None = None


def prepare_training(run: Run) -> TrainingInputs:
    """Check weights, settings and tables, and resolve the settings.

    Everything that can be checked without reading data is checked first.

    Raises:
        InstaGeoError: Something is missing or does not fit.
    """
    check_devices(run.settings)
    teacher, checkpoint = load_teacher(run.settings), _starting_checkpoint(run)
    weights: list[InitialWeights] = []
    tables: list[TableReport] = []

    def inspect(settings: Settings) -> TableReport:
        _check_parts(settings, teacher)
        unlabelled = settings.distill.unlabelled_filepath
        for table in (settings.train_filepath, settings.valid_filepath, *([unlabelled] if unlabelled else [])):
            find_table(str(table), table_root(settings))  # before weights, which may be downloaded
        weights.append(_initial_weights(replace(run, settings=settings), checkpoint, teacher))
        tables.extend(_inspect_tables(replace(run, settings=settings)))
        if unlabelled:
            tables.append(_inspect_unlabelled(replace(run, settings=settings), *tables))
        return tables[0]

    settings = resolve(run.settings, run.explicit, checkpoint=checkpoint, statistics=inspect)
    measured = run.settings.dataloader.mean == AUTO
    mean_from = MeanFrom.checkpoint if checkpoint else MeanFrom.table if measured else MeanFrom.settings
    warn_if_units_differ(settings, tables[0], mean_from)
    train, val, *unlabelled = tables
    value_range = measure_value_range(train.rows, chip_format_from_settings(settings))
    return TrainingInputs(settings, run.settings, weights[0], teacher, train, val, value_range, *unlabelled)


def _starting_checkpoint(run: Run) -> Checkpoint | None:
    settings = run.settings
    if settings.distill.init_from_teacher:
        _check_single_source(settings, run.explicit)
        return None
    if not settings.checkpoint_path:
        return None
    checkpoint = read_checkpoint(settings.checkpoint_path)
    if settings.dataloader.mean == AUTO:
        log.info("using mean and std of %s, with which its weights were trained", checkpoint.path)
    return checkpoint


def _check_single_source(settings: Settings, explicit: frozenset[str]) -> None:
    model = settings.model
    pretrained = "model.load_pretrained_weights" in explicit and model.load_pretrained_weights
    others = {
        f"checkpoint_path={settings.checkpoint_path}": settings.checkpoint_path,
        f"model.weights={model.weights}": model.weights,
        "model.load_pretrained_weights=true": pretrained,
    }
    for other in [name for name, given in others.items() if given]:
        raise ConfigError(
            f"distill.init_from_teacher=true and {other} contradict each other; choose one source of initial weights"
        )


def _initial_weights(run: Run, checkpoint: Checkpoint | None, teacher: Predictor | None) -> InitialWeights:
    """Return where the weights come from, found before any data are read; those of a resumed run are loaded later."""
    settings, model = run.settings, run.settings.model
    if run.info.resumed:
        return None
    if settings.distill.init_from_teacher:
        return teacher
    if checkpoint is not None:
        return checkpoint
    published = find_variant(model.model_name).weights is not None or "model.load_pretrained_weights" in run.explicit
    if not model.weights and not (model.load_pretrained_weights and published):
        log.warning("%s starts from random weights%s", model.model_name, "" if published else ": none are published")
        return None
    variant = find_prithvi_variant(model.model_name)
    if model.weights is None and model.embed_dim not in (None, variant.embed_dim):
        raise ConfigError(
            f"model.embed_dim={model.embed_dim}, but the pretrained weights of {model.model_name} have "
            f"{variant.embed_dim} channels; remove model.embed_dim, name other weights (model.weights, "
            "checkpoint_path), or start from random weights with model.load_pretrained_weights=false"
        )
    return find_weights(model.model_name, model.weights)


def _check_parts(settings: Settings, teacher: Predictor | None) -> None:
    """Build the parts that settings describe, without memory for weights, so that mistakes in them are reported."""
    if teacher:
        check_teacher(teacher, settings)
    augmentations_from_settings(settings)
    loss_from_settings(settings)
    with without_values():
        network_from_settings(settings)


def _inspect_tables(run: Run) -> tuple[TableReport, TableReport]:
    """Inspect training and validation table; warn of what both share and of classes without labels."""
    settings = run.settings
    train = inspect_table(run, "train_filepath", values=settings.dataloader.mean == AUTO)
    val = inspect_table(run, "valid_filepath")
    require_same_layout(
        (str(settings.train_filepath), train), (str(settings.valid_filepath), val), chip_format_from_settings(settings)
    )
    warn_of_shared_ground(run, ("train_filepath", train), ("valid_filepath", val))
    log.info(describe_layout(settings, train.layers))
    if not settings.is_reg_task:
        absent = [name for name, count in zip(class_names(settings), train.class_counts, strict=True) if not count]
        if absent:
            shown = ", ".join(absent[:SHOWN_CLASSES]) + (" …" if len(absent) > SHOWN_CLASSES else "")
            classes = counted(len(absent), "class")
            log.warning("%s: no labelled pixel of %s: %s", settings.train_filepath, classes, shown)
    return train, val


def _inspect_unlabelled(run: Run, train: TableReport, val: TableReport) -> TableReport:
    """Inspect the table of chips without labels, and warn of chips that it shares with the validation table."""
    settings = run.settings
    report = inspect_table(run, UNLABELLED, labelled=False)
    names = str(settings.train_filepath), str(settings.distill.unlabelled_filepath)
    require_same_layout((names[0], train), (names[1], report), chip_format_from_settings(settings))
    warn_of_shared_ground(run, (UNLABELLED, report), ("valid_filepath", val))
    warn_if_units_differ(settings, report, MeanFrom.settings)
    added = settings.distill.unlabelled_batch_size or settings.train.batch_size
    log.info("%s: %d of its %s in each batch", names[1], added, counted(len(report.rows), "chip"))
    return report

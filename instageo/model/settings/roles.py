"""What each setting means to checkpoints, resumed runs, maps and comparisons."""

FIXED = (
    "is_reg_task", "model.model_name", "model.depth", "model.embed_dim", "model.head", "model.head_channels",
    "model.num_classes", "dataloader.band_names", "dataloader.mean", "dataloader.std", "dataloader.temporal_dim",
    "dataloader.constant_multiplier", "dataloader.constant_offset", "dataloader.max_pixel_value",
    "dataloader.label_kind", "dataloader.label_mean", "dataloader.label_std", "model.use_log_scale",
)  # fmt: skip
"""Settings that a checkpoint decides; an override that says otherwise is refused."""

DEFAULTS = (
    "model.class_names", "model.class_colors", "dataloader.bands", "dataloader.no_data_value", "dataloader.img_size",
    "dataloader.reduce_to_zero", "dataloader.replace_label", "train.ignore_index", "train.loss",
    "model.plot_reg_results", "model.include_ee_metric", "model.expected_error",
)  # fmt: skip
"""Settings that a checkpoint carries, but that the files at hand may ask to be otherwise: where in a file the bands
lie, what marks missing values and labels, names, the size of a tile."""

RECORDED = ("train.class_weights",)
"""Settings that a checkpoint carries for the record alone."""

BEFORE = {
    "model.embed_dim": None, "model.head_channels": None, "dataloader.label_mean": 0.0, "dataloader.label_std": 1.0,
}  # fmt: skip
"""What settings are in checkpoints that were written before they existed."""

FREE_ON_RESUME = (
    "train.resume", "train.num_epochs", "train.early_stopping_patience", "dataloader.num_workers",
    "accelerator", "devices",
    "strategy", "compile", "model.gradient_checkpointing", "mode", "root_dir", "output_dir", "test_filepath",
    "checkpoint_path", "energy", "energy_country", "logger", "tracking.uri", "tracking.experiment", "tracking.name",
    "tracking.mode", "tracking.upload", "train.lr_find.min", "train.lr_find.max", "train.lr_find.steps",
)  # fmt: skip
"""Settings that a resumed run may change: how long and where it runs, not what it learns."""

SHARED_WITH_TEACHER = (
    "is_reg_task", "dataloader.label_kind", "model.num_classes", "dataloader.temporal_dim",
    "dataloader.constant_multiplier", "dataloader.constant_offset", "dataloader.max_pixel_value",
)  # fmt: skip
"""Settings in which teacher and student agree: the task, and the unit and dates of the chips."""

UNIT_KEYS = ("dataloader.constant_multiplier", "dataloader.constant_offset")
"""Those that a sensor decides: every sensor gives reflectance x 10000, whatever its files hold."""

NO_EFFECT_ON_MAPS = (
    "root_dir", "train_filepath", "valid_filepath", "test_filepath", "checkpoint_path", "output_dir", "mode", "seed",
    "engine", "ray.", "energy", "logger", "tracking.", "distill.", "dataloader.num_workers", "dataloader.cache",
    "dataloader.sampler", "dataloader.on_bad_row", "dataloader.augmentations.",
)  # fmt: skip
"""Beginnings of the settings that no prediction depends on, or by the content of a file alone."""

LEARNT = {"train.num_epochs", "train.early_stopping_patience", "checkpoint_path"}
"""Settings that a resumed run may change, and that all the same change what a run learns."""

EVERY_RUN = {*FREE_ON_RESUME} - LEARNT | {"seed", "model.size", "dataloader.cache", "dataloader.cache_dir"}
"""Settings in which runs of one row may differ: the seed, where a run takes place, and the name of a size, since the
sizes themselves tell all of it."""

SET_BY_SENSOR = (
    "dataloader.bands", "dataloader.no_data_value", "dataloader.constant_multiplier", "dataloader.constant_offset",
)  # fmt: skip
"""Settings that `dataloader.sensor` decides, unless they are set themselves."""

SAME_TASK = ("is_reg_task", "dataloader.label_kind", "model.num_classes", "model.class_names")
"""Settings in which runs that are compared agree."""

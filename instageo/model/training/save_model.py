"""Write a network that was trained in Python as the run directory that every command takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from instageo.arguments import as_path, as_scores, expect
from instageo.errors import ConfigError
from instageo.files import write_text
from instageo.model.backbones.torch_files import write_tensor_file
from instageo.model.chips.distribution_shift import ValueRange
from instageo.model.dataset.datamodule import ChipDataModule
from instageo.model.dataset.table_dataset import ChipDataset
from instageo.model.inspection.value_range import measure_value_range
from instageo.model.networks.base import SegmentationNetwork
from instageo.model.networks.checkpoint import BEST, checkpoint_metadata
from instageo.model.networks.lora import merge_lora
from instageo.model.run_folder.claim import lock_folder, remove_results
from instageo.model.settings import Settings
from instageo.model.settings.compose import settings_to_yaml
from instageo.model.settings.keywords import settings_of_network, task_settings_of_data, with_data, without_measures
from instageo.model.training.lightning_tasks import NetworkTask, check_outputs


def save_model(
    model: NetworkTask | SegmentationNetwork,
    folder: str | Path,
    *,
    data: ChipDataset | ChipDataModule | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Path:
    """Write a trained network so that `load_model`, `instageo serve`, `mode=eval` and `registry push` take it.

    The folder gets `instageo_best_checkpoint.ckpt`, which holds the weights and all that inference needs, and
    `.hydra/config.yaml` with the settings.

    Args:
        model: A task after `Trainer.fit`, or a network from `build_network` that a loop of your own has trained.
        folder: Where to; it is created. An earlier model in it is replaced, and its history and scores are removed.
        data: The training data, which say how files are read and normalised. Not needed for a task that was trained on
            a `ChipDataModule`.
        metrics: Validation scores by name, kept in the checkpoint; None for those that the Trainer logged last.

    Returns:
        The checkpoint.

    Raises:
        ConfigError: The network was not built by `build_network`, or does not fit the data.
        RunFolderError: A training is writing to the folder.
        WriteError: The disk refuses a file.

    Examples:
        >>> import instageo
        >>> data = instageo.ChipDataset("train.csv", statistics="auto")
        >>> net = instageo.build_network("prithvi_eo_tiny", num_classes=2, depth=1)
        >>> instageo.save_model(net, "runs/mine", data=data, metrics={"val_mIoU": 0.5}).name
        'instageo_best_checkpoint.ckpt'
        >>> instageo.load_model("runs/mine").metrics
        {'val_mIoU': 0.5}
    """
    folder = as_path("folder", folder, "a folder")
    is_supported = isinstance(data, (ChipDataset, ChipDataModule, type(None)))
    expect(is_supported, "data", data, "the ChipDataset or ChipDataModule of the training")
    net: Any = model.net if isinstance(model, NetworkTask) else model
    if not isinstance(net, SegmentationNetwork) or net.config is None:
        raise ConfigError(
            f"a {type(net).__name__} cannot be saved as a model; expected a network from instageo.build_network"
        )
    settings = without_measures(_settings_of(model, net, data))
    check_outputs(net, settings)
    scores = _logged_metrics(model) if metrics is None else as_scores("metrics", metrics)
    state = {f"net.{key}": value.detach().cpu() for key, value in net.state_dict().items()}
    entries = checkpoint_metadata(settings, settings, _value_range(model, data), scores)
    content = {"state_dict": merge_lora(net, state, "net."), **entries}
    path = Path(folder).expanduser() / f"{BEST}.ckpt"
    with lock_folder(path.parent):
        write_tensor_file(path, content)
        remove_results(path.parent, keep=path.name)
        write_text(path.parent / ".hydra" / "config.yaml", settings_to_yaml(settings))
    return path


def _settings_of(model: nn.Module, net: SegmentationNetwork, data: ChipDataset | ChipDataModule | None) -> Settings:
    """Return the settings that the checkpoint stores.

    Raises:
        ConfigError: They do not say how chips are read and normalised.
    """
    if isinstance(model, NetworkTask):
        if data is None and model.settings.dataloader.mean is None:
            raise ConfigError("nothing says how chips are normalised; pass the training data to save_model as data=…")
        return model.settings if data is None else with_data(model.settings, data.settings)
    if data is None:
        raise ConfigError("nothing says how chips are read and normalised; pass the training data as data=…")
    return with_data(settings_of_network(net, task_settings_of_data(data.settings)), data.settings)


def _value_range(model: nn.Module, data: ChipDataset | ChipDataModule | None) -> ValueRange | None:
    """Return the usual values of the training chips, from the data or those that the task was trained on."""
    source = data or getattr(getattr(model, "_trainer", None), "datamodule", None)
    if isinstance(source, ChipDataModule):
        source = source.train_data if source.tables["train"] else None
    if not isinstance(source, ChipDataset):
        return None
    return measure_value_range(source.report.rows, source.reader.chip_format)


def _logged_metrics(model: nn.Module) -> dict[str, float]:
    trainer = getattr(model, "_trainer", None)
    return {} if trainer is None else {name: float(value) for name, value in trainer.callback_metrics.items()}

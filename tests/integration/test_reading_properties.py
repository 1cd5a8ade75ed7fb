"""Any file is read as the same pixels by every way in, or refused by every one: no way reads it differently in silence.

Hypothesis draws files: type, tags, masks, names and number of layers, side-cars, values that are not numbers. A network
that records what reaches it stands in for the real one, so that normalised pixels are compared, not what readers say.
"""

import json
import logging
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest
import rasterio
import torch
from hypothesis import strategies as st
from torch import nn

import instageo
from instageo.errors import InstaGeoError
from instageo.model.commands.evaluate import score
from instageo.model.inference.batch import PredictionItem, predict_items
from instageo.model.inference.predictor import Predictor
from instageo.model.inspection.report import build_report
from instageo.model.inspection.tables import inspect_settings_table
from instageo.model.settings.keywords import chip_settings, settings_from_keywords
from instageo.raster.reading import read_raster
from instageo.sensors import PRITHVI_BANDS
from instageo.table import read_table, write_table
from tests.tiffs import MASK_KINDS, set_tag_text, write_layer_tags, write_masked_tiff, write_tiff

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings

SIDE = 8
MEAN, STD = [500.0, 600.0, 700.0, 800.0, 900.0, 1000.0], [100.0, 200.0, 300.0, 400.0, 500.0, 600.0]
DECIBELS = [-10.0, -11.0, -12.0, -13.0, -14.0, -15.0], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
POWER, FILL = {"linear": 1e-3, "db": -1e-2}, [0.0, -0.5, -9999.0, -32768.0]
COPERNICUS = ["B02", "B03", "B04", "B8A", "B11", "B12"]
TAGS = {"uint8": [None, 0, 255], "int16": [None, -9999, 0], "uint16": [None, 0, 65535], "int32": [None, -9999]}
TAGS |= {"float32": [None, -9999.0, float("nan")], "float64": [None, -3.4028234663852886e38, 0.0]}


@dataclass(frozen=True)
class Drawn:
    """A file and the options that it is read with."""

    dtype: str
    count: int
    tag: float | None
    layer_tags: tuple[float | None, ...] | None
    tag_text: str | None
    mask: str | None
    names: tuple[str, ...] | None
    scales: tuple[tuple[float, float], ...] | None
    strange: tuple[float, ...]
    options: dict[str, object]
    seed: int

    @property
    def statistics(self):
        """Mean and standard deviation of each band."""
        return DECIBELS if "radar_unit" in self.options else (MEAN, STD)

    def write(self, path):
        """Write the file, with its label."""
        rng = np.random.default_rng(self.seed)
        low, high = (1, 250) if self.dtype == "uint8" else (100, 3000)
        values = rng.integers(low, high, (self.count, SIDE, SIDE)).astype(self.dtype)
        if values.dtype.kind == "f":  # power of 0.1 to 3, or decibels of -30 to -1
            values *= values.dtype.type(POWER.get(self.options.get("radar_unit"), 1))
        for value in (self.tag, *self.strange):
            if value is not None and np.isnan(value) <= (values.dtype.kind == "f"):
                values[rng.random(values.shape) < 0.05] = value
        mask = rng.random((SIDE, SIDE)) < 0.7
        mask[0, 0] = True
        write_masked_tiff(path, values, mask, self.mask, tag=self.tag)
        with rasterio.open(path, "r+") as file:
            for number, name in enumerate(self.names or (), start=1):
                file.set_band_description(number, name)
            if self.scales is not None:
                pairs = [*self.scales, *[(1.0, 0.0)] * (file.count - len(self.scales))][: file.count]
                file.scales, file.offsets = ([pair[part] for pair in pairs] for part in (0, 1))
        if self.tag_text is not None and self.tag is not None:
            set_tag_text(path, self.tag_text)
        if self.layer_tags is not None:
            write_layer_tags(path, self.layer_tags)
        label = rng.integers(0, 2, (1, SIDE, SIDE)).astype(np.uint8)
        write_tiff(path.parent / "label.tif", label)


@st.composite
def files(draw):
    """Draw a file; half of what is drawn can be read."""
    dtype = draw(st.sampled_from(sorted(TAGS)))
    count = draw(st.sampled_from([6, 6, 6, 6, 5, 7, 12, 13]))
    names = st.one_of(
        st.none(),
        st.just(PRITHVI_BANDS[:count]),
        st.just(tuple(COPERNICUS[:count])),
        st.permutations(PRITHVI_BANDS).map(lambda order: tuple(order[:count])),
        st.just(("what", "ever")),
    )
    pairs = st.sampled_from([(1.0, 0.0), (0.0001, 0.0), (0.0001, -0.1), (0.01, -1.0), (0.0, 0.0), (float("nan"), 0.0)])
    scales = st.one_of(st.none(), st.none(), pairs.map(lambda pair: (pair,) * 6), st.tuples(*[pairs] * 6))
    floats = dtype.startswith("float")
    strange = (
        st.lists(st.sampled_from([float("nan"), float("inf"), -float("inf")]), max_size=2) if floats else st.just([])
    )
    radar_unit = draw(st.sampled_from([None, None, None, *POWER]))
    if floats and radar_unit:
        strange = st.tuples(strange, st.lists(st.sampled_from(FILL), max_size=2)).map(lambda both: [*both[0], *both[1]])
    options = {
        "radar_unit": radar_unit,
        "bands": draw(st.sampled_from([None, None, [0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]])),
        "scale_tags": draw(st.sampled_from(["auto", "auto", "apply", "ignore"])),
        "bands_by_name": draw(st.sampled_from([None, None, True, False])),
        "no_data_value": draw(st.sampled_from([None, -9999.0, 0.0, 255.0])),
        "constant_multiplier": draw(st.sampled_from([1.0, 1.0, 0.5])),
    }
    if options["bands_by_name"]:
        options["bands"] = None  # the two contradict each other
    return Drawn(
        dtype,
        count,
        draw(st.sampled_from(TAGS[dtype])),
        draw(st.one_of(st.none(), st.none(), st.just((0, None, 200, None, 7, 7)))),
        draw(st.sampled_from([None, None, None, "-99999", "1e40", "not a number"])),
        draw(st.sampled_from([None, None, *MASK_KINDS])),
        draw(names),
        draw(scales),
        tuple(draw(strange)),
        {name: value for name, value in options.items() if value is not None},
        draw(st.integers(0, 999)),
    )


class Recorder(nn.Module):
    """A network of two classes that keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.images = []

    def forward(self, image, temporal_coords, location_coords):
        """Return zeros."""
        self.images.append(image.numpy().copy())
        return torch.zeros(len(image), 2, *image.shape[-2:])


class Handle:
    """Stands in for the deployment of networks, and passes tiles to a network of this process."""

    def __init__(self, net):
        self.compute = SimpleNamespace(remote=lambda tiles: SimpleNamespace(result=lambda **_: self._compute(tiles)))
        self.net = net

    def options(self, **_):
        """Return itself."""
        return self

    def _compute(self, tiles):
        from instageo.serving.replicas.model_replica import TileLogits

        return TileLogits(self.net(torch.from_numpy(tiles.image), None, None).numpy(), 1)


def settings_of(folder, drawn):
    options = dict(drawn.options)
    bands = options.pop("bands", None)
    mean, std = drawn.statistics
    values = chip_settings(options, bands) | {"dataloader.mean": mean, "dataloader.std": std, "root_dir": str(folder)}
    values |= {"dataloader.cache_dir": str(folder / "cache"), "dataloader.img_size": SIDE, "train.batch_size": 1}
    return settings_from_keywords(values | {"model.num_classes": 2}, normalized=True)


def report_of(folder, settings, *, values):
    rows, results = inspect_settings_table(settings, str(folder / "table.csv"), labelled=True, values=values)
    return build_report("table.csv", rows, results, skip_bad=False)


# Each way returns the normalised image (C, T, H, W) that reaches the network, where "not observed" is 0, or the
# validity (H, W), or both; or raises.


def check(folder, settings, drawn):
    """`mode=check`: reads no more than it must."""
    report_of(folder, settings, values=False)
    return None, None


def stats(folder, settings, drawn):
    """`mode=stats`: moments of the observed pixels of each band; compared by `compare_moments`."""
    report = report_of(folder, settings, values=True)
    moments = report.band_moments
    return ("moments", moments.count, moments.mean), None


def train(folder, settings, drawn, **more):
    """Training and `ChipDataset` normalise a batch."""
    options = dict(drawn.options) | more
    data = instageo.ChipDataset(
        folder / "table.csv", bands=options.pop("bands", None), statistics=drawn.statistics, num_classes=2,
        cache_dir=str(folder / "cache"), **options,
    )  # fmt: skip
    item, again = data[0], data[0]  # the second from the cache, if there is one
    np.testing.assert_array_equal(item["image"], again["image"])
    return item["image"].numpy(), item["valid"].numpy().any(axis=0)


def cached(folder, settings, drawn):
    """Training with decoded chips in memory."""
    return train(folder, settings, drawn, cache="memory")


def evaluation(folder, settings, drawn):
    """`mode=eval`."""
    net = Recorder()
    score(Predictor(net, settings), report_of(folder, settings, values=False))
    return net.images[0][0], None


def prediction(folder, settings, drawn):
    """`load_model(...).predict` and `mode=chip_inference`."""
    net = Recorder()
    result = Predictor(net, settings).predict(folder / "chip.tif")
    return net.images[0][0], result.valid


def item_of(folder):
    [row] = read_table(str(folder / "table.csv"), str(folder), need_label=False)
    return PredictionItem(row, folder / "map.tif")


def batch(folder, settings, drawn):
    """`mode=chip_inference`, which also writes a map."""
    net = Recorder()
    [outcome] = predict_items(Predictor(net, settings), [item_of(folder)], 0)
    if outcome.error:
        raise InstaGeoError(outcome.error)
    return net.images[0][0], read_raster(folder / "map.tif").valid[0]


def ray_worker(folder, settings, drawn):
    """`engine=ray`: what its workers do."""
    ray_engine = pytest.importorskip("instageo.model.inference.ray_engine", reason="the extra `serve` is not installed")

    from instageo.model.inference.ray_worker import WorkerSetup

    class Worker(ray_engine.RayWorker):
        def _begin(self, work):
            return 1

        def _load(self):
            return Predictor(net, settings)

        def _complete(self, work):
            pass

    net = Recorder()
    job = ray_engine.RayJob(WorkerSetup(settings, frozenset(), "cpu", 1, str(folder), 1), "", 0)
    block = {"number": np.array([0]), "items": [pickle.dumps([item_of(folder)])]}
    [outcome] = map(pickle.loads, Worker(job, None)(block)["outcome"])
    if isinstance(outcome, InstaGeoError):
        raise outcome
    if outcome.error:
        raise InstaGeoError(outcome.error)
    return net.images[0][0], read_raster(folder / "map.tif").valid[0]


def server(folder, settings, drawn):
    """`instageo serve`; a request holds one file, so side-cars are not sent."""
    pytest.importorskip("ray", reason="the extra `serve` is not installed")
    from instageo.serving.access.admission import Admission
    from instageo.serving.errors import HTTPProblem
    from instageo.serving.metrics import ServerMetrics
    from instageo.serving.replicas.model_replica import ModelDescription
    from instageo.serving.service import PredictionService
    from instageo.serving.settings import ServerSettings
    from instageo.serving.tiles import ResultCache

    net = Recorder()
    results = ResultCache(10**9, folder / "results")
    service = PredictionService(
        Handle(net), ServerSettings({"m": "run"}), ServerMetrics(), Admission(1, 10**9), results
    )
    service._descriptions["m"] = ModelDescription(settings, {}, 0)
    try:
        summary = service.summarize("m", folder / "chip.tif")
    except HTTPProblem as problem:
        raise InstaGeoError(problem.detail) from problem
    json.dumps(summary)
    [image] = net.images
    return image[0], round(summary["valid_share"] * SIDE * SIDE)


WAYS = (check, stats, train, cached, evaluation, prediction, batch, ray_worker, server)


def outcome_of(way, folder, settings, drawn):
    """Return what a way makes of a file, or its refusal."""
    try:
        return way(folder, settings, drawn)
    except InstaGeoError as error:
        return str(error)


@hypothesis.given(files())
@hypothesis.settings(max_examples=60, phases=[hypothesis.Phase.generate])
def test_all_ways_read_a_file_alike_or_refuse_it(drawn):
    hypothesis.note(str(drawn))
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            drawn.write(folder / "chip.tif")
            write_table(folder / "table.csv", [{"Input": "chip.tif", "Label": "label.tif"}])
            settings = settings_of(folder, drawn)
            outcomes = {way.__name__: outcome_of(way, folder, settings, drawn) for way in WAYS}
    finally:
        logging.disable(logging.NOTSET)
    refused = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, str)}
    if refused:
        assert refused.keys() == outcomes.keys(), refused
        return
    image, valid = outcomes["prediction"]
    for name, (other, seen) in outcomes.items():
        if name == "stats":
            compare_moments(other, image, valid, drawn.statistics)
        elif other is not None:
            np.testing.assert_array_equal(other, image, err_msg=name)
        if isinstance(seen, int):
            assert seen == valid.sum(), name
        elif seen is not None:
            np.testing.assert_array_equal(seen, valid, err_msg=name)


def compare_moments(moments, image, valid, statistics):
    """Compare the moments of a table with those of the pixels that reach the network."""
    _, count, mean = moments
    assert int(np.max(count)) == valid.sum()
    if valid.any():
        mean_used, std_used = (np.array(values)[:, None] for values in statistics)
        pixels = image[:, 0][:, valid].astype(float) * std_used + mean_used
        np.testing.assert_allclose(mean, pixels.mean(axis=1), rtol=1e-4, atol=0.05)

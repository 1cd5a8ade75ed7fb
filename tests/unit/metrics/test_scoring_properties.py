"""Every labelled pixel is scored once, maps lie on their chips, and no batch makes the loss NaN."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from instageo.model.augmentations.pipeline import AugmentationSpec, process_and_augment
from instageo.model.chips.sample import Sample
from instageo.model.commands.evaluate import score
from instageo.model.context import Run
from instageo.model.inference.predictor import Predictor
from instageo.model.inspection.tables import inspect_table
from instageo.model.losses.cross_entropy import WeightedCrossEntropy
from instageo.model.networks.segmenter import build_network
from instageo.model.settings import CacheKind, DataSettings, ModelSettings, Settings, TestSettings, TrainSettings
from instageo.model.settings.augmentations import Augmentations
from instageo.raster.reading import read_info, read_raster
from instageo.table import write_table
from tests.tiffs import LAYOUTS, write_tiff

CLASSES = 3


def sum_over_dates(image, temporal_coords, location_coords):
    """Return the bands, summed over dates, as logits, in place of a network."""
    return image.sum(dim=2)


@dataclass(frozen=True)
class Scene:
    """Chips whose bands are the classes of their labels, one-hot, with holes."""

    seed: int
    dates: int
    sizes: list
    ignore_index: int
    layout: str
    missing: float

    def write(self, folder):
        """Write files and table; return stored labels and each date's valid pixels, always including the first."""
        rng, rows, truth = np.random.default_rng(self.seed), [], []
        for number, size in enumerate(self.sizes):
            label = rng.integers(0, CLASSES, size)
            whole = np.stack([(label == band) * 100 for band in range(CLASSES)] * self.dates).astype(np.int16)
            missing, ignored = rng.random(whole.shape) < self.missing, rng.random(size) < 0.2
            missing[:, 0, 0] = ignored[0, 0] = False
            stored = np.where(ignored, self.ignore_index, label).astype(np.int16)
            row = {"Input": f"a/chip_{number}.tif", "Label": f"b/{number}.tif"}
            write_tiff(folder / row["Input"], np.where(missing, np.int16(-9999), whole), layout=self.layout)
            write_tiff(folder / row["Label"], stored[None], layout=self.layout)
            rows.append(row)
            truth.append((stored, ~missing.reshape(self.dates, CLASSES, *size).any(axis=1)))
        write_table(folder / "test.csv", rows)
        return truth


@st.composite
def scenes(draw):
    side = st.integers(1, 40)
    return Scene(
        draw(st.integers(0, 999)), draw(st.integers(1, 4)),
        draw(st.lists(st.tuples(side, side), min_size=1, max_size=3)), draw(st.sampled_from([-1, 255])),
        draw(st.sampled_from(list(LAYOUTS))), draw(st.sampled_from([0.0, 0.1, 0.4])),
    )  # fmt: skip


def predictor_for(folder, scene, tile, stride, batch, *, clouds=False, cache=CacheKind.none):
    config = Settings(
        root_dir=str(folder),
        test_filepath="test.csv",
        accelerator="cpu",
        train=TrainSettings(ignore_index=scene.ignore_index, batch_size=batch),
        model=ModelSettings(num_classes=CLASSES),
        dataloader=DataSettings(
            temporal_dim=scene.dates, band_names=["X", "Y", "Z"], mean=[0.0] * CLASSES, std=[1.0] * CLASSES, cache=cache
        ),
        test=TestSettings(crop_size=tile, stride=stride, mask_cloud=clouds),
    )
    return Predictor(sum_over_dates, config)


@st.composite
def tilings(draw):
    tile = draw(st.integers(1, 45))
    return tile, draw(st.integers(max(1, tile // 5), tile)), draw(st.integers(1, 5))


@pytest.mark.slow
@settings(max_examples=25)
@given(scenes(), tilings(), st.booleans(), st.sampled_from(list(CacheKind)))
def test_every_labelled_pixel_is_scored_exactly_once(scene, tiling, clouds, cache):  # pitfalls 2, 6, 16, 20
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSTAGEO_CACHE", f"{folder}/cache")
        truth = scene.write(Path(folder))
        predictor = predictor_for(folder, scene, *tiling, clouds=clouds, cache=cache)
        scores = score(predictor, inspect_table(Run(predictor.settings, Path(folder)), "test_filepath")).compute()
    expected = np.zeros(CLASSES, int)
    for label, valid in truth:
        counted = (valid.all(axis=0) if clouds else valid.any(axis=0)) & (label != scene.ignore_index)
        expected += np.bincount(label[counted], minlength=CLASSES)
    assert scores["confusion_matrix"].tolist() == np.diag(expected).tolist()
    assert scores["support_per_class"].tolist() == expected.tolist()
    assert scores["accuracy"] == 1


@pytest.mark.slow
@settings(max_examples=15)
@given(scenes(), tilings(), tilings())
def test_maps_lie_on_their_chips_whatever_the_tiling(scene, one, other):  # pitfalls 1, 2, 6, 16
    with tempfile.TemporaryDirectory() as folder:
        truth = scene.write(Path(folder))
        for number, (label, valid) in enumerate(truth):
            path, maps = Path(folder) / f"a/chip_{number}.tif", []
            for name, tiling in (("one", one), ("other", other)):
                predictor = predictor_for(folder, scene, *tiling)
                predictor.predict(path).save(Path(folder) / f"{name}.tif")
                assert read_info(Path(folder) / f"{name}.tif").grid == read_info(path).grid
                maps.append(read_raster(Path(folder) / f"{name}.tif"))
            assert (maps[0].values == maps[1].values).all()
            assert (maps[0].valid[0] == valid.any(axis=0)).all()
            compared = maps[0].valid[0] & (label != scene.ignore_index)
            assert (maps[0].values[0][compared] == label[compared]).all()


ALL_AUGMENTATIONS = (
    *(
        AugmentationSpec(name, 0.5, {key: value for key, value in vars(spec).items() if key not in ("use", "p")})
        for name, spec in vars(Augmentations()).items()
        if name not in ("own", "haze", "speckle")
    ),
    AugmentationSpec("haze", 0.5, {"max_offset": 1000.0, "wavelengths": [0.49, 0.66]}),
)


def batch_of(rng, share, labelled, size=(2, 2, 2, 9, 7)):
    """Return random images, invalid in a share of pixels, labelled in a share."""
    valid = torch.from_numpy(rng.random((size[0], *size[2:])) >= share)
    image = torch.from_numpy(rng.normal(0, 1000, size).astype(np.float32)) * valid[:, None]
    label = torch.from_numpy(rng.integers(0, CLASSES, (size[0], *size[3:])))
    label[torch.from_numpy(rng.random(label.shape) >= labelled)] = -1
    return Sample(image, valid, label.masked_fill(~valid.any(1), -1))


@settings(max_examples=25)
@given(
    st.integers(0, 999), st.sampled_from([0.0, 0.5, 0.99, 1.0]), st.sampled_from([0.0, 0.05, 1.0]),
    st.sampled_from([[1.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1e-30, 1e30, 0.0], [0.0, 0.0, 0.0]]),
)  # fmt: skip
def test_no_batch_gives_a_non_finite_loss(seed, missing, labelled, weights):  # pitfalls 9, 21
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    mean, std = torch.tensor([0.0, 100.0]), torch.tensor([1000.0, 1e-3])
    ready = process_and_augment(batch_of(rng, missing, labelled), mean, std, ALL_AUGMENTATIONS, generator)
    assert torch.isfinite(ready.image).all()
    weight = torch.zeros(CLASSES, 2, requires_grad=True)
    logits = torch.einsum("kc,bcthw->bkhw", weight + 1, ready.image)
    loss = WeightedCrossEntropy(torch.tensor(weights), -1)(logits, ready.label)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(weight.grad).all()
    if missing == 1 or labelled == 0 or not any(weights):
        assert loss == 0
        assert (weight.grad == 0).all()


@pytest.mark.parametrize("head", ["light", "upscaling"])
@pytest.mark.parametrize(("missing", "labelled"), [(1.0, 1.0), (0.0, 0.0), (0.5, 0.5)])
def test_gradients_of_any_batch_are_finite(head, missing, labelled):  # pitfall 21
    net = build_network(
        "prithvi_eo_tiny", num_classes=CLASSES, temporal_dim=2, img_size=32, depth=1, bands=["A", "B"], head=head
    )
    batch = batch_of(np.random.default_rng(0), missing, labelled, (2, 2, 2, 32, 32))
    ready = process_and_augment(batch, torch.zeros(2), torch.full((2,), 1000.0))
    loss = WeightedCrossEntropy(torch.ones(CLASSES), -1)(net(ready.image, None, None), ready.label)
    loss.backward()
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    assert torch.isfinite(loss)
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)

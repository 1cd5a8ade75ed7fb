"""Labels of several layers, labels that are pictures, and labels with scale tags."""

import numpy as np
import pytest
import rasterio
from numpy.testing import assert_array_equal
from rasterio.enums import ColorInterp

from instageo.errors import DataError, LayerError
from instageo.model.chips.label_layers import LabelLayers
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat

CLASSES = np.array([[0, 1, 1], [2, 0, 1]])
COLORS = (0, 0, 0), (0, 0, 255), (255, 0, 0)
PICTURE = np.array(COLORS, np.uint8)[CLASSES].transpose(2, 0, 1)
ONE_HOT = np.stack([number == CLASSES for number in range(3)]).astype(np.uint8)


def labels(layer=None, colors=(), tags="auto", **options):
    return LabelFormat(3, layers=LabelLayers(layer, colors, tags), **options)


@pytest.mark.parametrize("kind", [labels(), TargetFormat()])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (PICTURE, r"has 3 layers, but a label has one; .*dataloader\.label_layer=0 to 2; or list the colours"),
        (ONE_HOT, r"has 3 layers, but a label has one; .*exactly one layer is not 0: dataloader\.label_layer=one_hot"),
        (np.zeros((2, 2, 3), np.int16), r"has 2 layers, but a label has one; .*dataloader\.label_layer=0 to 1$"),
    ],
)
def test_labels_of_several_layers_are_refused_by_name(make_raster, values, words, kind):  # pitfall 78
    path = make_raster("label.tif", values)
    with pytest.raises(LayerError, match=rf"label\.tif: {words}"):
        kind.read(path)


def test_the_sentence_lists_the_colours(make_raster):
    with pytest.raises(LayerError, match="it has #000000, #0000ff, #ff0000"):
        labels().read(make_raster("label.tif", PICTURE))


def test_one_layer_per_class(make_raster):  # pitfall 78
    path = make_raster("label.tif", ONE_HOT)
    assert_array_equal(labels("one_hot").read(path), CLASSES)
    assert_array_equal(labels("one_hot").read(path, (slice(1, 2), slice(0, 2))), CLASSES[1:, :2])


def test_pixels_with_no_layer_have_no_class_and_those_with_two_are_refused(make_raster):
    none, two = ONE_HOT.copy(), ONE_HOT.copy()
    none[:, 0, 0] = 0
    two[:, 0, 0] = 1
    assert labels("one_hot").read(make_raster("none.tif", none))[0].tolist() == [-1, 1, 1]
    with pytest.raises(DataError, match=r"two\.tif: 1 pixels have more than one layer that is not 0"):
        labels("one_hot").read(make_raster("two.tif", two))


def test_one_layer_of_several(make_raster):  # pitfall 78
    path = make_raster("label.tif", np.stack([np.full((2, 3), 7), CLASSES]).astype(np.uint8))
    assert_array_equal(labels(1).read(path), CLASSES)
    assert_array_equal(TargetFormat(layers=LabelLayers(0)).read(path), np.full((2, 3), 7))
    with pytest.raises(LayerError, match=r"has 2 layers, but dataloader\.label_layer=2 \(counted from 0\)"):
        labels(2).read(path)


def test_colours_are_classes_in_their_order(make_raster):  # pitfall 78
    path = make_raster("label.tif", PICTURE)
    assert_array_equal(labels(colors=COLORS).read(path), CLASSES)
    swapped = COLORS[1], COLORS[0], COLORS[2]
    assert_array_equal(labels(colors=swapped).read(path), [[1, 0, 0], [2, 1, 0]])
    assert_array_equal(labels(colors=COLORS, ignore_index=2).read(path), [[0, 1, 1], [2, 0, 1]])


def test_other_colours_are_listed(make_raster):  # pitfall 78
    with pytest.raises(DataError, match=r"has the colours #ff0000, which dataloader\.label_colors does not list"):
        labels(colors=COLORS[:2]).read(make_raster("label.tif", PICTURE))
    with pytest.raises(LayerError, match=r"has 1 layer, but dataloader\.label_colors needs red, green, blue"):
        labels(colors=COLORS).read(make_raster("plain.tif", CLASSES.astype(np.uint8)))


def test_colours_that_differ_in_one_part_are_different(make_raster):
    """Neither does twice as much green stand for the next red, nor 256 times as much blue."""
    colors = (0, 1, 0), (0, 0, 255), (0, 128, 0), (1, 0, 0), (1, 0, 1), (255, 254, 255)
    path = make_raster("label.tif", np.array(colors, np.uint8).T[:, None])
    kind = LabelFormat(6, layers=LabelLayers(colors=colors))
    assert kind.read(path).tolist() == [[0, 1, 2, 3, 4, 5]]
    with pytest.raises(DataError, match=r"has the colours #0000ff, #000100, #008000, #010001, #fffeff, which"):
        LabelFormat(6, layers=LabelLayers(colors=((1, 0, 0),))).read(path)


@pytest.mark.parametrize("values", [PICTURE, CLASSES[None].astype(np.uint8)])
def test_an_alpha_layer_is_a_mask(make_raster, values):
    alpha = np.array([[255, 255, 0], [255, 255, 255]], np.uint8)
    path = make_raster("label.tif", np.concatenate([values, alpha[None]]))
    with rasterio.open(path, "r+") as file:
        rgb = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
        file.colorinterp = rgb if file.count == 4 else (ColorInterp.gray, ColorInterp.alpha)
    kind = labels(colors=COLORS) if len(values) == 3 else labels()
    assert_array_equal(kind.read(path), [[0, 1, -1], [2, 0, 1]])


def test_a_palette_does_not_matter(make_raster):
    path = make_raster("label.tif", CLASSES.astype(np.uint8))
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {number: (*color, 255) for number, color in enumerate(COLORS)})
    assert_array_equal(labels().read(path), CLASSES)


def test_scale_tags_of_labels(make_raster):  # pitfall 79
    path = make_raster("label.tif", (CLASSES * 10).astype(np.int16))
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.1,), (0.0,)
    for kind in (labels(), TargetFormat()):
        with pytest.raises(LayerError, match=r"its labels have the tags scale 0\.1, offset 0") as caught:
            kind.read(path)
        assert "dataloader.scale_tags=apply" in caught.value.advice
        assert "dataloader.scale_tags=ignore" in caught.value.advice
    assert_array_equal(labels(tags="apply").read(path), CLASSES)
    assert_array_equal(TargetFormat(layers=LabelLayers(scale_tags="apply")).read(path), CLASSES.astype(np.float32))
    assert_array_equal(TargetFormat(layers=LabelLayers(scale_tags="ignore")).read(path), CLASSES * 10)

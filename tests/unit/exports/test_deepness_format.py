"""What the QGIS plugin and its user read."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from instageo.model.exports.deepness_format import describe_layers, find_obstacle, overlap_percent, plugin_metadata
from instageo.model.exports.graph import ExportGraph
from instageo.model.graphs.pixel_network import PixelScaling
from instageo.model.graphs.program import InputShape
from instageo.model.tasks.regression import Regression
from instageo.model.tasks.segmentation import Segmentation
from instageo.model.tasks.target_scale import TargetScale

GRAPH = ExportGraph(
    nn.Identity(),
    Segmentation(("land", "water")),
    InputShape(3, 2, 224, 224),
    PixelScaling((1.0,) * 3, (1.0,) * 3, multiplier=2.0, offset=-5.0, no_data=0.0),
    ("BLUE", "GREEN", "RED"),
    ("land", "water"),
    stacked=True,
    resolution=10.0,
)


def test_the_metadata_are_those_that_the_plugin_reads():
    assert plugin_metadata(GRAPH) == {
        "model_type": "Segmentor", "class_names": {"0": "land", "1": "water"}, "resolution": 1000.0,
        "tile_size": 224, "tiles_overlap": 8, "seg_thresh": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("tile", "percent"), [(64, 25), (224, 8), (32, 50)])
def test_tiles_overlap_as_in_maps(tile, percent):
    assert overlap_percent(tile) == percent


def test_layers_are_named_in_their_order():
    lines = describe_layers(GRAPH)
    assert lines[0] == (
        "In Deepness, set the input channels in this order: 1 BLUE (date 1), 2 GREEN (date 1), 3 RED (date 1), "
        "4 BLUE (date 2), 5 GREEN (date 2), 6 RED (date 2)."
    )
    assert "multiplied by 2, -5 is added; 0 or NaN means no observation" in lines[1]
    assert "they are 1, 2, 3 here" in lines[3]
    fixed = replace(GRAPH, coordinates=(torch.tensor([[2024.0, 65.0]] * 2), torch.tensor([10.0, 20.0])))
    assert "[[2024.0, 65.0], [2024.0, 65.0]], [10.0, 20.0]" in describe_layers(fixed)[-1]


def test_models_that_the_plugin_cannot_use_are_refused():
    assert find_obstacle(GRAPH) is None
    assert "use format=onnx" in find_obstacle(replace(GRAPH, task=Regression(TargetScale()), class_names=()))
    assert "use format=onnx" in find_obstacle(replace(GRAPH, task=Segmentation(("a", "b"), image_level=True)))
    assert "remove normalized_input" in find_obstacle(replace(GRAPH, normalized_input=True))
    assert "give resolution" in find_obstacle(replace(GRAPH, resolution=None))

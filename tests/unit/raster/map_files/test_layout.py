"""Layout of maps: every block of every level belongs to one piece, whatever the number of panels."""

import pytest

from instageo.raster.map_files.layout import MapLayout, Piece

SIZES = [(1, 1), (16, 17), (100, 333), (333, 517), (1000, 37)]


LAYOUTS = [
    MapLayout(height, width, num_panels=num_panels, block=16)
    for height, width in SIZES
    for num_panels in range(1, min(-(-width // 16), 7) + 1)
]


def name(layout):
    return f"{layout.height}x{layout.width} in {layout.num_panels}"


@pytest.mark.parametrize("layout", LAYOUTS, ids=name)
def test_pieces_cover_each_level_once(layout):
    area = dict.fromkeys(range(len(layout.level_shapes)), 0)
    for piece in layout.pieces():
        layers, height, width = layout.shape(piece)
        assert layers == 1
        area[piece.level] += height * width
    assert [(height * width) for height, width in layout.level_shapes] == list(area.values())
    for level, panels in enumerate(layout.block_ranges):
        blocks = [block for panel in panels for block in panel]
        assert blocks == list(range(-(-layout.level_shapes[level][1] // 16)))


@pytest.mark.parametrize("layout", LAYOUTS, ids=name)
def test_pieces_are_made_from_all_blocks_below_them(layout):
    pieces = list(layout.pieces())
    for piece in pieces:
        sources = layout.sources(piece)
        assert all(piece in layout.dependents(source) for source in sources)
        assert all(piece in layout.sources(dependent) for dependent in layout.dependents(piece))
        if piece.level == 0:
            assert sources == []
            continue
        _, height, width = layout.shape(piece)
        below = {(source.row, block) for source in sources for block in layout.source_blocks(piece, source)}
        first = layout.block_ranges[piece.level][piece.column].start
        rows, columns = layout.level_shapes[piece.level - 1]
        assert below == {
            (row // 16, column // 16)
            for row in range(32 * piece.row, min(32 * piece.row + 2 * height, rows))
            for column in range(32 * first, min(32 * first + 2 * width, columns))
        }


def test_a_block_across_two_panels_belongs_to_the_left_one():
    layout = MapLayout(512, 3 * 512, num_panels=3)
    assert layout.block_ranges == [
        [range(0, 1), range(1, 2), range(2, 3)], [range(0, 1), range(1, 1), range(1, 2)],
        [range(0, 1), range(1, 1), range(1, 1)],
    ]  # fmt: skip
    assert layout.sources(Piece(1, 0, 0)) == [Piece(0, 0, 0), Piece(0, 1, 0)]
    assert [layout.columns(column, level=1) for column in (0, 2)] == [slice(0, 512), slice(512, 768)]
    assert layout.rows(0, level=2) == slice(0, 128)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"height": 0}, "expected 1 or more"),
        ({"layers": 0}, "expected 1 or more"),
        ({"block": 24}, "block=24; expected a multiple of 16"),
        ({"num_panels": 0}, "num_panels=0; expected 1 to 3"),
        ({"num_panels": 4}, "num_panels=4; expected 1 to 3"),
        ({"dtype": "float32"}, "overview='mode' of float32"),
        ({"no_data": 256}, "no-data value 256 is outside uint8"),
    ],
)
def test_impossible_layouts_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MapLayout(**{"height": 20, "width": 40, "block": 16} | settings)


def test_kinds_of_maps():
    classes = MapLayout.of_classes(600, 700, num_panels=2, dtype="uint16")
    assert (classes.dtype, classes.no_data, classes.overview, classes.num_panels) == ("uint16", 65535, "mode", 2)
    planes = MapLayout.of_probabilities(600, 700, 3)
    assert (planes.dtype, planes.no_data, planes.overview, planes.layers) == ("uint8", 255, "mean", 3)
    values = MapLayout.of_values(600, 700)
    assert (values.dtype, values.no_data != values.no_data, values.codec.predictor) == ("float32", True, 3)

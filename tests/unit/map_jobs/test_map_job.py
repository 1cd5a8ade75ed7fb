"""What is checked before a map is made."""

import numpy as np
import pytest

from instageo.errors import ConfigError, RasterError
from instageo.model.map_jobs.from_settings import build_map_job
from instageo.model.map_jobs.map_job import begin_map
from instageo.model.settings.map_settings import MapSettings
from tests.unit.mapping.conftest import Remainder, make_predictor, write_scene


def test_geojson_of_a_scene_without_georeference_is_refused_before_it_is_mapped(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", np.zeros((40, 40), np.int16), crs=None)
    wanted = MapSettings(scenes=[str(scene)], vector=".geojson")
    job = build_map_job(make_predictor(Remainder(3), 3, 32), wanted, tmp_path / "map.tif")
    with pytest.raises(RasterError, match="has no georeference, but GeoJSON needs longitudes and latitudes"):
        begin_map(job, job.scenes[0], tmp_path / "map.tif")
    assert list(tmp_path.iterdir()) == [scene]


def test_polygons_of_values_are_refused(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", np.zeros((40, 40), np.int16))
    predictor = make_predictor(Remainder(1), 1, 32, is_reg_task=True)
    with pytest.raises(ConfigError, match=r"vector=\.gpkg: polygons show classes, but the model predicts values"):
        build_map_job(predictor, MapSettings(scenes=[str(scene)], vector=".gpkg"), tmp_path / "map.tif")

"""What a request for a job may say."""

import json

import pytest

from instageo.serving.errors import HTTPProblem
from instageo.serving.jobs import geometry
from instageo.serving.jobs.job_request import parse_job
from instageo.serving.jobs.settings import JobSettings
from tests.unit.serving.jobs.conftest import ZONE, ZONES, body

LIMITS = JobSettings("unused", area_km2=20_000, days=10)


def refusal(content, limits=LIMITS):
    """Status and sentence of a refusal."""
    with pytest.raises(HTTPProblem) as refused:
        parse_job(content if isinstance(content, str) else json.dumps(content), ["quick", "a/b"], limits)
    return refused.value.status, refused.value.detail


def parsed(**changes):
    return parse_job(json.dumps(body(**changes)), ["quick", "a/b"], LIMITS)


def test_a_request_in_full():
    spec = parsed(
        model="a/b", area=ZONE | {"crs": "x"}, date=None, dates=["2026-11-20", "2026-11-22/2026-11-26"],
        source="sentinel2", catalog="earthsearch", composite="median", mask=["cloud", "snow"],
        max_cloud=40.5, probabilities=True, dilation=3, resolution=20,
    )  # fmt: skip
    [request] = spec.to_requests("A", "Z").values()
    assert (request.area, request.zones, spec.probabilities) == ("A", "Z", True)
    assert [str(days) for days in request.days] == ["2026-11-20", "2026-11-22/2026-11-26"]
    assert (request.source, request.catalog, request.composite) == ("sentinel2", "earthsearch", "median")
    assert (request.mask, request.max_cloud) == (("cloud", "snow"), 40.5)
    assert (request.dilation, request.resolution) == (3, 20)
    assert spec.geometry == {"type": "Polygon", "coordinates": [[[33, -19], [34, -19], [34, -18], [33, -19]]]}
    assert spec.summary["bounds"] == [33, -19, 34, -18]


def test_the_least_a_request_may_say():
    spec = parse_job('{"area": [-0.5, -1, 0.25, 0], "date": "2026-11-20"}', ["quick", "a/b"], LIMITS)
    [request] = spec.to_requests("A", "Z").values()
    assert (spec.model, request.area, request.zones) == ("quick", "-0.5,-1,0.25,0", None)
    assert (request.source, request.catalog, request.composite) == (None, None, "clearest")
    assert request.mask is None  # clouds and shadows, where the product has a quality layer


def test_two_periods_are_two_requests_that_differ_in_their_days():
    spec = parsed(date=None, before=["2026-10-01", "2026-10-03"], after=["2026-11-20", "2026-11-21/2026-11-22"])
    requests = spec.to_requests("A", "Z")
    assert {name: list(map(str, request.days)) for name, request in requests.items()} == {
        "before": ["2026-10-01", "2026-10-03"], "after": ["2026-11-20", "2026-11-21/2026-11-22"],
    }  # fmt: skip
    assert {request.zones for request in requests.values()} == {"Z"}
    assert spec.summary["dates"] == ["2026-10-01", "2026-10-03", "2026-11-20", "2026-11-21/2026-11-22"]
    assert list(spec.summary["periods"]) == ["before", "after"]


def test_a_series_is_a_request_for_each_period():
    requests = parsed(date="2026-11-20/2026-11-26", every="3d").to_requests("A", "Z")
    assert list(requests) == ["2026-11-20_2026-11-22", "2026-11-23_2026-11-25", "2026-11-26"]


def test_zones_keep_their_names_and_numbers_alone():
    feature = {"type": "Feature", "geometry": ZONE | {"evil": 1}}
    properties = {
        "name": "A\x00\u202e<b>" + "x" * 300,
        "n": 1.5,
        "nan": float("nan"),
        "list": [1],
        "none": None,
        "t": True,
    }
    [zone] = parsed(zones={"type": "FeatureCollection", "features": [feature | {"properties": properties}]}).zones[
        "features"
    ]
    assert zone == {
        "type": "Feature", "geometry": ZONE, "properties": {"name": ("A<b>" + "x" * 300)[:200], "n": 1.5, "t": True}
    }  # fmt: skip


BOX = [33, -19, 34, -18]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"area": None}, "area: expected a box"),
        (
            {"area": "/etc/passwd"},
            "area: expected a box [west, south, east, north] or a GeoJSON geometry; files are not",
        ),
        ({"area": "36KXD"}, "area: expected a box"),
        ({"area": [1, 2, 3]}, "area: has 3 numbers; expected 4"),
        ({"area": [1, 2, 3, "4"]}, "area: has a coordinate that is not a number"),
        ({"area": [1, 2, 3, float("nan")]}, "area: has a coordinate that is not a number"),
        ({"area": [1, 2, True, 3]}, "area: has a coordinate that is not a number"),
        ({"area": [1, 2, 3, 10**300]}, "area: has a coordinate that is not a number"),
        ({"area": [1, 2, 3, 91]}, "area: lies beyond 180 degrees"),
        ({"area": [1, 2, 3, 2]}, "area: has no size"),
        ({"area": {"type": "Point", "coordinates": [1, 2]}}, "area: expected a GeoJSON geometry of type Polygon"),
        ({"area": {"type": "Polygon", "coordinates": []}}, "area: expected a GeoJSON geometry"),
        ({"area": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]}}, "area: has a ring of fewer than 4"),
        (
            {"area": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}},
            "area: has a ring whose last",
        ),
        (
            {"area": {"type": "Polygon", "coordinates": [[[0, 0], [1], [1, 1], [0, 0]]]}},
            "area: has a point that is not",
        ),
        ({"area": {"type": "Polygon", "coordinates": [[[0, 0], [1, 95], [1, 1], [0, 0]]]}}, "area: has a point beyond"),
        (
            {"area": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}},
            "area: is not valid (Self-intersection",
        ),
        ({"date": None}, "date is missing; give a day such as 2026-11-20"),
        ({"date": 5}, "date: expected a day"),
        ({"date": "yesterday"}, "date=yesterday does not work"),
        ({"date": "2026-11-26/2026-11-20"}, "date=2026-11-26/2026-11-20 does not work; its last day"),
        ({"dates": ["2026-11-20"]}, "date and dates: expected one of them"),
        ({"model": "x"}, "model: x is unknown; expected one of quick, a/b"),
        ({"model": {"a": 1}}, "model: dict is unknown"),
        ({"source": "sentinel3"}, "source: sentinel3 is unknown; expected one of hls"),
        ({"catalog": "/srv/list.json"}, "catalog: /srv/list.json is unknown; expected one of planetary"),
        ({"composite": "best"}, "composite: best is unknown"),
        ({"mask": "cloud"}, "mask: expected a list"),
        ({"mask": ["clouds"]}, "mask: clouds is unknown; expected one of cloud"),
        ({"max_cloud": 101}, "max_cloud=101.0 does not work; expected 0 to 100"),
        ({"max_cloud": "0"}, "max_cloud: expected a number"),
        ({"max_cloud": float("inf")}, "max_cloud: expected a number"),
        ({"resolution": 1e9}, "resolution=1000000000.0 does not work; expected 0.01 to 100000"),
        ({"resolution": 10**399}, "resolution: expected a number"),
        ({"dilation": "3"}, "dilation: expected a number"),
        ({"dilation": 2000}, "dilation=2000.0 does not work; expected 0 to 1000"),
        ({"dilation": 2, "mask": []}, "dilation=2: nothing is masked; leave it out"),
        ({"resolution": 0}, "resolution=0.0 does not work; expected 0.01 to 100000"),
        ({"before": "2026-10-01"}, "before and after belong together"),
        ({"before": "2026-10-01", "after": "2026-11-01"}, "before and after: leave out date and every"),
        ({"before": 5, "after": "2026-11-01"}, "before: expected a day"),
        ({"every": 16}, "every: expected a number of days as text, such as 16d"),
        ({"every": "week"}, "every=week does not work; expected a number of days such as 16d"),
        ({"date": None, "dates": ["2026-11-20", "2026-11-21"], "every": "1d"}, "every: divides one date into periods"),
        ({"probabilities": 1}, "probabilities: expected true or false"),
        ({"zones": {"type": "FeatureCollection", "features": []}}, "zones: expected a GeoJSON FeatureCollection"),
        ({"zones": ["/etc/passwd"]}, "zones: expected a GeoJSON FeatureCollection"),
        ({"zones": {"type": "FeatureCollection", "features": [None]}}, "zones: number 1 is not a feature"),
        (
            {"zones": {"type": "FeatureCollection", "features": [{"geometry": None}]}},
            "zones: number 1: expected a GeoJSON geometry",
        ),
        ({"areas": BOX}, "the field 'areas' is unknown; expected model, area"),
        ({"folder": "/tmp"}, "the field 'folder' is unknown"),
    ],
)
def test_what_does_not_fit_is_one_sentence(changes, sentence):
    status, detail = refusal(body(**changes))
    assert (status, detail[: len(sentence)]) == (422, sentence)
    assert "\n" not in detail


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"area": [33, -19, 35, -18]}, "area: has 23,377 km²; the limit of this server is 20,000 km²"),
        ({"area": [-180, -0.0001, 180, 0.0001]}, "area: is spread over 720 cells of one degree; the limit is 100"),
        ({"date": "2026-11-20/2026-11-30"}, "dates: are 11 days; the limit of this server is 10 days"),
        ({"date": None, "dates": ["2026-11-20"] * 11}, "dates: are 11 days; the limit of this server is 10 days"),
        (
            {"date": None, "before": "2026-10-01/2026-10-06", "after": "2026-11-20/2026-11-26"},
            "dates: are 13 days; the limit of this server is 10 days",
        ),
        ({"zones": ZONES | {"features": ZONES["features"] * 1001}}, "zones: has 1001 features; the limit is 1000"),
    ],
)
def test_limits_have_their_status(changes, sentence):
    status, detail = refusal(body(**changes))
    assert (status, detail[: len(sentence)]) == (413, sentence)


def test_many_parts_and_points_are_refused():
    square = [[[0, 0], [1e-3, 0], [1e-3, 1e-3], [0, 0]]]
    parts = {"type": "MultiPolygon", "coordinates": [square] * 101}
    assert refusal(body(area=parts)) == (413, "area: has 101 polygons; the limit is 100")
    ring = [[x * 1e-6, 0] for x in range(20_000)] + [[0, 1], [0, 0]]
    status, detail = refusal(body(area={"type": "Polygon", "coordinates": [ring]}))
    assert (status, detail) == (413, "area: has 20002 points; the limit is 20000, so simplify the polygons")


@pytest.mark.parametrize(
    ("text", "status", "sentence"),
    [
        ("", 400, "the request is not JSON: Expecting value at line 1"),
        ("{'a': 1}", 400, "the request is not JSON"),
        ("[]", 422, "the request is not a JSON object"),
        ("[" * 100_000, 413, "the request is beyond the limits of JSON here: it has more than 64 levels"),
        ('{"area": ' + "9" * 500 + "}", 413, "the request is beyond the limits of JSON here: it has a number of more"),
        ('{"area": [' + "1," * 100_001 + "1]}", 413, "the request has more than 100000 values"),
    ],
)
def test_other_texts_are_refused(text, status, sentence):
    assert refusal(text)[0] == status
    assert refusal(text)[1].startswith(sentence)


def test_catalogues_by_url_only_where_the_operator_allows_them():
    url = "https://stac.example.org/v1"
    status, detail = refusal(body(catalog=url))
    assert (status, detail) == (
        403, "catalog: this server takes no URLs; expected one of planetary, earthsearch, lpdaac, cdse"
    )  # fmt: skip
    open_server = JobSettings("unused", allow_catalog_urls=True)
    text = json.dumps(body(catalog=url))
    assert parse_job(text, ["quick"], open_server).choices["catalog"] == url
    assert refusal(body(catalog="https://user:hush@stac.example.org/v1"), open_server)[0] == 422
    assert refusal(body(catalog="file:///etc/passwd"), open_server)[0] == 422


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://localhost:8000/", "http://2130706433/stac",
                                 "http://stac.internal/v1", "https://[::ffff:10.0.0.1]/"])  # fmt: skip
def test_catalogues_on_private_hosts_only_where_the_operator_allows_them(url):
    """Their answers are partly shown in messages, so that a client could read the server's network."""
    assert refusal(body(catalog=url), JobSettings("unused", allow_catalog_urls=True)) == (
        403, "catalog: lies on a private host, which this server does not ask for clients"
    )  # fmt: skip
    trusting = JobSettings("unused", allow_catalog_urls=True, allow_private_catalogs=True)
    assert parse_job(json.dumps(body(catalog=url)), ["quick"], trusting).choices["catalog"] == url.rstrip("/")


def test_areas_are_those_of_the_ellipsoid():
    pyproj = pytest.importorskip("pyproj")
    import shapely

    for west, south, east, north in ((0, 0, 1, 1), (33, -19, 35, -17), (-10, 59, -8, 61)):
        dense = shapely.box(west, south, east, north).segmentize(0.001)  # geodesics near parallels
        expected = abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(dense)[0]) / 1e6
        measured = geometry.measure_km2(geometry.box_geometry((west, south, east, north)))
        assert measured == pytest.approx(expected, rel=1e-6)


def test_a_box_across_longitude_180_is_cut():
    parts = geometry.box_geometry(geometry.read_box([179, 0, -179, 1]))
    assert [part[0][0][0] for part in parts["coordinates"]] == [179, -180]
    assert geometry.measure_km2(parts) == pytest.approx(2 * 12308.46, rel=1e-6)
    assert geometry.count_cells(parts) == 4  # two on both sides, with those that the edges touch


def test_holes_do_not_count():
    outer = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
    hole = [[0, 0], [0.5, 0], [0.5, 1], [0, 1], [0, 0]]
    whole = geometry.measure_km2({"type": "Polygon", "coordinates": [outer]})
    assert geometry.measure_km2({"type": "Polygon", "coordinates": [outer, hole]}) == pytest.approx(whole / 2)

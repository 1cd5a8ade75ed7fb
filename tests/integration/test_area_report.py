"""The report of an area in a browser: its map moves by keys, wheel and fingers, and it sends no request."""

import os
import shutil

import pytest

from instageo.area_maps.report.page import write_report
from tests.unit.area_maps.example import (
    HOSTILE,
    NAMES,
    make_change_maps,
    make_changes,
    make_maps,
    make_series,
    make_table,
)

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    maps = make_maps(folder / "out")
    table = make_table(zone_name=HOSTILE)
    changes = make_changes(maps=make_change_maps(maps))
    write_report(maps, table, folder / "report.html", changes=changes, series=make_series(NAMES))
    return folder / "report.html"


@pytest.fixture
def open_page(browser, report):
    """Function that opens the report; no page may have asked for anything, or have had an error, in the end."""
    contexts, asked, wrong = [], [], []

    def open_it(width=1280, height=900, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
        page.goto(report.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == []
    assert {url for url in asked if not url.startswith("data:")} == {report.as_uri()}


def view(page):
    """West, north, width and height of the view in pixels of the picture, after the next frame."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return [float(part) for part in page.get_attribute("#drawing", "viewBox").split()]


def coordinates(page):
    """Latitude and longitude that the page shows."""
    return [float(part.split("°")[0]) for part in page.inner_text("#pointer").split(" · ")[0].split(",")]


def test_keys_buttons_and_wheel_move_the_map(open_page):
    page = open_page()
    page.locator("#map.live").wait_for()
    whole = view(page)
    page.focus("#map")
    page.keyboard.press("+")
    zoomed = view(page)
    assert zoomed[2] == pytest.approx(whole[2] / 1.5)
    assert zoomed[0] + zoomed[2] / 2 == pytest.approx(whole[0] + whole[2] / 2)  # the middle stays
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    moved = view(page)
    assert moved[0] > zoomed[0]
    assert moved[1] < zoomed[1]
    page.keyboard.press("-")
    assert view(page)[2] == pytest.approx(whole[2])
    page.keyboard.press("0")
    assert view(page) == pytest.approx(whole)
    page.get_by_role("button", name="Zoom in").click()
    assert view(page)[2] == pytest.approx(whole[2] / 1.5)
    page.get_by_role("button", name="Show the whole area").click()
    box = page.locator("#drawing").bounding_box()
    x, y = box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.75
    page.mouse.move(x, y)
    before = coordinates(page)
    page.mouse.wheel(0, -300)
    assert view(page)[2] == pytest.approx(whole[2] / 2)
    page.mouse.move(x + 0.01, y)
    assert coordinates(page) == pytest.approx(before, abs=2e-4)  # the place under the pointer stays
    assert page.evaluate("scrollY") == 0


def test_the_pointer_reads_coordinates_and_classes(open_page):
    page = open_page()
    page.locator("#map.live").wait_for()
    west, north, width, _ = view(page)
    box, data = (
        page.locator("#drawing").bounding_box(),
        page.evaluate("({...document.getElementById('drawing').dataset})"),
    )
    for longitude, latitude, name in (
        (36.0, 0.25, "Water"),
        (35.9, 0.2, "not observed"),
        (36.1, 0.37, "Flooded crops"),
    ):
        column = (longitude - float(data["west"])) / float(data["lon"])
        row = (float(data["north"]) - latitude) / float(data["lat"])
        scale = box["width"] / width
        for step in range(200):  # until the pictures are decoded
            page.mouse.move(box["x"] + (column - west) * scale + step % 2, box["y"] + (row - north) * scale)
            if " · " in page.inner_text("#pointer"):
                break
        assert coordinates(page) == pytest.approx([latitude, longitude], abs=0.001)
        assert page.inner_text("#pointer").endswith(f" · {name}")


def test_two_fingers_zoom_and_one_moves(open_page):
    page = open_page(360, 740, has_touch=True)
    page.locator("#map.live").wait_for()
    whole, box = view(page), page.locator("#drawing").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)

    def send(kind, *xs):
        points = [{"x": x + offset, "y": y, "id": number} for number, offset in enumerate(xs)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", -30, 30)
    for spread in (40, 50, 60):
        send("touchMove", -spread, spread)
    send("touchEnd")
    zoomed = view(page)
    assert zoomed[2] == pytest.approx(whole[2] / 2, rel=0.02)
    send("touchStart", 0)
    send("touchMove", 20)
    send("touchMove", 40)
    send("touchEnd")
    assert view(page)[0] == pytest.approx(zoomed[0] - 40 * zoomed[2] / box["width"], rel=0.05)


def test_layers_tables_and_names(open_page):
    page = open_page()
    page.check("[data-toggle='1']")
    assert page.evaluate("getComputedStyle(document.querySelector('[data-layer=\"1\"]')).display") != "none"
    assert page.get_by_label("changes", exact=True).is_checked()
    legend = page.locator("[data-legend='1']").inner_text()
    assert "Land → Water" in legend
    assert "345 ha" in legend
    page.locator("[data-opacity='0']").fill("40")
    assert page.evaluate("document.querySelector('[data-layer=\"0\"]').style.opacity") == "0.4"
    page.uncheck("[data-toggle='zones']")
    assert page.evaluate("getComputedStyle(document.querySelector('.zones')).display") == "none"
    head = page.locator("#zones thead th").nth(1)
    first = "#zones tbody tr:first-child th"
    head.get_by_role("button").click()
    assert (head.get_attribute("aria-sort"), page.inner_text(first)) == ("ascending", "Beyond")
    head.get_by_role("button").press("Enter")
    assert (head.get_attribute("aria-sort"), page.inner_text(first)) == ("descending", "Western district")
    assert page.inner_text("#zones tfoot th") == "the area"
    assert HOSTILE in page.locator("#zones tbody th").all_inner_texts()
    page.get_by_role("button", name="Copy the command").click()
    page.locator("#status", has_text="C").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == "areas.csv"


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_the_page_fits_any_screen(open_page, width, tmp_path):
    page = open_page(width, 740, color_scheme="dark")
    view(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.screenshot(path=os.environ.get("INSTAGEO_SCREENSHOT", str(tmp_path / "page.png")))


def test_the_page_is_whole_without_scripts_and_in_print(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("#drawing").is_visible()
    assert page.locator("#zones").is_visible()
    assert page.locator("button:visible, fieldset:visible").count() == 0
    printed = open_page()
    assert len(printed.pdf(format="A4")) > 20_000

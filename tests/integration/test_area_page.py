"""The page `/area` in a browser, with mouse and keyboard."""

import json
import shutil
from itertools import pairwise

import pytest

from tests.integration.job_servers import job_server
from tests.unit.serving.jobs.conftest import body

LABEL_SPANS = """[...document.querySelectorAll("#labels text")].filter((label) => /[EW]$/.test(label.textContent))
  .map((label) => label.getBoundingClientRect()).map((box) => [box.left, box.right])"""
"""JavaScript: left and right end of each longitude below the map of the page, from west to east."""

SLOW_FILES = """() => {
  const read = File.prototype.text
  File.prototype.text = async function () {
    await new Promise((end) => setTimeout(end, 500))
    return read.call(this)
  }
}"""
"""JavaScript that lets the page wait for the content of files."""

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
def test_the_page_in_a_browser(trained, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    zones = json.dumps(body()["zones"])
    with job_server(trained[1], tmp_path / "jobs") as server, sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(600_000)  # only ends a test that would never, however busy the machine is
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{server.port}/area")
        page.locator("#needs", has_text="SWIR_2").wait_for()
        page.click("#show")
        assert page.inner_text("#status").startswith("choose an area: draw a box on the map")
        draw_with_mouse_and_keys(page)
        page.click("#show")
        assert page.inner_text("#status") == "choose the days of which images are taken"
        page.fill("#box", "33, -19, 33.5, -18.5")
        page.press("#box", "Tab")
        page.fill("[name=first]", "2026-11-20")
        page.fill("[name=last]", "2026-11-26")
        page.evaluate(SLOW_FILES)  # a plan waits for files that are being read
        page.set_input_files("#zonesfile", {"name": "z", "mimeType": "application/json", "buffer": b"{"})
        page.press("#box", "Enter")
        page.locator("#status", has_text="z is not GeoJSON; export the polygons as GeoJSON").wait_for()
        page.locator("#show:enabled").wait_for()
        assert page.is_disabled("#start")
        page.set_input_files("#zonesfile", {"name": "z", "mimeType": "application/json", "buffer": zones.encode()})
        assert page.is_disabled("#start")
        page.press("#box", "Enter")  # the form by the keyboard alone
        page.locator("#start:enabled").wait_for()
        assert page.inner_text("#planned").split() == [
            "Tiles", "1", "Images", "3", "To", "read", "13", "to", "40", "MB", "To", "compute", "2", "min",
        ]  # fmt: skip
        assert page.inner_text("#notes") == "<b>"
        page.keyboard.press("Enter")  # the button to start has the focus
        page.locator("#jobs .state", has_text="done").wait_for()
        with page.expect_download() as download:
            page.click("text=Download all")
        download.value.save_as(tmp_path / "all.zip")
        with page.expect_popup() as popup:
            page.click("text=Open the report")
        report = popup.value
        report.wait_for_load_state()
        assert report.evaluate("self.origin") == "null"  # it has nothing of this server's
        assert report.evaluate("fetch('/v1/jobs').then(() => 'read', () => 'refused')") == "refused"
        report.close()
        ask_for_two_periods_and_for_many(page)
        cancel_a_slow_job(page)
        page.select_option("#kind", "compare")
        for width, name in ((1280, "wide"), (360, "narrow")):
            page.set_viewport_size({"width": width, "height": 800})
            page.fill("#box", "11.95, 43.88, 12.05, 43.94")
            page.press("#box", "Tab")
            spans = page.evaluate(LABEL_SPANS)
            assert all(end <= start for (_, end), (start, _) in pairwise(spans)), spans
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=str(tmp_path / f"{name}.png"), full_page=True)
        browser.close()
    assert shutil.unpack_archive(tmp_path / "all.zip", tmp_path / "all") is None
    assert (tmp_path / "all" / "areas.csv").read_text() == "zone,hectares\n"
    assert wrong == []
    assert all(url.startswith((f"http://127.0.0.1:{server.port}/", "data:", "blob:")) for url in asked)


def draw_with_mouse_and_keys(page):
    """Draw a box, then move it and change its size by keys."""
    page.click("#closer")
    frame = page.locator("#frame").bounding_box()
    page.mouse.move(frame["x"] + 200, frame["y"] + 200)
    page.mouse.down()
    page.mouse.move(frame["x"] + 260, frame["y"] + 240, steps=4)
    page.mouse.up()
    west, south, east, north = map(float, page.input_value("#box").split(","))
    assert west < east
    assert south < north
    page.focus("#frame")
    page.keyboard.press("ArrowRight")
    moved = list(map(float, page.input_value("#box").split(",")))
    assert moved[0] - west == pytest.approx(moved[2] - east, abs=0.2)
    assert moved[0] > west
    page.keyboard.press("Shift+ArrowUp")
    grown = list(map(float, page.input_value("#box").split(",")))
    assert (grown[:3], grown[3] > moved[3]) == (moved[:3], True)


def ask_for_two_periods_and_for_many(page):
    """Compare two periods, then follow the area over time, by the keyboard alone."""
    page.focus("#kind")
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("group").filter(has_text="Before: images").is_visible()
    fields = page.locator("#dates input")
    assert [field.input_value() for field in fields.all()] == ["2026-11-20", "2026-11-26", "", ""]
    page.press("#kind", "Enter")
    page.click("#show")
    assert page.inner_text("#status") == "choose the days of which images are taken: after"
    fields.nth(2).fill("2026-12-01")
    page.click("#show")
    page.locator("#start:enabled").wait_for()
    assert "6" in page.inner_text("#planned").split()  # 3 images of each period
    page.keyboard.press("Enter")
    done = page.locator("#jobs > li").first
    done.locator("strong", has_text="quick, changes from 2026-11-20/2026-11-26 to 2026-12-01").wait_for()
    done.locator(".state", has_text="done").wait_for()
    done.locator("summary").click()
    with page.expect_download() as download:
        done.get_by_role("link", name="before/report.html").click()
    assert download.value.suggested_filename == "report.html"
    page.select_option("#kind", "series")
    page.get_by_label("Days of each map").fill("3")
    page.click("#show")
    page.locator("#start:enabled").wait_for()
    page.keyboard.press("Enter")
    page.locator("#jobs strong", has_text="3 maps from 2026-11-20/2026-11-22 to 2026-11-26").wait_for()
    page.locator("#jobs > li").first.locator(".state", has_text="done").wait_for()


def cancel_a_slow_job(page):
    """Start a slow job from the page, watch it, cancel it, and remove it."""
    page.select_option("#model", "slow")
    page.locator("#needs", has_text="SWIR_2").wait_for()
    asked = json.dumps({"model": "slow", "area": [33, -19, 34, -18], "date": "2026-11-20"})
    page.evaluate(
        "text => fetch('v1/jobs', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: text})", asked
    )
    page.reload()
    page.locator("#jobs .state", has_text="running").wait_for()
    page.click("#jobs >> text=Cancel")
    page.locator("#jobs .state", has_text="cancelled").wait_for()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#jobs > li").first.locator("text=Remove").click()
    page.locator("#jobs .state", has_text="cancelled").wait_for(state="detached")

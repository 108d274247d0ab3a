"""The page in a real browser: Chromium without a screen and without a network."""

from __future__ import annotations

import io
import shutil
import time

import pytest
from PIL import Image

from iia_calc.report.atlas.site import write_atlas
from iia_calc.report.findings import read_findings
from iia_calc.report.page import write_report

pytest.importorskip("selenium")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        DRIVER is None or BROWSER is None, reason="needs Chromium: apt install chromium chromium-driver"
    ),
]
DESKTOP, PHONE = (1280, 900), (390, 844)
WITHIN = 120.0  # seconds until the viewer is there


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",  # as root, in containers
        "--disable-dev-shm-usage",
        "--enable-unsafe-swiftshader",  # WebGL without a graphics card
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--window-size={DESKTOP[0]},{DESKTOP[1]}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(WITHIN)
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield driver
    driver.quit()


def opened(browser, path) -> None:
    """The page at `path`, once its viewer is there."""
    browser.get(path.resolve().as_uri())
    until(lambda: browser.execute_script("return document.documentElement.dataset.ready") == "yes")


def until(holds) -> None:
    end = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < end, "the page wasn't ready in time"
        time.sleep(0.1)


def errors(browser) -> list[str]:
    """What the console holds, but for remarks of the graphics driver."""
    return [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def drawing(browser, selector: str = "#viewer-structure") -> Image.Image:
    """What the structure viewer shows, without the buttons above it."""
    element = browser.find_element("css selector", selector)
    browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", element)
    image = Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB")
    return image.crop((8, 50, image.width - 8, image.height - 8))


def orange(image: Image.Image) -> int:
    """Pixels of a selenium atom's colour."""
    return sum(n for n, (r, g, b) in image.getcolors(1 << 24) if r > 150 and 60 < g < 0.75 * r and b < 0.3 * r)


def test_opens_offline_and_draws(browser, search):
    opened(browser, search.folder / "report.html")
    assert errors(browser) == []
    structure = drawing(browser)
    assert len(structure.getcolors(1 << 24)) > 100
    assert orange(structure) > 200
    assert len(drawing(browser, "#viewer-map").getcolors(1 << 24)) > 20
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in fetched if not name.startswith(("blob:", "data:"))] == []


def test_a_click_in_the_table_changes_the_structure(browser, search):
    opened(browser, search.folder / "report.html")
    before = drawing(browser).tobytes()
    row = browser.find_element("css selector", '#isomers tr[data-rank="3"]')
    browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", row)
    row.find_elements("tag name", "td")[1].click()
    assert browser.find_element("id", "caption").text.startswith("isomer 3 ")
    until(lambda: drawing(browser).tobytes() != before)
    assert browser.execute_script("return document.querySelector('tr.chosen').dataset.rank") == "3"
    browser.find_element("id", "before").click()
    assert browser.find_element("id", "caption").text.startswith("isomer 2 ")
    assert errors(browser) == []


def test_headings_sort(browser, search):
    opened(browser, search.folder / "report.html")
    heading = browser.find_element("xpath", '//section[@id="isomers"]//button[contains(., "times found")]')
    column = browser.execute_script("return arguments[0].parentElement.cellIndex", heading)
    script = (
        "return [...document.querySelectorAll('#isomers tbody tr')].map(r => Number(r.cells[arguments[0]].innerText))"
    )
    for direction in (1, -1):
        browser.execute_script("arguments[0].click()", heading)
        values = browser.execute_script(script, column)
        assert values == sorted(values, reverse=direction < 0)
    assert len(set(values)) > 1


def test_either_geometry(browser, confirmed):
    opened(browser, write_report(confirmed))
    row = read_findings(confirmed).ranked[0].rank
    buttons = {b.text: b for b in browser.find_elements("css selector", "#geometry button")}
    assert buttons["DFT"].get_attribute("aria-pressed") == "true"
    before = drawing(browser).tobytes()
    browser.execute_script("arguments[0].click()", buttons["potential"])
    assert buttons["potential"].get_attribute("aria-pressed") == "true"
    until(lambda: drawing(browser).tobytes() != before)
    assert browser.find_element("id", "caption").text.startswith(f"isomer {row} ")
    assert errors(browser) == []


def test_fits_a_phone(browser, confirmed):
    phone = {"width": PHONE[0], "height": PHONE[1], "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        opened(browser, write_report(confirmed))
        wide = browser.execute_script(
            "return [document.documentElement.scrollWidth, ...['#viewer-structure', '#viewer-map', 'svg.ladder']"
            ".map(s => document.querySelector(s).getBoundingClientRect().right)]"
        )
        assert max(wide) <= PHONE[0]
        assert orange(drawing(browser)) > 100
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_atlas_works_offline(browser, tmp_path):
    pytest.importorskip("pymatgen")
    site = write_atlas(tmp_path / "atlas", formulas=["SeB6", "SeB16"])
    opened(browser, site.index)
    assert [row.text for row in browser.find_elements("css selector", "#isomers td a")][1::2] == ["SeB₆", "SeB₁₆"]
    browser.find_element("link text", "SeB₁₆").click()
    until(lambda: browser.execute_script("return document.documentElement.dataset.ready") == "yes")
    before = drawing(browser)
    assert orange(before) > 200
    browser.execute_script("document.querySelector('#isomers tr[data-rank=\"2\"]').click()")
    assert browser.find_element("id", "caption").text.startswith("no. 2 ")
    until(lambda: drawing(browser).tobytes() != before.tobytes())
    assert errors(browser) == []

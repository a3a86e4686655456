"""A headless Chromium that tests look at pages with, where there is one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="needs Chromium and its chromedriver"
)


def open_browser(downloads: Path) -> Iterator[Any]:
    """Yield a driver, whose `downloads` is the folder; body of a fixture."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.set_window_size(1400, 1000)
        driver.downloads = downloads
        yield driver
    finally:
        driver.quit()


def until(met: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


class OpenPage:
    """A page that is open, by what people see of it."""

    browser: Any

    def open(self, address: str) -> None:
        self.browser.get(address)
        until(lambda: self.browser.find_elements(By.CSS_SELECTOR, "body[data-ready]"), 30)

    def find(self, id: str) -> Any:
        return self.browser.find_element(By.ID, id)

    def text(self, id: str) -> str:
        found: str = self.find(id).text
        return found

    def press(self, id: str) -> None:
        self.find(id).click()

    def set(self, element: Any, value: Any) -> None:
        self.browser.execute_script(
            "arguments[0].value = arguments[1];"
            "for (const kind of ['input', 'change'])"
            "  arguments[0].dispatchEvent(new Event(kind, { bubbles: true }));",
            element,
            value,
        )

    def pixel(self, row: int, column: int) -> list[int]:
        script = (
            "return Array.from(document.getElementById('canvas').getContext('2d')"
            ".getImageData(arguments[0], arguments[1], 1, 1).data)"
        )
        return list(self.browser.execute_script(script, column, row)[:3])

    def give(self, path: Path) -> None:
        """Choose a file, as of the input `file`, which people do not see."""
        self.browser.execute_script("document.getElementById('file').hidden = false")
        self.find("file").send_keys(str(path))

    def download(self, id: str, name: str) -> Path:
        path: Path = self.browser.downloads / name
        path.unlink(missing_ok=True)
        self.press(id)
        until(path.exists)
        return path

    def faults(self) -> list[str]:
        log = self.browser.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]

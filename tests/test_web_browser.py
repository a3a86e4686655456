"""The page for images in a browser: its labels beside Keras', and what it says of other files."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from chromium import OpenPage, needs_chromium, open_browser, until
from image_files import gdal_tiff
from numpy.typing import NDArray
from PIL import Image
from selenium.webdriver.common.by import By
from tiny_run import make_run

from iic_tf.data.raster import Raster
from iic_tf.data.scene import with_nan
from iic_tf.data.scenes import Scenes
from iic_tf.export.export import export
from iic_tf.export.served_run import load_served
from iic_tf.training.run import Run

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from open_browser(tmp_path_factory.mktemp("downloads"))


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and keeps its words to itself."""

    def log_message(self, format: str, *values: Any) -> None:
        pass


class Page(OpenPage):
    """An exported page that is served and open."""

    def __init__(self, browser: Any, run: Run):
        self.browser, self.run, self.served = browser, run, load_served(run)
        self.folder = export(run, "web", say=str, overwrite=True)
        if not json.loads((self.folder / "runtime.json").read_text())["offline"]:
            pytest.skip("needs npm's files: npm cache add onnxruntime-web@1.30.0 geotiff@3.0.5")
        handler = functools.partial(Quiet, directory=self.folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.open(f"http://127.0.0.1:{self.server.server_port}/")

"""How fast the page of `iic-tf export --format web` is, in headless Chromium, beside ONNX Runtime.

    python benchmarks/web_speed.py RUN --image IMAGE.tif --sides 1000 2000

Exports the run, makes a scene of each side out of the image (`big_scene.py`), shows it to the page
by one thread and, served with the headers that isolate it, by several, and to `python -m
iic_tf.onnx_predict`; prints seconds and megapixels a second. Needs Chromium, its driver, selenium,
and npm's files (docs/web.md).
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from big_scene import make_scene

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from chromium import OpenPage, open_browser, until  # type: ignore[import-not-found]

ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


def served(folder: Path, headers: dict[str, str]) -> str:
    """An address at which a folder is served."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *values: Any) -> None:
            pass

        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name, value)
            super().end_headers()

    handler = functools.partial(Handler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def shown(browser: Any, address: str, scene: Path) -> tuple[float, str]:
    """Seconds from choosing a file to its map, and what the page says then."""
    page: Any = OpenPage()
    page.browser = browser
    page.open(address)
    begun = time.perf_counter()
    page.give(scene)
    until(lambda: page.find("downloads").is_displayed(), 900)
    return time.perf_counter() - begun, page.text("status")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--sides", type=int, nargs="+", default=[1000, 2000])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for kind, name in (("web", "web"), ("onnx", "model.onnx")):
            words = ["export", given.run, "--format", kind, "--out", str(folder / name)]
            subprocess.run([sys.executable, "-m", "iic_tf.cli", *words], check=True)
        said = json.loads((folder / "web" / "runtime.json").read_text())
        if not said["offline"]:
            raise SystemExit("Expected npm's files in the page; received none: see docs/web.md")
        for side in given.sides:
            scene = folder / f"{side}.tif"
            make_scene(scene, given.image, side, collar=side // 30)
            megapixels = side * side / 1e6
            for name, headers in (("one thread", {}), ("isolated", ISOLATED)):
                for browser in open_browser(folder):
                    seconds, status = shown(browser, served(folder / "web", headers), scene)
                pace = f"{seconds:.1f} s, {megapixels / seconds:.2f} MP/s"
                print(f"{side}  page, {name}: {pace}  ({status})", flush=True)
            words = ["-m", "iic_tf.onnx_predict", str(folder / "model.onnx"), str(scene)]
            told = subprocess.run(
                [sys.executable, *words, "--out", str(folder / f"out-{side}")],
                check=True,
                capture_output=True,
                text=True,
            )
            found = re.search(r"([\d.]+) s, ([\d.]+) MP/s", told.stdout)
            print(f"{side}  onnx_predict: {found.group(0) if found else told.stdout}", flush=True)


if __name__ == "__main__":
    main()

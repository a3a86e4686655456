"""The folder of the page for images, without a browser: what is in it, and what is refused."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tiny_run import make_clustering_run, make_run

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.export.export import export
from iic_tf.export.form import Form
from iic_tf.export.model_card import card_of
from iic_tf.export.served_run import load_served
from iic_tf.export.web import export_web, npm_files, web_folder
from iic_tf.export.web.npm_files import CDN, PACKAGES, Package, integrity
from iic_tf.training.answer import answer_of
from iic_tf.training.run import Run

SCRIPT = b"the code"
MADE_UP = Package(
    "some",
    "1.0.0",
    "",  # set with the archive
    {"dist/some.js": integrity(SCRIPT)},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests write ONNX files, and compare them with Keras."""

    def write(served: Any, path: Path, form: Form, card: Any) -> float:
        path.write_bytes(b"graph")
        path.with_suffix(".json").write_text(json.dumps(card))
        return 0.0

    monkeypatch.setattr(web_folder, "export_onnx", write)


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Puts a command `npm` first, that copies an archive of these files, or fails."""

    def install(files: dict[str, bytes] | None, pinned: bool = True) -> None:
        place = tmp_path / "bin"
        place.mkdir()
        archive = place / "some.tgz"
        with tarfile.open(archive, "w:gz") as packed:
            for name, content in (files or {}).items():
                entry = tarfile.TarInfo(f"package/{name}")
                entry.size = len(content)
                packed.addfile(entry, io.BytesIO(content))
        copy = f'cp "{archive}" "$6/some-1.0.0.tgz"'
        command = place / "npm"
        command.write_text(f"#!/bin/sh\n{copy if files else 'echo no way >&2; exit 1'}\n")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        digest = integrity(archive.read_bytes() if pinned else b"another", "sha512")
        package = Package(MADE_UP.name, MADE_UP.version, digest, MADE_UP.files)
        for module in (npm_files, web_folder):
            monkeypatch.setattr(module, "PACKAGES", (package,))

    return install


def runtime(folder: Path) -> Any:
    return json.loads((folder / "runtime.json").read_text())


def test_the_folder_with_npm_s_files(run: Run, npm: Any, tmp_path: Path) -> None:
    npm({"dist/some.js": SCRIPT, "LICENSE": b"free", "dist/other.js": b"unused"})
    said: list[str] = []
    folder = export(run, "web", say=said.append)
    assert folder == run.folder / "export" / "web"
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    own = {"index.html", "page.css", "page.js", "iic_tf_worker.js"}
    vendor = {"vendor/some/some.js", "vendor/some/LICENSE"}
    assert files == own | {"model.onnx", "model.json", "runtime.json"} | vendor
    assert runtime(folder)["offline"] is True
    assert runtime(folder)["files"] == [
        {"file": "some.js", "url": "vendor/some/some.js", "integrity": integrity(SCRIPT)}
    ]
    card = json.loads((folder / "model.json").read_text())
    assert card["margin"] > 0
    assert any("some 1.0.0 copied in: the page works offline" in line for line in said)
    assert f"python3 -m http.server --directory {folder}" in said[-1]

    page = (folder / "index.html").read_text()
    assert "{{" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    # Not a word of another place, nor of code within the page.
    assert rules["connect-src"] == "'self' blob: data:"
    assert rules["script-src"] == "'self' blob: 'wasm-unsafe-eval'"
    assert rules["worker-src"] == "blob:"
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", page)

    # There already; and replaced, of which nothing is left.
    with pytest.raises(InputError, match="which is there already"):
        export(run, "web", say=str)
    (folder / "older.js").write_text("")
    export(run, "web", say=str, overwrite=True)
    assert not (folder / "older.js").exists()
    assert [p.name for p in folder.parent.iterdir()] == ["web"]
    # A folder of something else stays, whatever its files are called.
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("mine")
    with pytest.raises(InputError, match="which is something else"):
        export(run, "web", site, say=str, overwrite=True)
    assert (site / "index.html").read_text() == "mine"


@pytest.mark.parametrize(
    ("files", "pinned", "why"),
    [
        (None, True, "npm has no some@1.0.0 here: no way"),
        ({"dist/some.js": SCRIPT}, False, "npm brought another some@1.0.0 than the pinned one"),
        ({"dist/some.js": b"changed"}, True, "some 1.0.0 has another dist/some.js than pinned"),
        ({"LICENSE": b"free"}, True, "some 1.0.0 has another dist/some.js than pinned"),
    ],
)
def test_else_they_come_from_a_cdn(
    run: Run, npm: Any, tmp_path: Path, files: Any, pinned: bool, why: str
) -> None:
    npm(files, pinned)
    said: list[str] = []
    folder = export(run, "web", tmp_path / "web", say=said.append)
    assert not (folder / "vendor").exists()
    assert runtime(folder) == {
        "packages": "some 1.0.0",
        "offline": False,
        "why": why,
        "files": [
            {
                "file": "some.js",
                "url": f"{CDN}/some@1.0.0/dist/some.js",
                "integrity": integrity(SCRIPT),
            }
        ],
    }
    assert any(why in line and CDN in line for line in said)
    assert f"connect-src 'self' blob: data: {CDN}/;" in (folder / "index.html").read_text()


def test_without_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(npm_files.NpmError, match="npm is not installed"):
        npm_files.copy_in(tmp_path)


def test_bands_by_number_are_told(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    config = run.config()
    config["source"]["bands"] = "5,1,2"
    run.config_file.write_text(json.dumps(config))
    bands = card_of(run, answer_of(run), "main", Form())["bands"]
    assert [(band["name"], band["number"]) for band in bands] == [("5", 5), ("1", 1), ("2", 2)]


def test_all_that_the_page_loads_is_pinned() -> None:
    versions = {package.name: package.version for package in PACKAGES}
    assert set(versions) == {"onnxruntime-web", "geotiff"}
    for package in PACKAGES:
        assert re.fullmatch(r"\d+\.\d+\.\d+", package.version)
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package.integrity)
        for digest in package.files.values():
            assert re.fullmatch(r"sha384-[A-Za-z0-9+/]{64}", digest)
    # The worker takes them in this order.
    assert [entry["file"].rpartition(".")[2] for entry in npm_files.places(None)] == [
        *("mjs", "wasm", "js")
    ]


def test_what_has_no_page(run: Run, npm: Any, tmp_path: Path) -> None:
    npm({"dist/some.js": SCRIPT})
    images = make_clustering_run(tmp_path)
    assert main(["export", str(images.folder), "--format", "web"]) == 2
    with pytest.raises(InputError, match="Expected a run of pixels for --format web"):
        export(images, "web", say=str)
    for form in (Form("uint8"), Form(labels_only=True)):
        with pytest.raises(InputError, match="without --labels-only, --uint8 or --uint16"):
            export(run, "web", tmp_path / "web", say=str, form=form)
    many = {"classes": [{"number": 3}, {"number": 255}]}
    with pytest.raises(InputError, match=r"numbers of classes up to 254 .* received 255"):
        export_web(load_served(run), tmp_path / "web", card=many)
    assert not (tmp_path / "web").exists()


def test_a_full_disk_leaves_nothing(
    run: Run, npm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm({"dist/some.js": SCRIPT})

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(web_folder, "_write_page", full)
    with pytest.raises(InputError, match=r"Expected room to write .*web; received .*No space left"):
        export(run, "web", tmp_path / "new" / "web", say=str)
    assert not (tmp_path / "new").exists()

"""The export for QGIS' Deepness, used as the plugin uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from image_files import patchy
from numpy.typing import NDArray
from test_infoseg_windows import served_infoseg
from tiny_run import answering, make_clustering_run, make_run

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.export import export as exporting
from iic_tf.export.deepness import Tiling, tiling_for
from iic_tf.export.export import export
from iic_tf.export.form import Form
from iic_tf.export.servable import ExportError
from iic_tf.export.served_run import load_served
from iic_tf.training.run import Run

CLASSES = """
head: main
classes:
  water: {number: 7, show: "#0000ff", clusters: [1]}
  street: {number: 3, show: "#808080", clusters: [0, 2]}
"""


class Plugin:
    """What the plugin does with a model and a layer, by its documentation and behaviour."""

    def __init__(self, path: Path):
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (self.input,) = self.session.get_inputs()
        (self.output,) = self.session.get_outputs()
        self.told = {
            key: json.loads(text)
            for key, text in self.session.get_modelmeta().custom_metadata_map.items()
            if key in KEYS
        }
        assert self.input.shape[2] == self.input.shape[3] == self.told["tile_size"]
        assert self.output.shape[2:] == self.input.shape[2:]
        assert self.input.shape[0] == 1

    def label(self, layer: NDArray[Any]) -> NDArray[np.int64]:
        """Numbers of channels, `[height, width]`: what is beyond the layer is 0."""
        size = self.told["tile_size"]
        overlap = int(size * self.told["tiles_overlap"] / 100 * 2) // 2
        stride, half = size - overlap, overlap // 2
        sides = [max(0, -(-(side - size) // stride)) * stride + size for side in layer.shape[:2]]
        extended = np.zeros((*sides, layer.shape[2]), layer.dtype)
        extended[: layer.shape[0], : layer.shape[1]] = layer
        labels = np.full(sides, -9)
        places = [range(0, side - size + 1, stride) for side in sides]
        for top in places[0]:
            for left in places[1]:
                found = self._tile(extended[None, top : top + size, left : left + size])
                # Half of an overlap goes to either tile; tiles at the ends keep all.
                rows, columns = (
                    slice(0 if at == 0 else half, size if at == last[-1] else size - half)
                    for at, last in ((top, places[0]), (left, places[1]))
                )
                labels[top : top + size, left : left + size][rows, columns] = found[rows, columns]
        return labels[: layer.shape[0], : layer.shape[1]]

    def _tile(self, tiles: NDArray[Any]) -> NDArray[np.int64]:
        seen = np.float32(tiles * 1.0 / 255.0).transpose(0, 3, 1, 2)
        result = self.session.run(None, {self.input.name: seen})[0]
        result[result < self.told["seg_thresh"]] = 0.0
        return result.argmax(1)[0]


KEYS = (
    *("model_type", "class_names", "resolution", "tile_size", "tiles_size", "tiles_overlap"),
    *("seg_thresh", "seg_small_segment"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = make_run(tmp_path_factory.mktemp("named"), channels=4, downscale=2, high=200.0)
    made.config_file.write_text(json.dumps(made.config() | {"resolution": 0.60024}))
    made.classes_file.write_text(CLASSES)
    return made


def test_the_plugin_labels_a_layer_as_keras_does(run: Run) -> None:
    said: list[str] = []
    path = export(run, "deepness", say=said.append)
    assert path == run.folder / "export" / "deepness.onnx"
    assert "largest difference from the Keras model" in said[-2]
    assert any("%" in line and "overlap" in line for line in said)
    plugin = Plugin(path)
    size = plugin.told["tile_size"]
    assert plugin.told == {
        "model_type": "Segmentor",
        "class_names": {"0": "water", "1": "street"},
        "resolution": 60.0,
        "tile_size": size,
        "tiles_size": size,
        "tiles_overlap": plugin.told["tiles_overlap"],
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
    }
    assert plugin.input.shape == [1, 4, size, size]
    assert plugin.output.shape == [1, 2, size, size]

    # Two tiles and a bit in each direction, so that there are seams and an end.
    layer = patchy(2 * size - 61, size + 73, 4)
    served = load_served(run)
    numbers = np.array([7, 3])[plugin.label(layer)]
    wanted = np.asarray(served(layer[None].astype(np.float32))["labels"])[0]
    assert set(np.unique(wanted)) == {3, 7}
    # At the layer's lower and right ends the plugin shows zeros beyond it.
    inner = (slice(0, -served.margin), slice(0, -served.margin))
    assert (numbers[inner] != wanted[inner]).mean() < 1e-5

    card = json.loads(path.with_suffix(".json").read_text())
    assert (card["resolution"], card["no_data"]) == (0.60024, None)
    assert card["tile"] == {"size": size, "overlap": plugin.told["tiles_overlap"]}
    assert card["input"] == {"image": "float32"}


def test_values_of_16_bits_are_divided_by_255_too(tmp_path: Path) -> None:
    run = make_run(tmp_path, channels=1, high=3000.0)
    plugin = Plugin(export(run, "deepness", say=str))
    assert plugin.told["class_names"] == {str(k): f"cluster {k}" for k in range(3)}
    assert "resolution" not in plugin.told
    size = plugin.told["tile_size"]
    layer = (patchy(size, size, 1).astype(np.uint16) * 12).astype(np.uint16)
    wanted = np.asarray(load_served(run)(layer[None].astype(np.float32))["labels"])[0]
    assert len(np.unique(wanted)) > 1
    assert (plugin.label(layer) != wanted).mean() < 1e-5


@pytest.mark.parametrize(("margin", "align"), [(0, 1), (27, 2), (43, 8), (130, 12), (511, 16)])
def test_tiles_overlap_by_twice_the_margin(margin: int, align: int) -> None:
    tiling = tiling_for(margin, align)
    assert tiling.size % align == 0
    assert tiling.stride % align == 0
    assert (tiling.size - tiling.stride) // 2 >= margin
    assert tiling.size >= 512
    # A percent less, or a smaller tile, would not do.
    less = Tiling(tiling.size, tiling.overlap - 1)
    assert less.overlap_pixels // 2 < margin or less.stride % align or tiling.overlap == 1


def test_what_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExportError, match=r"sees 512 pixels .*received one that sees 513"):
        tiling_for(513, 1)
    with pytest.raises(InputError, match="one of whole images"):
        export(make_clustering_run(tmp_path / "c"), "deepness", say=str)
    run = make_run(tmp_path)
    for form in (Form(labels_only=True), Form("uint8")):
        with pytest.raises(InputError, match="neither --labels-only, --uint8 nor --uint16"):
            export(run, "deepness", say=str, form=form)
    given = ["export", str(run.folder), "--format", "deepness", "--labels-only"]
    assert main(given) == 2
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr(exporting, "answer_of", lambda *_: answering(served_infoseg()))
    with pytest.raises(InputError, match="labels depend on the scene as a whole"):
        export(run, "deepness", say=str)
    assert not (run.folder / "export").exists()

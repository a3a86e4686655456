"""InfoSeg's labels of a scene do not depend on how it is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from made_up import noise, small_infoseg, small_segmenter
from tiny_run import randomise

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.scenes import THREE_CLASSES
from iic_tf.data.windows import windows
from iic_tf.export import onnx_file, savedmodel
from iic_tf.export.keras_predictor import KerasPredictor
from iic_tf.export.labelling import Labelling
from iic_tf.models.served import ServedSegmenter
from iic_tf.networks.mirror import mirrored
from iic_tf.training.labellers import NetworkLabeller
from iic_tf.training.segmentation_scores import confusions
from iic_tf.training.whole_scene import core_of, scene_summing

SIZE = (150, 203)


def served_infoseg(downscale: int = 1, **arguments: Any) -> ServedSegmenter:
    """With statistics that mean something, and L of either sign, so that all classes are found."""
    keras.utils.set_random_seed(0)
    model = small_infoseg(3, tau=0.2, **arguments)
    randomise(model, 0)
    served = ServedSegmenter(model, [0.0] * 3, [255.0] * 3, downscale)
    local, _ = model.local_and_global(served.prepared(photograph()[None]))
    model.heads["main"].local_residual.shortcut.norm.beta.assign_sub(np.mean(local, (0, 1, 2)))
    return served


def photograph(seed: int = 0) -> Any:
    """Uint8, dark at the left and bright at the right: parts of it are unlike the whole."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0.1, 1, SIZE[1])[:, None]
    return (rng.uniform(0, 255, (*SIZE, 3)) * slope).astype(np.uint8)


def cut(core: int, served: ServedSegmenter) -> list[Any]:
    return list(windows(*SIZE, core, served.margin, served.align))


def added_up(served: ServedSegmenter, pixels: Any, core: int) -> Any:
    parts = []
    for w in cut(core, served):
        top, left, height, width = w.outer
        seen = pixels[None, top : top + height, left : left + width].astype(np.float32)
        parts.append(np.asarray(served.scene_sums(seen, core_of(w))))
    return np.sum(parts, axis=0)


@pytest.mark.parametrize(("downscale", "inputs"), [(1, "bands"), (2, "bands+sobel")])
def test_sums_of_windows_are_those_of_the_whole(downscale: int, inputs: str) -> None:
    served, pixels = served_infoseg(downscale, inputs=inputs), photograph()
    whole = np.asarray(served.scene_sums(pixels[None], [0, 0, *SIZE]))
    assert whole.shape == (1, served.scene_features)
    cells = -(-SIZE[0] // (16 * downscale)) * -(-SIZE[1] // (16 * downscale))
    assert whole[0, -1] == cells
    for core in (16, 50, 64):
        np.testing.assert_allclose(added_up(served, pixels, core), whole, rtol=1e-5, atol=1e-4)
    # They are those of the image's own cells, beside which it is mirrored.
    model, beside = served.model, served.model.mirror // 16
    seen = mirrored(served.prepared(pixels[None]), model.mirror)
    every = np.asarray(model.heads["main"].image_map(model.features(seen)))
    own = every[0, beside:-beside, beside:-beside].reshape(cells, -1)
    np.testing.assert_allclose(whole[0, :-1], own.sum(0), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("downscale", [1, 2])
def test_labels_are_those_of_the_whole_however_it_is_cut(
    downscale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, pixels = served_infoseg(downscale, inputs="bands+sobel"), photograph()
    whole = np.asarray(served(pixels[None].astype(np.float32))["labels"])[0]
    assert min(np.bincount(whole.ravel(), minlength=3)) > 20
    scenes = from_arrays([pixels], [whole], THREE_CLASSES)
    for core in (48, 100):
        for module in ("training.whole_scene.CORE", "export.labelling.CORE"):
            monkeypatch.setattr(f"iic_tf.{module}", core)
        monkeypatch.setattr("iic_tf.training.segmentation_scores.WINDOW", core)
        labelling = Labelling(KerasPredictor(served), scenes, scenes.scenes[0])
        labels = np.concatenate(list(labelling.strips()))
        assert (labels != whole).mean() < 0.001
        # Scores go over the same windows.
        names = [[scene.name for scene in scenes.scenes]]
        matrix = confusions(NetworkLabeller(served), scenes, names).whole("main", 0)
        assert matrix.sum() - np.trace(matrix) < 0.001 * whole.size
    # A part alone is another image: its own global features give others.
    part = np.asarray(served(pixels[None, :, -64:].astype(np.float32))["labels"])[0]
    assert (part != whole[:, -64:]).mean() > 0.02


def test_the_same_of_exports(tmp_path: Path) -> None:
    served, pixels = served_infoseg(), photograph()
    # The exports themselves are checked on the way: cut into windows, see `check_windows`.
    savedmodel.export_savedmodel(served, tmp_path / "1")
    onnx_file.export_onnx(served, tmp_path / "model.onnx", card={"margin": served.margin})
    for file in ("model.onnx", "model.window.onnx"):
        told = [(p.key, p.value) for p in onnx.load(tmp_path / file).metadata_props]
        assert told == [("margin", str(served.margin))]
    whole = np.asarray(served(pixels[None].astype(np.float32))["labels"])[0]
    runners = (
        savedmodel.window_runner(tmp_path / "1"),
        onnx_file.window_runner(tmp_path / "model.window.onnx"),
    )
    for run in runners:
        sums = np.zeros((1, served.scene_features), np.float32)

        def found(window: Any, sums: Any, run: Any = run) -> Any:
            top, left, height, width = window.outer
            seen = pixels[None, top : top + height, left : left + width].astype(np.float32)
            return run(seen, sums, core_of(window))

        total = sum(found(w, sums)["own_sums"] for w in cut(64, served))
        labels = np.empty_like(whole)
        for w in cut(64, served):
            place = np.s_[w.top : w.top + w.height, w.left : w.left + w.width]
            labels[place] = found(w, total)["labels"][0][w.inner]
        assert (labels != whole).mean() < 0.001
        # A batch without windows is answered by one, with or without sums of its own.
        for rows in (0, 1):
            nothing = run(
                np.zeros((0, 33, 40, 3), np.float32), sums[:rows], np.array([0, 0, 9, 9], np.int32)
            )
            assert nothing["labels"].shape == (0, 33, 40)
            assert nothing["own_sums"].shape == (0, served.scene_features)


def test_cells_count_by_the_share_of_their_pixels_that_holds_data() -> None:
    model, x = small_infoseg(3), noise(1, 48, 64, 3)
    randomise(model, 0)
    valid = np.ones((1, 48, 64, 1), np.float32)
    valid[:, :, :32] = 0
    _, half = model.of_scene(x, valid=valid)
    _, right = model.of_scene(x, core=[0, 32, 48, 32])
    np.testing.assert_allclose(half, right, rtol=1e-5, atol=1e-5)
    assert half[0, -1] == 6
    (found,), nothing = model.of_scene(x, valid=np.zeros_like(valid))
    assert nothing[0, -1] == 0
    assert np.isfinite(found).all()


def test_a_scene_that_one_window_shows_is_not_gone_over_twice() -> None:
    served, pixels = served_infoseg(), photograph()
    scenes = from_arrays([pixels])
    predictor = KerasPredictor(served)
    predictor.sums = None  # type: ignore[assignment]
    labels = np.concatenate(list(Labelling(predictor, scenes, scenes.scenes[0]).strips()))
    whole = np.asarray(served(pixels[None].astype(np.float32))["labels"])[0]
    assert (labels != whole).mean() < 0.001


def test_there_is_nothing_to_sum_up_where_labels_are_local() -> None:
    served = ServedSegmenter(small_segmenter(), [0.0] * 3, [255.0] * 3)
    assert served.scene_features == 0
    assert scene_summing(served)(None).shape == (1, 0)  # type: ignore[arg-type]


def test_pixels_without_data_are_in_no_sum() -> None:
    served, pixels = served_infoseg(), photograph().astype(np.float32)
    pixels[:, :64] = np.nan
    whole = np.asarray(served.scene_sums(pixels[None], [0, 0, *SIZE]))
    # 10 rows of cells, and 13 columns, the first four of which hold nothing.
    assert whole[0, -1] == 10 * 9
    np.testing.assert_allclose(added_up(served, pixels, 48), whole, rtol=1e-5, atol=1e-4)
    found = served(pixels[None])
    assert (np.asarray(found["labels"])[0, :, :64] == -1).all()
    assert np.isfinite(found["probabilities"]).all()

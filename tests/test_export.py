import resource
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_run import answering, make_run

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.export import export as exporting
from iic_tf.export import onnx_file, savedmodel
from iic_tf.export.check import check
from iic_tf.export.export import export
from iic_tf.export.servable import ExportError, signature
from iic_tf.export.served_run import load_served
from iic_tf.models.served import ServedSegmenter

CASES = {
    "one channel, half size": {"channels": 1, "downscale": 2},
    "sobel, a third, sub-heads": {
        "channels": 5,
        "downscale": 3,
        "inputs": "bands+sobel",
        "sub_heads": 2,
        "high": 60000.0,
        "low": -20.0,
    },
    "four channels, mixed precision": {
        "channels": 4,
        "classes": 2,
        "precision": "mixed_bfloat16",
        "inputs": "sobel",
    },
}


def names_under(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


@pytest.mark.parametrize("values", CASES.values(), ids=CASES.keys())
def test_both_formats_compute_the_same(tmp_path, values):
    run = make_run(tmp_path, **values)
    said: list[str] = []
    folder = export(run, "savedmodel", say=said.append)
    file = export(run, "onnx", say=said.append)
    assert folder == run.folder / "export" / "savedmodel" / "1"
    assert file == run.folder / "export" / "model.onnx"
    assert names_under(run.folder / "export" / "savedmodel") == [
        "1",
        "1/assets",
        "1/assets.extra",
        "1/assets.extra/model.json",
        "1/assets.extra/tf_serving_warmup_requests",
        "1/fingerprint.pb",
        "1/saved_model.pb",
        "1/variables",
        "1/variables/variables.data-00000-of-00001",
        "1/variables/variables.index",
    ]
    assert sum("largest difference from the Keras model" in line for line in said) == 2
    assert f"look at it: saved_model_cli show --all --dir {folder}" in said

    # Once more from outside, with a size that the check before writing did not have.
    served = load_served(run)
    assert served.model.compute_dtype == "float32"
    shape = (2, 19, 41, served.model.channels)
    pixels = np.random.default_rng(1).uniform(served.low[0], served.high[0], shape)
    mine = served(pixels.astype(np.float32))
    for runner in (savedmodel.runner(folder), onnx_file.runner(file)):
        theirs = runner(pixels.astype(np.float32))
        assert theirs["labels"].dtype == np.int32
        assert theirs["probabilities"].dtype == np.float32
        np.testing.assert_allclose(theirs["probabilities"], mine["probabilities"], atol=1e-5)
        assert (theirs["labels"] == mine["labels"].numpy()).mean() > 0.999
    # Equal labels mean little where there is but one.
    assert len(np.unique(mine["labels"])) > 1


def test_the_chosen_sub_head_is_exported(tmp_path):
    served = load_served(make_run(tmp_path, sub_heads=2))
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 3)).astype(np.float32)
    maps = [np.asarray(m) for m in served.maps(pixels)]
    found = signature(served)(pixels)["probabilities"]
    np.testing.assert_allclose(found, maps[1], atol=1e-6)
    assert np.abs(found - maps[0]).max() > 1e-3


def test_names_and_sizes_of_the_saved_signature(tmp_path):
    folder = export(make_run(tmp_path, channels=4), "savedmodel", say=lambda _: None)
    loaded = tf.saved_model.load(folder)
    serve = loaded.signatures["serving_default"]
    assert serve.structured_input_signature[1] == {
        "pixels": tf.TensorSpec((None, None, None, 4), tf.float32, "pixels")
    }
    assert set(serve.structured_outputs) == {"labels", "probabilities"}
    assert serve.structured_outputs["labels"].shape.as_list() == [None, None, None]
    assert serve.structured_outputs["probabilities"].shape.as_list() == [None, None, None, 3]
    out = serve(pixels=tf.zeros((1, 5, 9, 4)))
    assert (out["labels"].dtype, out["labels"].shape) == (tf.int32, (1, 5, 9))
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible with expected shape"):
        serve(pixels=tf.zeros((1, 5, 9, 8)))


def test_names_and_dimensions_in_onnx(tmp_path):
    import onnx

    file = export(make_run(tmp_path), "onnx", tmp_path / "deep" / "er" / "m.onnx", say=print)
    model = onnx.load(file)

    def dims(value):
        return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]

    assert {v.name: dims(v) for v in model.graph.input} == {
        "pixels": ["batch", "height", "width", 3]
    }
    assert {v.name: dims(v) for v in model.graph.output} == {
        "labels": ["batch", "height", "width"],
        "probabilities": ["batch", "height", "width", 3],
    }
    assert [o.version for o in model.opset_import if o.domain == ""] == [18]
    # Dilated convolutions stay convolutions: dozens of nodes more would tell that they did not.
    assert "SpaceToDepth" not in {n.op_type for n in model.graph.node}
    assert sum(n.op_type == "Conv" for n in model.graph.node) == 7


def test_weights_and_preprocessing_are_the_runs(tmp_path):
    run = make_run(tmp_path, low=10.0, high=90.0, downscale=2)
    served = load_served(run)
    assert (served.low.tolist(), served.high.tolist()) == ([10.0] * 3, [90.0] * 3)
    assert served.downscale == 2
    trained = keras.models.load_model(run.best)
    for mine, theirs in zip(served.model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


class Wrong(ServedSegmenter):
    """Answers the check with something else than the graph that was written."""

    fault = "values"

    def __call__(self, pixels):
        found = super().__call__(pixels)
        if isinstance(pixels, np.ndarray):
            if self.fault == "values":
                found["probabilities"] = found["probabilities"] + 2e-4
            elif self.fault == "nan":
                found["probabilities"] = found["probabilities"] * np.float32("nan")
            elif self.fault == "labels":
                found["labels"] = (found["labels"] + 1) % 3
            elif self.fault == "type":
                found["labels"] = tf.cast(found["labels"], tf.int64)
            else:
                found["more"] = found["labels"]
        return found


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("values", r"within 5e-05 .* difference of 0.0002 for pixels 1×33×47×3"),
        ("nan", "received a difference of nan"),
        ("labels", r"labels; received \d+ others of \d+ clear ones"),
        ("type", "Expected labels as int64"),
        ("name", "Expected outputs labels, more, probabilities"),
    ],
)
def test_the_check_tells_what_differs(tmp_path, fault, message):
    good = load_served(make_run(tmp_path))
    wrong = Wrong(good.model, good.low, good.high)
    wrong.fault = fault

    def exported(pixels):
        return {name: np.asarray(value) for name, value in good(tf.constant(pixels)).items()}

    assert check(exported, good) <= 1e-6
    with pytest.raises(ExportError, match=message):
        check(exported, wrong)


@pytest.mark.parametrize("kind", ["savedmodel", "onnx"])
def test_a_failed_check_leaves_nothing_behind(tmp_path, monkeypatch, kind):
    run = make_run(tmp_path)
    good = load_served(run)
    wrong = Wrong(good.model, *[[0] * 3] * 2)
    before = names_under(run.folder)
    monkeypatch.setattr(exporting, "answer_of", lambda *_: answering(wrong))
    with pytest.raises(ExportError, match="Nothing was written"):
        export(run, kind, say=print)
    assert names_under(run.folder) == before

    # An earlier export under the same name stays as it is.
    monkeypatch.undo()
    path = export(run, kind, say=print)
    with pytest.raises(InputError, match="there already"):
        export(run, kind, say=print)
    kept = {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    monkeypatch.setattr(exporting, "answer_of", lambda *_: answering(wrong))
    with pytest.raises(ExportError):
        export(run, kind, overwrite=True, say=print)
    assert {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()} == kept
    monkeypatch.undo()

    (path / "old" if path.is_dir() else path).write_text("old")
    assert export(run, kind, overwrite=True, say=print) == path
    assert not (path / "old").exists()
    assert path.is_dir() or path.read_bytes() != b"old"
    assert [n for n in names_under(run.folder) if n.startswith(".") or ".tmp" in n] == []


def test_an_operation_without_counterpart_is_named(tmp_path, capfd):
    class Warped(ServedSegmenter):
        def prepared_with_share(self, pixels):
            x, share = super().prepared_with_share(pixels)
            warped = tf.raw_ops.ImageProjectiveTransformV3(
                images=x,
                transforms=[[1.0, 0, 0, 0, 1, 0, 0, 0]],
                output_shape=tf.shape(x)[1:3],
                fill_value=0.0,
                interpolation="BILINEAR",
            )
            return warped, share

    good = load_served(make_run(tmp_path))
    warped = Warped(good.model, good.low, good.high)
    capfd.readouterr()
    with pytest.raises(ExportError, match=r"received ImageProjectiveTransformV3\."):
        onnx_file.export_onnx(warped, tmp_path / "new" / "warped.onnx")
    assert not (tmp_path / "new").exists()
    assert "ERROR" not in "".join(capfd.readouterr())


def test_what_is_refused(tmp_path):
    run = make_run(tmp_path)
    with pytest.raises(InputError, match=r"Expected a format among savedmodel, onnx"):
        export(run, "tflite")
    other = tmp_path / "photos"
    other.mkdir()
    (other / "mine.txt").write_text("dear")
    for kind in ("savedmodel", "onnx"):
        with pytest.raises(InputError, match="Nothing was changed"):
            export(run, kind, other, overwrite=True)
    with pytest.raises(InputError, match="path of a folder"):
        export(run, "savedmodel", other / "mine.txt", overwrite=True)
    assert (other / "mine.txt").read_text() == "dear"
    run.best.write_bytes(b"PK damaged")
    with pytest.raises(InputError, match="readable model"):
        export(run, "onnx")
    run.best.unlink()
    with pytest.raises(InputError, match="no epoch was finished"):
        export(run, "onnx")


@pytest.mark.parametrize(("form", "name"), [("savedmodel", "1"), ("onnx", "model.onnx")])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, capsys, form, name):
    run = make_run(tmp_path)
    out = tmp_path / "exports" / "here" / name
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file larger than this: what a full disk is to one that writes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        given = ["export", str(run.folder), "--format", form, "--out", str(out)]
        assert main(given) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err
    assert said.startswith(f"iic-tf: Expected room to write {out}; received ")
    assert said.count("\n") == 1
    assert not (tmp_path / "exports").exists()
    assert not list(tmp_path.rglob(".*"))


def test_a_place_that_tensorflow_cannot_write_to_is_refused(tmp_path):
    run = make_run(tmp_path)
    with pytest.raises(InputError, match="text in UTF-8"):
        export(run, "savedmodel", tmp_path / "\udcff" / "1")

"""ONNX in 8 bits: smaller, and honest about how far it is from the float model."""

import json

import numpy as np
import onnx
import pytest
from tiny_run import make_run

from iic_tf.errors import InputError
from iic_tf.export.export import export
from iic_tf.export.int8 import agreement, quantise
from iic_tf.export.onnx_runner import runner
from iic_tf.export.servable import PLAIN


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    run = make_run(folder, width=0.1)
    export(run, "onnx", folder / "float.onnx", say=lambda line: None)
    lines: list[str] = []
    export(run, "onnx", folder / "int8.onnx", say=lines.append, int8=True)
    return run, folder, lines


def test_the_file_is_smaller_and_says_what_it_is(exported):
    _, folder, lines = exported
    sizes = [(folder / name).stat().st_size for name in ("float.onnx", "int8.onnx")]
    assert sizes[1] < 0.7 * sizes[0]
    operations = {node.op_type for node in onnx.load(str(folder / "int8.onnx")).graph.node}
    assert "ConvInteger" in operations
    card = json.loads((folder / "int8.json").read_text())
    told = card["int8"]["agreement"]
    assert 0.5 < told <= 1
    assert f"{100 * told:.2f} % of the labels are the same" in "\n".join(lines)
    # The run's own data are nowhere.
    assert card["int8"]["on"].startswith("noise")


def test_agreement_is_the_share_of_equal_labels(exported):
    _, folder, _ = exported
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 40, 48, 3)).astype(np.float32)
    pixels[0, :20] = np.nan
    whole, small = folder / "float.onnx", folder / "int8.onnx"
    labels = [runner(one)(pixels)["labels"] for one in (whole, small)]
    holds = np.isfinite(pixels).all(-1)
    share = (labels[0] == labels[1])[holds].mean()
    assert agreement(whole, small, [pixels], PLAIN) == pytest.approx(share, abs=1e-6)
    # Where no data are, neither has any label.
    assert (labels[0][~holds] == -1).all()
    assert (labels[1][~holds] == -1).all()


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="Expected a model that ONNX Runtime quantises"):
        quantise(tmp_path / "broken.onnx", tmp_path / "out.onnx")


def test_other_formats_have_no_8_bits(exported):
    run, folder, _ = exported
    with pytest.raises(InputError, match="--int8 only with format onnx; received it with web"):
        export(run, "web", folder / "web", int8=True)
    assert not (folder / "web").exists()

"""Steps of the segmenting models as they are compiled: by XLA, and in mixed precision."""

import keras
import numpy as np
import pytest
from made_up import noise_pairs, same, small_infoseg, small_segmenter

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def iic():
    return small_segmenter(turns=("both",))


def infoseg(objective):
    return lambda: small_infoseg(objective=objective, radius=1)


@pytest.mark.parametrize(
    "make",
    [
        # The loss under XLA: see test_segmentation_loss.py.
        pytest.param(lambda: small_segmenter(radius=0, turns=("main",)), id="iic"),
        # InfoSeg's other objective under XLA: see test_infoseg_loss.py.
        pytest.param(infoseg("dv"), id="dv"),
    ],
)
def test_xla_agrees_with_the_graph(make):
    results = []
    for jit in (False, True):
        keras.utils.set_random_seed(0)
        model = make()
        model.compile(keras.optimizers.SGD(0.1), jit_compile=jit)
        history = model.fit(noise_pairs(steps=1), epochs=1, verbose=0)
        results.append((history.history["loss"][0], model.get_weights()))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-5)
    for graph, xla in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(graph, xla, atol=1e-4)


# bfloat16 has the range of float32: once a network, and a run of jsd's in test_infoseg_run.py.
@pytest.mark.parametrize(
    ("_precision", "make"),
    [
        pytest.param("mixed_float16", iic, id="iic-float16"),
        pytest.param("mixed_bfloat16", iic, id="iic-bfloat16"),
        pytest.param("mixed_float16", infoseg("jsd"), id="jsd-float16"),
        pytest.param("mixed_float16", infoseg("dv"), id="dv-float16"),
        pytest.param("mixed_bfloat16", infoseg("dv"), id="dv-bfloat16"),
        pytest.param("mixed_float16", infoseg("iic"), id="infoseg of iic-float16"),
    ],
    indirect=["_precision"],
)
@pytest.mark.usefixtures("_precision")
def test_steps_in_mixed_precision_are_finite(make):
    model = make()
    model.compile(keras.optimizers.Adam(1e-3))
    before = model.get_weights()
    history = model.fit(noise_pairs(masks=True, steps=1), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert not same(before, model.get_weights())
    assert all(w.dtype == "float32" for w in model.trainable_variables)
    assert model.predict(np.zeros((1, 8, 9, 3), np.float32), verbose=0).dtype == np.float32

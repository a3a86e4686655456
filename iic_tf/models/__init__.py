"""Keras models: each is trained by `fit` on pairs.

Importing this package imports every model file, so that Keras knows the classes when it loads a
`.keras` file.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

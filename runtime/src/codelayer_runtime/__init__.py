"""Codes and predictions of saved bundles, without torch.

    model = codelayer_runtime.load("bundle")
    model.encode(rows), model.predict(rows)

Order  errors, registry, data, bundle, export, forest (all six codelayer's own files), nets, coders, onnxform,
       model, rows, cli.
Skips  learning, measuring and decoding: codelayer does.
"""

from .errors import BundleError, CodelayerError, DataError
from .model import Model, load

__all__ = ["BundleError", "CodelayerError", "DataError", "Model", "__version__", "load"]
__version__ = "0.1.0"

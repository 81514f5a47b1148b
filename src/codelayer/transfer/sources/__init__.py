"""Nets that other libraries build, each as a `Backbone`: timm, Keras, transformers, ONNX Runtime.

Reads  what stands behind "timm:", "keras:", "hf:" and "file:...onnx".
Gives  one function each to open, and one to build again from a bundle.
Skips  importing a library before a net of its own is asked for.
"""

from .hf_nets import open_hf, restore_hf
from .keras_nets import open_keras, restore_keras
from .onnx_nets import open_onnx, restore_onnx
from .timm_nets import open_timm, restore_timm

__all__ = [
    "open_hf",
    "open_keras",
    "open_onnx",
    "open_timm",
    "restore_hf",
    "restore_keras",
    "restore_onnx",
    "restore_timm",
]

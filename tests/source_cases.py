"""What the tests of timm, Keras, transformers and ONNX as sources of backbones share."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"


def needs(*libraries: str):
    """Marks a test that needs libraries of extras; without one it is skipped, with the reason."""
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    skip = pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")
    return lambda test: pytest.mark.extras(skip(test))


def pictures(n: int = 3, side: int = 40, seed: int = 0) -> np.ndarray:
    """(n, side, side, 3) float32 in [0, 1]."""
    return np.random.default_rng(seed).random((n, side, side, 3), dtype=np.float32)


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with the package on its path."""
    known = os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"} | environment
    return subprocess.run([sys.executable, "-c", code], env=known, capture_output=True, text=True, timeout=300)

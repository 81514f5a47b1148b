"""The runtime, imported from what its wheel would hold."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from runtime_cases import laid_out


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    return laid_out(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="session")
def runtime(place):
    sys.path.insert(0, str(place))
    try:
        yield importlib.import_module("codelayer_runtime")
    finally:
        sys.path.remove(str(place))

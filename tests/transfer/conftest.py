"""Forests of a tenth of the trees: nothing here asks how good a forest is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codelayer.transfer import rawrows


@pytest.fixture(scope="module", autouse=True)
def small_forests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rawrows, "TREES", 10)
        yield

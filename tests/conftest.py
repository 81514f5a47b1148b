"""Every test starts from the same draws, whichever tests ran before it.

Many modules draw their data from a generator of their own, `RNG = np.random.default_rng(0)`. Without this
file a test's rows would depend on the tests of its module that ran earlier in the same process, and so on how
the tests were shared out. Before each test the module's generator is set back to where the import left it.
"""

import numpy as np
import pytest


def generators(module) -> list[np.random.Generator]:
    return [value for value in vars(module).values() if isinstance(value, np.random.Generator)]


def pytest_collection_modifyitems(items):
    for module in {item.module for item in items if isinstance(item, pytest.Function)}:
        module.__generator_states__ = [generator.bit_generator.state for generator in generators(module)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if not isinstance(item, pytest.Function):
        return
    for generator, state in zip(generators(item.module), item.module.__generator_states__, strict=True):
        generator.bit_generator.state = state

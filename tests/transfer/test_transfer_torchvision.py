"""Two schemas of torchvision are declared where its library cannot load beside a CPU build of torch, nowhere else."""

from __future__ import annotations

import pytest
import torch
from source_cases import needs, python

from codelayer.transfer.sources.torchvision_shim import MISSING

# what stands first on the path decides which torchvision there is
CODE = """
import sys, torch
sys.path.insert(0, {folder!r})
torch.version = type("Version", (), {{"cuda": {cuda!r}, "hip": {hip!r}}})
from codelayer.transfer.sources import torchvision_shim
try:
    told = torchvision_shim.import_torchvision()
except Exception as error:
    told = f"{{type(error).__name__}}: {{error}}"
print(told, "|", len(torchvision_shim._kept))
"""


def told(folder, module: str, cuda: str | None = None, hip: str | None = None) -> str:
    """What importing a torchvision that holds `module` gives, and how many libraries were declared."""
    (folder / "torchvision.py").write_text(module)
    done = python(CODE.format(folder=str(folder), cuda=cuda, hip=hip))
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.parametrize(
    "error", ["RuntimeError: operator torchvision::roi_align does not exist", "ImportError: libcudart.so is missing"]
)
def test_other_errors_of_its_import_are_left_as_they_are(tmp_path, error):
    kind, _, text = error.partition(": ")
    assert told(tmp_path, f"raise {kind}({text!r})") == f"{error} | 0"


@pytest.mark.parametrize("build", [{"cuda": "13.0"}, {"hip": "7.0"}])
def test_beside_other_builds_of_torch_that_error_is_left_as_it_is(tmp_path, build):
    assert told(tmp_path, f"raise RuntimeError({MISSING!r})", **build) == f"RuntimeError: {MISSING} | 0"


def test_a_torchvision_that_imports_is_left_alone(tmp_path):
    assert told(tmp_path, "fine = True") == "False | 0"


def test_that_error_beside_a_cpu_build_is_met_with_the_schemas(tmp_path):
    module = f"""
import torch
try:
    torch.library.register_fake("torchvision::nms")(lambda *rows: None)
    torch.library.register_fake("torchvision::qnms")(lambda *rows: None)
except RuntimeError as error:
    assert str(error) == {MISSING!r}
    raise
"""
    assert told(tmp_path, module) == "True | 1"


@needs("torchvision")
def test_the_real_one_imports_beside_this_torch():
    code = """
import torch
try:
    import torchvision
    before = ""
except RuntimeError as error:
    before = str(error)
from codelayer.transfer.sources.torchvision_shim import import_torchvision
declared = import_torchvision()
import torchvision
from torchvision.transforms import Resize
print(repr(before), declared, tuple(Resize(4)(torch.zeros(3, 8, 8)).shape), import_torchvision())
"""
    done = python(code)
    assert done.returncode == 0, done.stderr[-2000:]
    fixed, fine = f"{MISSING!r} True (3, 4, 4) False", "'' False (3, 4, 4) False"
    assert done.stdout.strip() in ((fixed, fine) if torch.version.cuda is None else (fine,))

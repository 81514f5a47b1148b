"""Two schemas of torchvision are declared where its library cannot load beside a CPU build of torch, nowhere else."""

from __future__ import annotations

import json

import torch
from source_cases import needs, python

from codelayer.transfer.sources.torchvision_shim import MISSING

CASES = {
    "another operator": ("raise RuntimeError('operator torchvision::roi_align does not exist')", None, None),
    "another error": ("raise ImportError('libcudart.so is missing')", None, None),
    "a build for CUDA": (f"raise RuntimeError({MISSING!r})", "13.0", None),
    "a build for ROCm": (f"raise RuntimeError({MISSING!r})", None, "7.0"),
    "one that imports": ("fine = True", None, None),
    # last: what is declared stays
    "that error beside a CPU build": (
        "import torch\ntorch.library.register_fake('torchvision::nms')(lambda *rows: None)\n"
        "torch.library.register_fake('torchvision::qnms')(lambda *rows: None)\n",
        None,
        None,
    ),
}
EXPECTED = {
    "another operator": ["RuntimeError: operator torchvision::roi_align does not exist", 0],
    "another error": ["ImportError: libcudart.so is missing", 0],
    "a build for CUDA": [f"RuntimeError: {MISSING}", 0],
    "a build for ROCm": [f"RuntimeError: {MISSING}", 0],
    "one that imports": [False, 0],
    "that error beside a CPU build": [True, 1],
}
CODE = """
import importlib, json, pathlib, sys, torch
from codelayer.transfer.sources import torchvision_shim
found = {{}}
for at, (name, (module, cuda, hip)) in enumerate({cases!r}.items()):
    folder = pathlib.Path({folder!r}) / str(at)
    folder.mkdir()
    (folder / "torchvision.py").write_text(module)
    sys.path.insert(0, str(folder))
    sys.modules.pop("torchvision", None)
    importlib.invalidate_caches()
    torch.version = type("Version", (), {{"cuda": cuda, "hip": hip}})
    try:
        told = torchvision_shim.import_torchvision()
    except Exception as error:
        told = f"{{type(error).__name__}}: {{error}}"
    found[name] = [told, len(torchvision_shim._kept)]
print(json.dumps(found))
"""


def test_schemas_are_declared_for_exactly_that_error_beside_a_cpu_build(tmp_path):
    done = python(CODE.format(cases=CASES, folder=str(tmp_path)))
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == EXPECTED


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

"""The runtime's numbers are codelayer's, in numpy and from the ONNX form, and it needs neither torch nor scipy."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from runtime_cases import RUNTIME, project
from scipy import sparse

import codelayer
from codelayer import Autoencoder, bundle
from codelayer.learn.baselines import Pca, RawFeatures
from codelayer.learn.forest import Forest
from codelayer.learn.heads import Head, Headed
from codelayer.objective.bottlenecks import Gaussian
from codelayer.registry import PARTS

BUNDLES = Path(__file__).resolve().parents[1] / "fixtures" / "bundles"
CASES = [(one.name, case) for one in sorted(BUNDLES.iterdir()) for case in json.loads((one / "cases.json").read_text())]
RNG = np.random.default_rng(11)


def rows_of(about: dict):
    return np.array(about["rows"], about["dtype"]) if about["dtype"] else about["rows"]


def close(made, wanted, tolerance=1e-5):
    wanted = np.asarray(wanted)
    return made.shape == wanted.shape and np.abs(made - wanted).max() <= tolerance * np.abs(wanted).max()


@pytest.mark.parametrize("version, case", CASES)
def test_bundles_of_every_version_give_the_codes_of_the_version_that_wrote_them(runtime, version, case):
    path = BUNDLES / version / case
    about = json.loads((path.parent / "cases.json").read_text())[case]
    rows = rows_of(about)
    forms = bundle.read(path).optional
    if case in ("dictionary", "isomap", "table", "conv") and "model.onnx" not in forms:
        words = (
            "searched for"
            if case in ("dictionary", "isomap")
            else r"(?s)ONNX form.*codelayer ship export .*ship attach"
        )
        with pytest.raises(runtime.BundleError, match=words):
            runtime.load(path)
        return
    for engine in ("auto", "onnx") if "model.onnx" in forms else ("auto",):
        model = runtime.load(path, engine=engine)
        assert close(model.encode(rows), about["codes"]) and model.encode(rows).dtype == np.float32
        if case in ("headed.zip", "forest"):
            assert model.predict(rows).tolist() == about["answers"]
        if case == "number":
            np.testing.assert_allclose(model.predict(rows), [float(one) for one in about["answers"]], rtol=1e-5)


SENTENCES = [f"{name}()" for name in ("relu", "sigmoid", "tanh", "softplus", "gelu", "gaussian")]
SENTENCES += ["topk(3)", "topk(0.3)", "relu() + topk(2)", "batch_topk(2)", "jumprelu(0.1, bandwidth=0.1) + l0(0.01)"]
SENTENCES += ["shrink(0.1) + infer(0.1) + predict(1) + unit_norm()"]
SENTENCES += ["mask(0.3) + relu() + l1(0.001) + contractive(0.1)"]
SENTENCES += ["tanh() + relu() + topk(4)"]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_bottleneck_settles_in_numpy_as_in_torch(runtime, tmp_path, sentence):
    sentence += " + prior(1)" if sentence == "gaussian()" else ""
    x = RNG.normal(size=(120, 9))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coder = Autoencoder(6, sentence, "mlp()", epochs=3, random_state=0).fit(x)
    coder.save(tmp_path / "b")
    model = runtime.load(tmp_path / "b")
    assert model.engine == "numpy" and close(model.encode(x), coder.transform(x))


NETS = ["mlp(depth=3, activation='gelu')", "mlp(7, 5, activation='tanh')", "mlp(tied=True)"]
NETS += ["mlp(8, activation='sigmoid', tied=True)", "mlp(8, activation='softplus')"]


@pytest.mark.parametrize("net", NETS)
def test_every_activation_depth_and_tying_codes_in_numpy_as_in_torch(runtime, tmp_path, net):
    x = RNG.normal(size=(100, 12)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coder = Autoencoder(3, "squared()", net, epochs=2, random_state=0).fit(x)
    coder.save(tmp_path / "b.zip")
    model = runtime.load(tmp_path / "b.zip")
    assert close(model.transform(x), coder.transform(x))
    assert close(model.encode(sparse.csr_matrix(x)), coder.transform(x))
    assert close(model.encode(x[:1]), coder.transform(x[:1])) and model.encode(x[:0]).shape == (0, 3)


def test_every_bottleneck_and_activation_of_codelayer_is_known_to_the_runtime(runtime):
    from codelayer_runtime import nets, registry

    from codelayer.nets.net import ACTIVATIONS

    assert Gaussian.name in registry.PARTS["bottleneck"]
    assert registry.PARTS["bottleneck"].keys() == PARTS["bottleneck"].keys()
    assert nets.ACTIVATIONS.keys() == ACTIVATIONS.keys()
    for slot, name in [*[("bottleneck", name) for name in PARTS["bottleneck"]], ("net", "mlp")]:
        mine, theirs = (where[slot][name].__dataclass_fields__ for where in (registry.PARTS, PARTS))
        assert [(f.name, f.default) for f in mine.values()] == [(f.name, f.default) for f in theirs.values()]


def test_the_error_function_is_that_of_the_books(runtime):
    import math

    from codelayer_runtime.nets import erf

    x = np.linspace(-6, 6, 2001)
    assert np.abs(erf(x) - [math.erf(one) for one in x]).max() < 2e-7


@pytest.mark.parametrize("task", ["class", "number"])
def test_a_forest_predicts_as_codelayer_does(runtime, tmp_path, task):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    x = RNG.normal(size=(80, 5)).astype(np.float32)
    y = np.where(x[:, 0] > 0, "up", "down") if task == "class" else x[:, 0] * 2
    made = (RandomForestClassifier if task == "class" else RandomForestRegressor)(8, random_state=0).fit(x, y)
    forest = Forest.of(made)
    raw = RawFeatures(scale="none").fit(x)
    plan, _, golden = raw.parts()
    names = ("roots", "feature", "threshold", "children", "value")
    arrays = {f"forest.{name}": getattr(forest, name) for name in names}
    head = {"task": task, "classes": [] if forest.classes is None else forest.classes.tolist()}
    whole = {"code": {"kind": "raw", **plan}, "head": head}
    model = runtime.load(bundle.write(tmp_path / "f", "forest", whole, arrays, golden))
    assert model.predict(x).tolist() == forest.predict(x).tolist()
    arrays["forest.children"] = np.zeros_like(arrays["forest.children"])  # a branch that leads back to the root
    with pytest.raises(runtime.BundleError, match="leads nowhere"):
        runtime.load(bundle.write(tmp_path / "g", "forest", whole, arrays, golden))


def saved(tmp_path) -> Path:
    coder = Pca(2).fit(RNG.normal(size=(30, 4)))
    coder.save(tmp_path / "b")
    return tmp_path / "b"


def test_golden_rows_are_checked_when_a_bundle_is_loaded(runtime, tmp_path):
    found = bundle.read(saved(tmp_path))
    wrong = {**found.golden, "codes": found.golden["codes"] * np.float32(1.01)}
    none = {name: values[:0] for name, values in found.golden.items()}
    for golden, words in ((wrong, "coded differently here"), ({}, "no golden rows"), (none, "no golden rows")):
        bundle.write(tmp_path / "w", found.kind, found.plan, found.tensors, golden)
        with pytest.raises(runtime.BundleError, match=words):
            runtime.load(tmp_path / "w")


def test_a_term_the_runtime_does_not_know_cannot_pass_unseen(runtime, tmp_path):
    coder = Autoencoder(3, "sigmoid()", "mlp()", epochs=1, random_state=0).fit(RNG.normal(size=(40, 4)))
    coder.save(tmp_path / "b")
    found = bundle.read(tmp_path / "b")
    plan = found.plan | {"objective": "newer(3) + squared()"}
    with pytest.raises(runtime.BundleError, match="may hold a term of a newer version"):
        runtime.load(bundle.write(tmp_path / "n", "autoencoder", plan, found.tensors, found.golden))


@pytest.mark.parametrize("change", [{"net": "mlp(1"}, {"net": "mlp(activation='x')"}, {"objective": 3}, {"schema": {}}])
def test_a_plan_that_does_not_fit_is_a_named_error(runtime, tmp_path, change):
    coder = Autoencoder(3, "sigmoid()", "mlp()", epochs=1, random_state=0).fit(RNG.normal(size=(40, 4)))
    coder.save(tmp_path / "b")
    found = bundle.read(tmp_path / "b")
    with pytest.raises(runtime.BundleError):
        runtime.load(bundle.write(tmp_path / "n", "autoencoder", found.plan | change, found.tensors, found.golden))


def test_a_head_answers_with_probabilities_and_a_code_alone_does_not(runtime, tmp_path):
    x = RNG.normal(size=(40, 6))
    head = Head("class", (3, 5, 8), RNG.normal(size=(2, 3)).astype(np.float32), np.zeros(3, np.float32))
    both = Headed(Pca(2).fit(x), head)
    both.save(tmp_path / "h")
    model = runtime.load(tmp_path / "h")
    np.testing.assert_allclose(model.predict_proba(x), both.predict_proba(x), atol=1e-6)
    assert model.predict(x).tolist() == both.predict(x).tolist() and model.classes == (3, 5, 8)
    with pytest.raises(runtime.DataError, match="no head"):
        runtime.load(saved(tmp_path)).predict(x[:, :4])
    with pytest.raises(runtime.DataError, match=r"\(n, 4\)"):
        runtime.load(tmp_path / "b").encode(x)


def walled(place: Path, code: str) -> str:
    """What a process prints in which nothing but numpy, safetensors and ONNX Runtime can be imported."""
    wall = f"""
import sys
sys.path.insert(0, {str(place)!r})
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "scipy", "sklearn", "pandas", "pyarrow", "typer", "codelayer"):
            raise ImportError(name + " was asked for")
sys.meta_path.insert(0, Wall())
"""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", wall + code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_codes_where_torch_scipy_and_codelayer_cannot_be_imported(place):
    version = CASES[-1][0]
    code = f"""
import json, numpy, codelayer_runtime
for case in ("mlp", "conv"):
    about = json.load(open({str(BUNDLES / version / "cases.json")!r}))[case]
    model = codelayer_runtime.load({str(BUNDLES / version)!r} + "/" + case)
    codes = model.encode(numpy.array(about["rows"], about["dtype"]))
    print(model.engine, abs(codes - about["codes"]).max() < 1e-5, "onnxruntime" in sys.modules)
"""
    assert walled(place, code) == "numpy True False\nonnx True True\n"


def test_the_import_is_light_and_what_it_lists_is_all_it_imports(place):
    needs = {name.partition(">")[0] for name in project()["project"]["dependencies"]}
    assert needs == {"numpy", "safetensors", "onnxruntime"}
    code = "import codelayer_runtime\n"
    code += "print(sorted({n.partition('.')[0] for n in sys.modules} - sys.stdlib_module_names))"
    loaded = {name for name in ast.literal_eval(walled(place, code)) if not name.startswith("_")}
    assert loaded <= {"codelayer_runtime", "numpy", "safetensors"}


def test_what_reading_a_zip_and_spelling_an_error_need_waits_until_then(place):
    code = "import numpy, safetensors.numpy\nbefore = set(sys.modules)\nimport codelayer_runtime\n"
    code += "late = {'difflib', 'zipfile', 'hashlib', 'shutil', 'csv', 'argparse', 'onnxruntime'}\n"
    code += "print(sorted(late & (set(sys.modules) - before)))"
    assert walled(place, code).strip() == "[]"


def test_both_distributions_have_one_version(runtime):
    assert project()["project"]["version"] == runtime.__version__ == codelayer.__version__


def test_nothing_is_copied_and_nothing_unpickles(place):
    own = {path.relative_to(RUNTIME / "src" / "codelayer_runtime") for path in (RUNTIME / "src").rglob("*.py")}
    shared = {Path(here).relative_to("codelayer_runtime") for here in
              project()["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].values()}  # fmt: skip
    assert not any(one == other or other in one.parents for one in own for other in shared)
    assert not any(path.is_symlink() for path in RUNTIME.rglob("*"))
    for path in place.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            tops = {name.partition(".")[0] for name in names}
            assert not tops & {"pickle", "marshal", "shelve", "torch", "sklearn", "codelayer"}, path
            # the reader of array files knows CSR in .npz files, which the runtime does not read
            assert "scipy" not in tops or path.name == "arrayfiles.py", path
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("eval", "exec", "compile", "__import__"), path
                if ast.unparse(node.func) == "np.load":
                    assert "allow_pickle=False" in ast.unparse(node), path

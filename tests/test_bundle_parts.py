"""Bundle format 1: every past version loads, optional parts are read when asked for, the rest is refused."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import codelayer
from codelayer import bundle
from codelayer.bundle import parts
from codelayer.errors import BundleError
from codelayer.learn.baselines import Pca
from codelayer.ship.verify import attach, verified

BUNDLES = Path(__file__).parent / "fixtures" / "bundles"
CASES = [(one.name, case) for one in sorted(BUNDLES.iterdir()) for case in json.loads((one / "cases.json").read_text())]
FORMS = BUNDLES / "format-1-2026-11-29-reference"
X = np.random.default_rng(0).normal(size=(30, 4))
EVERY = ("weights.safetensors", "golden.safetensors", "reference.safetensors", "model.onnx", "bundle.json")


@pytest.mark.parametrize("version, case", CASES)
def test_bundles_of_every_past_version_load_and_give_their_codes(version, case):
    path = BUNDLES / version / case
    about = json.loads((path.parent / "cases.json").read_text())[case]
    rows = np.array(about["rows"], about["dtype"]) if about["dtype"] else table(about["rows"])
    model = codelayer.load(path)
    wanted = np.array(about["codes"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = model.transform(rows)
    assert np.abs(made - wanted).max() <= 1e-5 * np.abs(wanted).max()
    if "answers" in about:
        told = [float(one) if case == "number" else one for one in about["answers"]]
        assert model.predict(rows).tolist() == (pytest.approx(told, rel=1e-5) if case == "number" else told)
    found = verified(path)
    assert found.rows == 4 and found.golden < 1e-5 and (found.onnx is None) == ("model.onnx" not in found.sizes)


def table(rows):
    from codelayer.data.tables import Table

    days = np.array([row["day"] for row in rows], "datetime64[us]")
    return Table({name: [row[name] for row in rows] for name in ("size", "colour")} | {"day": days})


@pytest.fixture(params=["b", "b.zip"])
def full(request, tmp_path):
    """A bundle with both optional parts."""
    Pca(2).fit(X).save(tmp_path / request.param)
    return bundle.attach(tmp_path / request.param, "model.onnx", b"a form")


def test_optional_parts_are_read_when_they_are_asked_for(full):
    found = bundle.read(full)
    assert found.part("model.onnx") == b"a form" and found.reference()["rows"] == 30
    assert set(bundle.sizes(full)) - {"zip"} == set(EVERY)
    plain = bundle.write(full.parent / f"plain{full.suffix}", "pca", found.plan, found.tensors, found.golden)
    bare = bundle.read(plain)
    assert bare.part("model.onnx") is None and bare.reference() == {} and bare.optional == {}


def test_attaching_changes_nothing_else_and_can_be_undone(full):
    before = bundle.read(full)
    bundle.attach(full, "model.onnx", None)
    bundle.attach(full, "model.onnx", b"another")
    after = bundle.read(full)
    assert after.part("model.onnx") == b"another" and after.part("reference.safetensors") is not None
    assert after.plan == before.plan and after.facts == before.facts and after.written_by == before.written_by
    assert codelayer.load(full).transform(X).tobytes() == Pca(2).fit(X).transform(X).tobytes()
    whole = bundle.write(full.parent / f"w{full.suffix}", "pca", after.plan, after.tensors, after.golden, after.facts,
                         after.reference(), b"another")  # fmt: skip
    if full.suffix == ".zip":
        assert whole.read_bytes() == full.read_bytes()
    with pytest.raises(BundleError, match="no optional part 'x'"):
        bundle.attach(full, "x", b"")


def test_what_coding_needs_is_counted_without_the_optional_parts(full):
    size = bundle.size_bytes(full)
    bundle.attach(full, "model.onnx", bytes(100_000))
    assert abs(bundle.size_bytes(full) - size) < 400  # a few digits in bundle.json, and the zip's own directory


def rewrite(path: Path, entries: dict[str, bytes]) -> None:
    if path.is_dir():
        for name in EVERY:
            (path / name).unlink(missing_ok=True)
        for name, data in entries.items():
            (path / name).write_bytes(data)
        return
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def contents(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in EVERY}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in EVERY}


@pytest.mark.parametrize("name", EVERY[:4])
def test_a_part_that_is_gone_truncated_or_altered_is_named(full, name):
    whole = contents(full)
    optional = name in bundle.OPTIONAL
    rewrite(full, {key: data for key, data in whole.items() if key != name})
    with pytest.raises(BundleError, match=f"lacks {name}"):
        bundle.read(full)
    rewrite(full, whole | {name: whole[name][:-1]})
    with pytest.raises(BundleError, match=f"{name} in .* instead of"):
        bundle.read(full)
    rewrite(full, whole | {name: whole[name][:-1] + bytes([whole[name][-1] ^ 1])})
    with pytest.raises(BundleError, match=f"{name} in .* was altered"):
        found = bundle.read(full)
        assert optional
        found.part(name)
    with pytest.raises(BundleError, match=f"{name} in .* was altered"):
        verified(full)
    with pytest.raises(BundleError):
        bundle.attach(full, "reference.safetensors" if name == "model.onnx" else "model.onnx", b"x")


def test_a_part_that_is_not_listed_is_refused(full):
    with_form = bundle.read(full).part("model.onnx")
    bundle.attach(full, "model.onnx", None)
    if full.is_dir():
        (full / "model.onnx").write_bytes(with_form)
    else:
        with zipfile.ZipFile(full, "a") as archive:
            archive.writestr("model.onnx", with_form)
    with pytest.raises(BundleError, match=r"carries 'model.onnx', which its bundle.json does not list"):
        bundle.read(full)


def forged(path: Path, name: str, noted: dict) -> None:
    """bundle.json with what it notes of a part changed, hashed again."""
    about = json.loads((path / "bundle.json").read_text())
    about["parts"][name] = noted
    about["sha256"] = parts.sha256(parts.canonical(about))
    (path / "bundle.json").write_text(json.dumps(about))


def test_ten_gigabytes_behind_a_small_header_are_refused_unread(tmp_path):
    Pca(2).fit(X).save(tmp_path / "b")
    for name, size in (("weights", 10 << 30), ("weights", 7 << 30), ("golden", 200 << 20)):
        name = f"{name}.safetensors"
        path, about = tmp_path / "b" / name, (tmp_path / "b" / "bundle.json").read_bytes()
        whole = path.read_bytes()
        with open(path, "r+b") as file:
            file.truncate(size)  # a hole: it takes no room
        forged(tmp_path / "b", name, {"bytes": size, "sha256": "0" * 64})
        with pytest.raises(BundleError, match=r"at most|not as long as its header says"):
            bundle.read(tmp_path / "b")
        path.write_bytes(whole)
        (tmp_path / "b" / "bundle.json").write_bytes(about)


def test_a_zip_bomb_an_absolute_path_and_a_link_are_refused_and_nothing_is_unpacked(tmp_path):
    Pca(2).fit(X).save(tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    link = zipfile.ZipInfo("model.onnx")
    link.external_attr = 0o120777 << 16
    before = {one.name for one in tmp_path.iterdir()} | {"odd.zip"}
    for name, kind in ((str(tmp_path / "out"), 0), ("../out", 0), (link, 0), ("model.onnx", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
            for key, data in whole.items():
                archive.writestr(key, data)
            archive.writestr(name, bytes(50_000_000) if kind else b"x", compress_type=kind)
        with pytest.raises(BundleError):
            bundle.read(tmp_path / "odd.zip")
        with pytest.raises(BundleError):
            bundle.attach(tmp_path / "odd.zip", "model.onnx", b"x")
    assert {one.name for one in tmp_path.iterdir()} == before
    assert not (tmp_path.parent / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_an_optional_part_that_is_a_link_is_refused(tmp_path):
    Pca(2).fit(X).save(tmp_path / "b")
    (tmp_path / "b" / "reference.safetensors").rename(tmp_path / "r")
    (tmp_path / "b" / "reference.safetensors").symlink_to(tmp_path / "r")
    with pytest.raises(BundleError, match="is a link"):
        bundle.read(tmp_path / "b")


def test_a_form_of_another_model_is_not_attached_and_a_wrong_one_does_not_verify(tmp_path):
    mlp = codelayer.load(FORMS / "mlp")
    mlp.save(tmp_path / "b")
    form = bundle.read(FORMS / "mlp").part("model.onnx")
    for name, data in (("own", form), ("other", bundle.read(FORMS / "conv").part("model.onnx")), ("none", b"\x08\x07")):
        (tmp_path / f"{name}.onnx").write_bytes(data)
    assert attach(tmp_path / "b", tmp_path / "own.onnx") < 1e-5 and verified(tmp_path / "b").onnx < 1e-5
    for wrong in ("other", "none", "gone"):
        with pytest.raises(BundleError):
            attach(tmp_path / "b", tmp_path / f"{wrong}.onnx")
    assert bundle.read(tmp_path / "b").part("model.onnx") == form
    found = bundle.read(tmp_path / "b")
    moved = found.tensors | {"model.net.mean": found.tensors["model.net.mean"] + 1}
    golden = {"rows": found.golden["rows"], "codes": _codes(found, moved)}
    bundle.write(tmp_path / "c", found.kind, found.plan, moved, golden)
    bundle.attach(tmp_path / "c", "model.onnx", form)
    with pytest.raises(BundleError, match="no form of this model: the export differs .* of the code's scale"):
        verified(tmp_path / "c")


def _codes(found, tensors):
    made = bundle.restore(bundle.Bundle(found.kind, found.plan, tensors, found.golden))
    return made.encode_samples(found.golden["rows"])


def test_golden_codes_that_are_not_reproduced_are_told(tmp_path):
    Pca(2).fit(X).save(tmp_path / "b")
    found = bundle.read(tmp_path / "b")
    golden = found.golden | {"codes": found.golden["codes"] * np.float32(1.001)}
    bundle.write(tmp_path / "b", found.kind, found.plan, found.tensors, golden)
    with pytest.raises(BundleError, match=r"are coded 0.001 of the code's scale off"):
        verified(tmp_path / "b")


def test_loading_a_bundle_that_was_pickled_runs_nothing(tmp_path):
    import pickle

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    trap = pickle.dumps(Trap())
    Pca(2).fit(X).save(tmp_path / "b")
    for name in EVERY[:3]:
        whole = (tmp_path / "b" / name).read_bytes()
        (tmp_path / "b" / name).write_bytes(trap)
        forged(tmp_path / "b", name, {"bytes": len(trap), "sha256": parts.sha256(trap)})
        with pytest.raises(BundleError):
            codelayer.load(tmp_path / "b")
        (tmp_path / "b" / name).write_bytes(whole)
        forged(tmp_path / "b", name, {"bytes": len(whole), "sha256": parts.sha256(whole)})
    (tmp_path / "trap.zip").write_bytes(trap)
    with pytest.raises(BundleError):
        codelayer.load(tmp_path / "trap.zip")
    assert not (tmp_path / "sprung").exists()


def test_a_bundle_without_golden_rows_or_with_odd_statistics_is_not_verified(tmp_path):
    Pca(2).fit(X).save(tmp_path / "b")
    found = bundle.read(tmp_path / "b")
    kept = found.reference()
    none = {name: values[:0] for name, values in found.golden.items()}
    fewer = found.golden | {"codes": found.golden["codes"][:1]}
    for golden in ({}, none, fewer):
        bundle.write(tmp_path / "g", found.kind, found.plan, found.tensors, golden)
        with pytest.raises(BundleError, match="no golden rows"):
            verified(tmp_path / "g")
    for odd, name in (
        ({"nonsense": np.ones(3)}, "levels"),
        (kept | {"more": np.ones(3)}, "more"),
        (kept | {"codes.mean": kept["codes.mean"] * np.nan}, "codes.mean"),
        (kept | {"codes.mean": np.ones(3, np.float32)}, "codes.mean"),
        (kept | {"inputs.sketch": np.ones((33, 4), np.float32)}, "inputs.sketch"),
        (kept | {"inputs.index": kept["inputs.index"] + 1}, "inputs.index"),
        ({key: value for key, value in kept.items() if key != "inputs.quantiles"}, "inputs.quantiles"),
    ):
        bundle.attach(tmp_path / "b", "reference.safetensors", parts.packed(odd))
        with pytest.raises(BundleError, match=f"not what a fit keeps: '{name}'"):
            verified(tmp_path / "b")

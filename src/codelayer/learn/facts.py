"""What is inside a bundle, in words.

Reads  a bundle, which is verified on the way.
Gives  (name, value) pairs of text.
Skips  restoring it: neither torch nor a class of the bundle's kind is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import bundle
from ..data.schema import Schema
from ..report.text import number
from .run import STATE

SHOWN = 12
WITH_HEADS = ("headed", "forest")


def bundle_facts(path: str | Path) -> list[tuple[str, str]]:
    """What a bundle holds: kind, objective, net, code size, schema, classes, scores, versions, size.

    errors  BundleError: not there, damaged, altered, or a run that was not finished
    """
    path = Path(path)
    found = bundle.read(path)
    code = found.plan.get("code", found.plan) if found.kind in WITH_HEADS else found.plan
    record = code.get("record", {})
    facts = [("kind", _kind(found, code))]
    facts += [(name, str(code[name])) for name in ("objective", "net") if name in code]
    options = code.get("options", {})
    facts += [(name, str(options[name])) for name in ("l1", "solver", "steps") if name in options]
    widths = code.get("widths", {})
    facts.append(("code size", str(code.get("code_size", code.get("units", sum(widths.values()) or "")))))
    if isinstance(code.get("backbone"), Mapping):
        facts += _backbone_facts(code["backbone"], widths, options)
    if "schema" in code:
        facts += _schema_facts(Schema.from_json(code["schema"]))
    head = found.plan.get("head")
    if isinstance(head, Mapping):
        classes = [_plain(one) for one in head.get("classes", ())]
        told = "a number" if head.get("task") == "number" else f"{len(classes)} classes: {_some(classes)}"
        facts.append(("predicts", told))
    facts += _learned(record)
    study = found.facts.get("study", {})
    facts += [(f"study {name}".replace("_", " "), _told(value)) for name, value in study.items()]
    facts += [("advice", str(found.facts.get("advice", "")))]
    sizes = [one.size for one in found.tensors.values()]
    facts += [("weights", f"{sum(sizes):,} numbers in {len(sizes)} arrays")]
    facts += [("golden rows", str(len(found.golden["codes"])))] if "codes" in found.golden else []
    facts += _optional(found)
    facts += [("written by", found.written_by), ("size", f"{number(bundle.size_bytes(path) / 1e6)} MB to make codes")]
    facts += [("parts", ", ".join(f"{name} {size:,} bytes" for name, size in bundle.sizes(path).items()))]
    if path.is_dir() and (path / STATE).is_dir():
        facts.append(("checkpoints", f"{path / STATE} is left of its run"))
    return [(name, value) for name, value in facts if value]


def _kind(found: bundle.Bundle, code: Mapping[str, Any]) -> str:
    if found.kind == "forest":
        return "a random forest on raw features"
    return f"a code ({code.get('kind', 'unknown')}) with its head" if found.kind == "headed" else found.kind


def _backbone_facts(net: Mapping[str, Any], widths: Mapping[str, Any], options: Mapping[str, Any]) -> list[Any]:
    """The net inside, which of its stages are read, how its pictures are prepared, what was tuned."""
    licence = f", licence {net['licence']}" if net.get("licence") else ""
    facts = [("backbone", f"{net.get('name', '')}{licence}{'' if net.get('trained', True) else ', untrained'}")]
    stages = [str(stage) for stage in net.get("stages", ())]
    some = f" of {_some(stages)}" if widths and len(widths) < len(stages) else ""
    facts.append(("stages", _some([f"{stage} ({width} units)" for stage, width in widths.items()] or stages) + some))
    told = net.get("preprocessing", {})
    facts += [("pictures", f"brought to {told['width']} x {told['height']}")] if told.get("height") else []
    tuned = [f"{name} {options[name]}" for name in ("tune", "rates", "start", "epochs") if name in options]
    return facts + ([("tuned", ", ".join(tuned))] if tuned else [])


def _schema_facts(schema: Schema) -> list[tuple[str, str]]:
    shape = " x ".join(str(size) for size in schema.shape)
    if schema.kind != "table":
        return [("reads", f"{schema.kind}, {shape} ({schema.dtype}), scale {schema.scale}")]
    used = [column for column in schema.columns if column.labels()]
    kinds = Counter(column.kind for column in used)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    facts = [("reads", f"a table of {len(used)} columns ({told}), encoded as {schema.features} numbers")]
    facts.append(("columns", _some([column.name for column in used])))
    left = [f"{column.name} ({column.kind})" for column in schema.columns if not column.labels()]
    return facts + ([("left out", _some(left))] if left else [])


def _learned(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not record:
        return []
    told = f"{record.get('rows', 0):,} rows, {record.get('epochs_run', 0)} epochs, {number(record.get('seconds'))} s"
    facts = [("learned from", f"{told}, seed {record.get('seed')}")]
    history = record.get("history") or [{}]
    held_out = [one["validation"] for one in history if one.get("validation")]
    if held_out:
        facts.append(("held-out loss", f"{number(min(held_out))} at best"))
    facts.append(("dead units", str(record.get("dead_units", ""))))
    facts.append(("collapsed units", str(record.get("collapsed_units") or "")))
    return facts + [("choices", "; ".join(record.get("choices", ())))]


def _optional(found: bundle.Bundle) -> list[tuple[str, str]]:
    """What the optional parts tell; they are verified now."""
    facts, kept = [], found.reference()
    for name in ("inputs", "codes"):
        if f"{name}.mean" in kept:
            count, middle = len(kept[f"{name}.mean"]), kept[f"{name}.quantiles"]
            told = f"{count:,} columns of {int(kept['rows']):,} rows, from {middle.min():.3g} to {middle.max():.3g}"
            spread = f"deviations {kept[f'{name}.deviation'].min():.3g} to {kept[f'{name}.deviation'].max():.3g}"
            facts.append((f"reference {name}", f"{told}, {spread}"))
    form = found.part(bundle.ONNX)
    return facts + ([] if form is None else [("ONNX form", f"{len(form):,} bytes, for ONNX Runtime")])


def _told(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _plain(label: Any) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

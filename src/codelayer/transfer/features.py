"""Features of a pre-trained net: any stage, pooled to vectors, made once and kept.

    codes = FeatureExtractor("file:mobilenet.npz", stages="all").fit_transform(pictures)

Reads  a backbone and rows.
Gives  `FeatureExtractor`, a scikit-learn transformer with a saved form, and `stage_features`, a dict by stage.
Skips  learning: nothing in the net changes. Of a random twin the scales are drawn from the rows `fit` sees.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils._tags import Tags
from sklearn.utils.validation import check_is_fitted

from .. import bundle
from ..data.rows import rows_of, take
from ..data.schema import Schema
from ..errors import BundleError, DataError
from ..learn.coder import Coder
from ..learn.settings import seed_of
from ..nets.backbone import Backbone, Pictures
from ..nets.backbone.twin import ROWS
from ..report import Progress
from .bundles import Rows
from .cache import FeatureCache, default_folder
from .opening import backbone_from, backbone_parts, open_backbone
from .parts import Parts
from .scales import calibrated

BLOCK = 32  # pictures that go through the net together
AUTO = "auto"


@bundle.kind("features")
class FeatureExtractor(Coder):
    """The pooled stages of a pre-trained net as codes.

    Parameters
    ----------
    backbone : str, Path or Backbone
        What `open_backbone` takes.
    stages : str, sequence of str or None, default=None
        Names of stages, "all", or None for the last; several are set side by side, in the net's order.
    grid : int or "auto", default=1
        A map is pooled to its mean (1) or to the means of its grid x grid parts; "auto" is 1 for the net's last stage
        and 2 for those before it.
    size : int or None, default=None
        Pixels per side to which pictures are brought; None is what the net was trained on.
    cache : str, Path or None, default="auto"
        A folder for features; "auto" is CODELAYER_CACHE or the system's place for caches, None keeps nothing.
    random_state : int, RandomState or None, default=None
        Of the weights of a random twin.

    Attributes
    ----------
    backbone_ : Backbone
    stages_ : tuple of str
    widths_ : dict, stage -> units
    notes_ : list of str, what a reader should know of these rows in this net
    schema_ : Schema

    References
    ----------
    Yosinski et al. 2014, on which stages transfer.
    """

    kind_name = "features"
    _parts: Parts

    def __init__(
        self,
        backbone: Any,
        stages: Any = None,
        grid: int | str = 1,
        size: int | None = None,
        cache: str | Path | None = AUTO,
        random_state: Any = None,
    ) -> None:
        self.backbone = backbone
        self.stages = stages
        self.grid = grid
        self.size = size
        self.cache = cache
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Open the net and look at the rows; y is ignored.

        errors  DataError, SentenceError, BundleError
        """
        if self.grid != AUTO and (type(self.grid) is not int or not 1 <= self.grid <= 8):
            raise DataError(f"grid={self.grid!r} is not possible", 'it is "auto" or a whole number from 1 to 8')
        backbone = open_backbone(self.backbone, self.size, seed_of(self.random_state))
        stages = backbone.chosen(self.stages)
        rows = self._rows(X, reset=True)
        self.schema_ = schema_for(backbone, rows)
        first = self.schema_.encode(take(rows, slice(0, ROWS)))
        self._parts = Parts()
        Parts().run(len(first), lambda part: len(backbone.prepare(first[part])))  # refuses what it cannot take
        self.notes_ = backbone.prepare.notes(first)
        if not backbone.calibrated:
            backbone, told = calibrated(backbone, first)
            self.notes_ += told
        for note in self.notes_:
            warnings.warn(note, stacklevel=2)
        self.backbone_, self.stages_ = backbone, stages
        (widths,) = Parts().run(1, lambda _: backbone.widths(first, self.grid))
        self.widths_ = {stage: widths[stage] for stage in stages}
        self._n_features_out = sum(self.widths_.values())
        self._keep_golden(rows)
        self._keep_reference(take(rows, slice(0, ROWS)))
        return self

    @property
    def block_rows(self) -> int:
        """Rows that are coded at once."""
        return BLOCK if len(self.schema_.shape) == 3 else super().block_rows

    def transform(self, X: Any) -> np.ndarray:
        """The features of the rows, (rows, units) float32; from the cache where they are there."""
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        found = self._by_stage(rows)
        return np.concatenate([found[stage] for stage in self.stages_], axis=1)

    def _as_fitted(self, rows: Any) -> Any:
        if not self._sees_pictures or not isinstance(rows, np.ndarray):
            return super()._as_fitted(rows)
        if rows.ndim == 3 and rows.dtype == np.uint8 and not self.schema_.flat:
            return rows[..., None]
        return rows[..., 0] if rows.ndim == 4 and rows.shape[3] == 1 and self.schema_.flat else rows

    @property
    def _sees_pictures(self) -> bool:
        return isinstance(self.backbone_.prepare, Pictures)

    def _blocks(self, rows: Any) -> Iterator[Any]:
        return map(self._as_schema, super()._blocks(rows))

    def _as_schema(self, block: Any) -> Any:
        """Pictures in the grey levels that were fitted: uint8 and numbers in [0, 1] are the same pictures."""
        if not self._sees_pictures or not isinstance(block, np.ndarray):
            return block
        levels = self.schema_.dtype == "uint8"
        if block.dtype == np.uint8:
            return block if levels else block.astype(np.float32) / 255
        return block if not levels or block.dtype.kind != "f" else block * np.float32(255)

    def stage_features(self, X: Any) -> dict[str, np.ndarray]:
        """The features of the rows by stage, each (rows, width) float32."""
        check_is_fitted(self)
        return self._by_stage(self._rows(X, reset=False))

    def _by_stage(self, rows: Any) -> dict[str, np.ndarray]:
        folder = default_folder() if self.cache == AUTO else self.cache
        n, total = rows_of(rows), {stage: [np.zeros((0, w), np.float32)] for stage, w in self.widths_.items()}
        if folder is None or n < 2 * BLOCK:
            for block in self._blocks(rows):
                for stage, values in self._stage_block(block).items():
                    total[stage].append(values)
            return {stage: np.concatenate(parts) for stage, parts in total.items()}
        about = {
            "net": self.backbone_.features_hash(),
            "grid": self.grid,
            "block": self.block_rows,
            "schema": self.schema_.to_json(),
            "rows": fingerprint_of(rows),
        }
        while True:  # other parts round differently: they have an entry of their own
            parts = self._parts.count
            made = self._kept(FeatureCache(folder, about | ({"parts": parts} if parts > 1 else {}), n), rows)
            if made is not None:
                return made

    def _kept(self, cache: FeatureCache, rows: Any) -> dict[str, np.ndarray] | None:
        """Features of all rows; None where memory ran out and blocks go in more parts from now on."""
        parts = self._parts.count
        found = {stage: cache.read(stage) for stage in self.stages_}
        missing = {stage: self.widths_[stage] for stage, values in found.items() if values is None}
        if not missing:
            return {stage: one for stage, one in found.items() if one is not None}
        with cache.held() as mine:
            done = cache.begun(missing) if mine else 0
            made: dict[str, list[np.ndarray]] = {stage: [] for stage in missing}
            with Progress(f"features of {self.backbone_.name}", rows_of(rows), "rows", done) as progress:
                for start in range(done, rows_of(rows), self.block_rows):
                    block = self._as_schema(take(rows, slice(start, start + self.block_rows)))
                    values = self._stage_block(block, tuple(missing))
                    if self._parts.count != parts:
                        return None
                    if mine:
                        cache.append(values)
                    else:
                        for stage in missing:
                            made[stage].append(values[stage])
                    progress.update(min(start + self.block_rows, rows_of(rows)))
            if mine:
                cache.finish(missing)
        fresh = {s: cache.read(s) if mine else np.concatenate(made[s]) for s in missing}
        return {stage: one for stage, one in {**found, **fresh}.items() if one is not None}

    def _stage_block(self, block: Any, stages: tuple[str, ...] | None = None) -> dict[str, np.ndarray]:
        encoded = self.schema_.encode(block)
        values = self._vectors(self.padded(encoded), stages or self.stages_)
        return {stage: one[: len(encoded)] for stage, one in values.items()}

    def _vectors(self, encoded: np.ndarray, stages: tuple[str, ...]) -> dict[str, np.ndarray]:
        """The stages of one block, in parts where it does not fit into memory."""
        before = self._parts.count
        made = self._parts.run(len(encoded), lambda part: self.backbone_.vectors(encoded[part], stages, self.grid))
        if self._parts.count != before:
            self._note_parts(len(encoded))
        return made[0] if len(made) == 1 else {stage: np.concatenate([one[stage] for one in made]) for stage in stages}

    def _note_parts(self, rows: int) -> None:
        told = f"a block of {rows} rows did not fit into memory and went through the net in parts of "
        note = f"{told}{-(-rows // self._parts.count)}"
        self.notes_ = [one for one in self.notes_ if not one.startswith(told)] + [note]
        warnings.warn(note, stacklevel=4)

    def padded(self, encoded: np.ndarray) -> np.ndarray:
        """At most `block_rows` rows, and rows of zeros that make a full block: every row gets the same bits."""
        if len(encoded) in (1, self.block_rows) or len(self.schema_.shape) != 3:
            return super().padded(encoded) if len(self.schema_.shape) != 3 else encoded
        size = next(s for s in (8, 16, self.block_rows) if s >= len(encoded))
        return np.concatenate([encoded, np.zeros((size - len(encoded), *encoded.shape[1:]), np.float32)])

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        found = self._vectors(encoded, self.stages_)
        return np.concatenate([found[stage] for stage in self.stages_], axis=1)

    def _decode_block(self, codes: np.ndarray) -> np.ndarray:
        raise DataError("features of a pre-trained net cannot be turned back into rows", "use transform alone")

    def __sklearn_tags__(self) -> Tags:
        """Pictures, or what a bundle's schema takes; float32 out."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        plan, tensors = backbone_parts(self.backbone_)
        options = {"stages": list(self.stages_), "grid": self.grid, "size": self.size}
        return {"backbone": plan, "options": options, "widths": self.widths_, "notes": self.notes_}, tensors

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> Self:
        """The extractor a bundle holds, its net inside.

        errors  BundleError when its parts do not fit together
        """
        try:
            options = found.plan["options"]
            backbone = backbone_from(found.plan["backbone"], found.tensors)
            made = cls(backbone, options["stages"], options["grid"], options["size"])
            made._restore(found)
            made._parts = Parts()
            made.backbone_, made.stages_ = backbone, backbone.chosen(options["stages"])
            made.widths_ = {stage: int(found.plan["widths"][stage]) for stage in made.stages_}
            made.notes_ = [str(note) for note in found.plan.get("notes", [])]
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{found.path} does not hold a net with its features ({error})", "save it again"
            ) from None
        made._n_features_out = sum(made.widths_.values())
        return made


def schema_for(backbone: Backbone, rows: Any) -> Schema:
    """How rows are encoded before the net prepares them: a bundle's own schema, grey levels in [0, 1] for pictures."""
    check_rows(backbone, rows)
    if isinstance(backbone.prepare, Rows):
        return backbone.prepare.schema
    return Schema.fit(rows, scale="auto" if rows.dtype == np.uint8 else "none")


def check_rows(backbone: Backbone, rows: Any) -> None:
    """Refuse rows of another kind than the net takes.

    errors  DataError
    """
    if isinstance(backbone.prepare, Rows):
        backbone.prepare.schema.check(rows)
        return
    if not (isinstance(rows, np.ndarray) and rows.ndim in (3, 4) and (rows.ndim == 4 or rows.dtype == np.uint8)):
        shape = getattr(rows, "shape", None)
        raise DataError(
            f"{backbone.name} takes pictures, not {'rows of shape ' + str(shape) if shape else 'a table'}",
            "give an array (n, height, width, channels), uint8 or in [0, 1]",
        )


def fingerprint_of(rows: Any) -> str:
    """A hash of rows as they are: equal rows, equal text."""
    digest = hashlib.blake2b(digest_size=16)
    if isinstance(rows, np.ndarray):
        digest.update(f"{rows.dtype.str} {rows.shape}".encode())
        digest.update(np.ascontiguousarray(rows).data)
    else:
        for name in sorted(rows.names):
            digest.update(repr((name, rows.column(name).tolist())).encode())
    return digest.hexdigest()


def stage_features(
    backbone: str | Path | Backbone,
    X: Any,
    stages: str | Iterable[str] | None = "all",
    grid: int | str = 1,
    size: int | None = None,
    cache: str | Path | None = AUTO,
    seed: int = 0,
) -> Mapping[str, np.ndarray]:
    """Features of rows by stage, each (rows, width) float32: `FeatureExtractor` in one call."""
    return FeatureExtractor(backbone, stages, grid, size, cache, seed).fit(X).stage_features(X)

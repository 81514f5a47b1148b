"""The estimator: one class for every objective.

    codes = Autoencoder(code_size=16, objective="mask(0.3) + relu() + l1(0.001)").fit_transform(X)

Reads  rows of any kind the schema knows.
Gives  a scikit-learn transformer; `fit_epochs` is `fit` as a generator, for one's own plots and stopping.
Skips  labels: y is accepted and not used.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._tags import Tags

from .. import bundle
from ..data.rows import rows_of, take
from ..data.schema import Schema
from ..errors import BundleError, DataError, SentenceError
from ..nets import make_plan, parse_net, plan_from, plan_tensors
from ..objective import PICTURE_RECIPES, Model, parse_objective, recipe_of
from ..registry import spell
from .checkpoint import array
from .coder import Coder, fingerprint
from .dead import dead_units, remedy
from .loop import Epoch, train
from .ridge import Ridge
from .run import RunFolder
from .sources import Rows

STEPS = 3000


@bundle.kind("autoencoder")
class Autoencoder(Coder):
    """An encoder and decoder trained on unlabelled rows by one objective.

    Parameters
    ----------
    code_size : int, default=32
        Units of the code.
    objective : str, default="undercomplete"
        A recipe's name or a sentence of terms, for example "mask(0.3) + relu() + l1(0.001)".
    net : str, default="auto"
        "mlp(512, 256)", "conv(32, 64)", ...; "auto" follows the recipe, else the sample's shape and a cost limit.
    epochs : int or "auto", default="auto"
        Passes over the rows; "auto" makes about 3000 steps, within 20 to 200 epochs.
    batch_size : int or "auto", default="auto"
        Rows per step; "auto" is a sixteenth of the rows, within 32 to 256.
    learning_rate : float or "auto", default="auto"
        Peak of the schedule; "auto" is 0.001, and 0.002 for objectives that compare views.
    validation : float, default=0.1
        Share of the rows held out to choose the best epoch; 0 holds out none and switches patience off.
    patience : int or "auto", default="auto"
        Epochs without improvement after which training stops; "auto" is a fifth of the epochs, at least 10.
    scale : {"auto", "block", "columns", "none"}, default="auto"
        How a 2-D array is scaled (see Schema).
    random_state : int, RandomState or None, default=None
        Of weights, order, held-out rows and draws.
    device : str, default="auto"
        "cpu", "cuda", ...; "auto" takes a GPU when torch sees one.
    run : str, Path or None, default=None
        A folder for checkpoints: a stopped fit continues there, a finished one leaves its bundle.

    Attributes
    ----------
    schema_ : Schema
    model_ : Model, the torch module
    record_ : dict, what was run: objective, net, epochs, seconds, choices, history
    dead_units_ : (dead,) int, units that never vary on training rows
    n_features_in_ : int

    References
    ----------
    Vincent et al. 2010 (denoising), Rifai et al. 2011 (contractive), Makhzani and Frey 2013 (k-sparse),
    Bardes et al. 2022 (VICReg). Each term names its own source.
    """

    kind_name = "autoencoder"

    def __init__(
        self,
        code_size: int = 32,
        objective: str = "undercomplete",
        net: str = "auto",
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float | str = "auto",
        validation: float = 0.1,
        patience: int | str = "auto",
        scale: str = "auto",
        random_state: Any = None,
        device: str = "auto",
        run: str | Path | None = None,
    ) -> None:
        self.code_size = code_size
        self.objective = objective
        self.net = net
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation = validation
        self.patience = patience
        self.scale = scale
        self.random_state = random_state
        self.device = device
        self.run = run

    # --- fitting ------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from rows X; y is ignored."""
        for _ in self.fit_epochs(X):
            pass
        return self

    def fit_epochs(self, X: Any, checkpoint_seconds: float = 30.0) -> Iterator[Epoch]:
        """`fit` as a generator: yields after every epoch; stop with `break`, the best weights so far are kept.

        errors  DataError, SentenceError, RunError (a `run` folder of another fit)
        """
        self._check_options()
        rows = self._rows(X, reset=True, at_least=2)
        self.schema_ = Schema.fit(rows, scale=self.scale)
        seed = self._seed()
        kept, held = self._hold_out(rows_of(rows), seed)
        training = Rows(take(rows, kept) if len(held) else rows, self.schema_, self._device())
        held_out = Rows(take(rows, held), self.schema_, self._device()) if len(held) else None
        settings = self.settings(training.length)
        if self.run is None:
            yield from self._fit(training, held_out, settings, seed, None, checkpoint_seconds)
            self._finish(rows, training, settings, seed)
            return
        options = {"command": "learn", **self._options(seed)}
        path = Path(self.run)
        with RunFolder(path, options, fingerprint(rows, self.schema_), finished=lambda: _noted_run(path)) as run:
            if run.done:
                self._take_over(bundle.read(path))
                return
            yield from self._fit(training, held_out, settings, seed, run.state / "training", checkpoint_seconds)
            self._finish(rows, training, settings, seed)
            self.save(path, {"run": run.record})
            run.finish(remove_state=True)

    def prepare(self, X: Any) -> Self:
        """Fix schema, net and first weights from rows X without learning: an untrained twin, and a check of options."""
        self._check_options()
        rows = self._rows(X, reset=True, at_least=2)
        self.schema_ = Schema.fit(rows, scale=self.scale)
        training = Rows(rows, self.schema_, self._device())
        seed = self._seed()
        self._build(training, seed)
        self._finish(rows, training, self.settings(training.length), seed)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """One pass over rows X with a constant learning rate; the first call fixes schema, net and weights."""
        first = not hasattr(self, "model_")
        if first:
            self._check_options()
        rows = self._rows(X, reset=first, at_least=2 if first else 1)
        if first:
            self.schema_ = Schema.fit(rows, scale=self.scale)
            self._passes, self._partial_seed = 0, self._seed()
        training = Rows(rows, self.schema_, self._device())
        settings = self.settings(training.length)
        if first:
            self._build(training, self._partial_seed)
        self._passes += 1
        pace = settings["learning_rate"]
        for _ in train(
            self.model_,
            training,
            epochs=1,
            batch_size=settings["batch_size"],
            learning_rate=pace,
            seed=self._partial_seed + self._passes,
        ):
            pass
        self._finish(rows, training, settings, self._partial_seed)
        return self

    def _fit(
        self,
        training: Rows,
        held_out: Rows | None,
        settings: Mapping[str, Any],
        seed: int,
        checkpoint: Path | None,
        checkpoint_seconds: float,
    ) -> Iterator[Epoch]:
        self._build(training, seed)
        started = time.perf_counter()
        self.history_: list[dict[str, float]] = []
        loop = train(
            self.model_,
            training,
            epochs=settings["epochs"],
            batch_size=settings["batch_size"],
            learning_rate=settings["learning_rate"],
            seed=seed,
            held_out=held_out,
            patience=settings["patience"],
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
        )
        try:
            for epoch in loop:
                self.history_.append({"epoch": epoch.number, **epoch.terms, "validation": epoch.validation or 0.0})
                self.train_seconds_ = time.perf_counter() - started
                yield epoch
        finally:
            loop.close()
            self.model_.eval()
            self.train_seconds_ = time.perf_counter() - started

    def _build(self, training: Rows, seed: int) -> None:
        plan = make_plan(self.schema_, self.code_size, (training.block(where) for where in training.blocks()))
        text, net_text = recipe_of(self.objective)
        objective = parse_objective(text).resolve(plan)
        net = parse_net(
            net_text if self.net == "auto" else self.net, plan.shape, self.code_size, objective.compares_views
        )
        self.model_ = Model(plan, objective, net.build(plan, self.code_size, objective.loss is not None))
        self.model_.draw_weights(seed)
        self.model_.to(self._device())
        self.net_ = spell([net])
        self.objective_ = objective.text
        self._n_features_out = self.code_size
        self.block_rows = 256 if plan.is_image else 4096
        if self.code_size > plan.features and objective.text in ("squared()", "columns()", "bernoulli()", "huber(1.0)"):
            warnings.warn(
                f"code_size={self.code_size} is more than the {plan.features} encoded features, and {objective.text} "
                "cannot use the surplus; choose a smaller code or add a sparse or denoising term",
                stacklevel=4,
            )

    def _finish(self, rows: Any, training: Rows, settings: Mapping[str, Any], seed: int) -> None:
        self.model_.eval()
        self._keep_golden(rows)
        sample = np.linspace(0, training.length - 1, min(training.length, 10_000)).astype(int)
        x, _ = training.batch(torch.from_numpy(np.unique(sample)))
        encoded = x.cpu().numpy()
        codes = self.encode_samples(encoded)
        self.dead_units_ = dead_units(codes)
        if self.model_.net.decoder is None:
            self.ridge_ = Ridge.fit(codes, encoded.reshape(len(encoded), -1))
        self.record_ = {
            "objective": self.objective_,
            "net": self.net_,
            "code_size": self.code_size,
            "seed": seed,
            **settings,
            "rows": training.length,
            "epochs_run": len(getattr(self, "history_", [])),
            "seconds": getattr(self, "train_seconds_", 0.0),
            "choices": self.model_.objective.record(self.model_),
            "dead_units": len(self.dead_units_),
            "history": getattr(self, "history_", []),
        }
        if len(self.dead_units_):
            share = f"{len(self.dead_units_)} of {self.code_size} units are dead (they never vary)"
            warnings.warn(f"{share}; {remedy(self.model_.objective)}", stacklevel=4)

    # --- options ------------------------------------------------------------------------------------------------

    def _check_options(self) -> None:
        for name in ("code_size", "epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value == "auto" and name != "code_size":
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise SentenceError(f"{name}={value!r} is not possible", f"{name} is a whole number, at least 1")
        if self.learning_rate != "auto" and not (
            isinstance(self.learning_rate, int | float) and 0 < self.learning_rate < math.inf
        ):
            raise SentenceError(f"learning_rate={self.learning_rate!r} is not possible", "it is above 0, usually 0.001")
        if not 0 <= self.validation < 1:
            raise SentenceError(f"validation={self.validation!r} is not a share", "it lies in [0, 1), usually 0.1")

    def _options(self, seed: int) -> dict[str, Any]:
        text, net_text = recipe_of(self.objective)
        names = ("code_size", "epochs", "batch_size", "learning_rate", "validation", "patience", "scale")
        chosen = {name: getattr(self, name) for name in names}
        net = net_text if self.net == "auto" else self.net
        return {"objective": parse_objective(text).text, "net": net, "random_state": seed, **chosen}

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _device(self) -> str:
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.device

    def _hold_out(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        held = int(n * self.validation)
        if held < 1 or n - held < 2:
            return np.arange(n), np.arange(0)
        order = np.random.default_rng(seed).permutation(n)
        return np.sort(order[held:]), np.sort(order[:held])

    def settings(self, rows: int) -> dict[str, Any]:
        """The epochs, batch_size, learning_rate and patience of a fit on `rows` training rows; "auto" is resolved."""
        views = parse_objective(recipe_of(self.objective)[0]).compares_views
        batch = self.batch_size
        if batch == "auto":
            batch = int(np.clip(2 ** round(math.log2(max(rows, 2) / 16)), 32 if not views else 128, 256))
        batch = min(int(batch), rows)
        epochs = self.epochs
        if epochs == "auto":
            epochs = int(np.clip(round(STEPS * batch / rows), 20, 200))
        pace = self.learning_rate
        if pace == "auto":
            pace = 0.002 if views else 0.001
        patience: int | None = max(10, int(epochs) // 5) if self.patience == "auto" else int(self.patience)
        return {
            "epochs": int(epochs),
            "batch_size": batch,
            "learning_rate": float(pace),
            "patience": patience if self.validation else None,
        }

    # --- coding -------------------------------------------------------------------------------------------------

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.model_.codes(torch.from_numpy(encoded).to(self._device())).cpu().numpy()

    def _decode_block(self, codes: np.ndarray) -> np.ndarray:
        if self.model_.net.decoder is None:
            return self.ridge_.predict(codes)
        with torch.no_grad():
            code = torch.from_numpy(np.ascontiguousarray(codes, np.float32)).to(self._device())
            return self.model_.rebuild(code).cpu().numpy()

    def _mean_row(self) -> np.ndarray:
        return self.model_.plan.mean

    def layers(self, X: Any, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The activations of named stages, each (rows, ...) float32, and "code"; all stages when no names are given.

        errors  SentenceError for an unknown stage
        """
        known = [*self.model_.net.stages, "code"]
        wanted = list(names) if names is not None else known
        for name in wanted:
            if name not in known:
                raise SentenceError(f"no stage is called {name!r}", f"stages in order: {', '.join(known)}")
        rows = self._rows(X, reset=False)
        found: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
        with torch.no_grad():
            for block in self._blocks(rows):
                x = torch.from_numpy(self.schema_.encode(block)).to(self._device())
                for name, h in self.model_.net.walk(x):
                    if name in found:
                        found[name].append(h.cpu().numpy())
                if "code" in found:
                    found["code"].append(self.model_.codes(x).cpu().numpy())
        return {name: np.concatenate(parts) for name, parts in found.items()}

    # --- scikit-learn -------------------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Tags:
        """Rows or pictures, dense or CSR, float32 out."""
        tags = super().__sklearn_tags__()
        pictures = self.objective in PICTURE_RECIPES or "affine(" in str(self.objective)
        tags.input_tags.sparse = not pictures
        tags.input_tags.two_d_array = not pictures
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    # --- saving -------------------------------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        tensors = {f"model.{name}": array(value) for name, value in self.model_.state_dict().items()}
        tensors |= plan_tensors(self.model_.plan)
        if self.model_.net.decoder is None:
            tensors |= self.ridge_.tensors()
        options = {name: value for name, value in self.get_params().items() if name not in ("run", "random_state")}
        options["random_state"] = self.record_["seed"]
        plan = {"objective": self.objective_, "net": self.net_, "code_size": self.code_size}
        return {**plan, "options": options, "record": self.record_}, tensors

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> Autoencoder:
        """The estimator a bundle holds.

        errors  BundleError when plan and weights do not fit together
        """
        options = found.plan.get("options", {})
        known = cls().get_params()
        made = cls(**{name: value for name, value in options.items() if name in known})
        made._take_over(found)
        return made

    def _take_over(self, found: bundle.Bundle) -> None:
        try:
            self._restore(found.plan, found.golden)
            plan = plan_from(self.schema_, int(found.plan["code_size"]), found.tensors)
            objective = parse_objective(found.plan["objective"]).resolve(plan)
            net = parse_net(found.plan["net"], plan.shape, plan.code_size)
            self.model_ = Model(plan, objective, net.build(plan, plan.code_size, objective.loss is not None))
            weights = {n.removeprefix("model."): v for n, v in found.tensors.items() if n.startswith("model.")}
            self.model_.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
        except (KeyError, TypeError, RuntimeError, SentenceError, DataError) as error:
            reason = str(error).splitlines()[0]
            raise BundleError(f"{found.path} does not hold an autoencoder ({reason})", "save it again") from None
        self.model_.to(self._device()).eval()
        if objective.loss is None:
            self.ridge_ = Ridge.restored(found.tensors)
        self.net_, self.objective_ = found.plan["net"], objective.text
        self.record_ = dict(found.plan.get("record", {}))
        self.dead_units_ = np.arange(int(self.record_.get("dead_units", 0)))
        self._n_features_out = plan.code_size
        self.block_rows = 256 if plan.is_image else 4096


def _noted_run(path: Path) -> Mapping[str, Any] | None:
    """What a finished run notes about itself in its bundle."""
    if not (path / bundle.ABOUT).exists():
        return None
    return bundle.read(path).facts.get("run")

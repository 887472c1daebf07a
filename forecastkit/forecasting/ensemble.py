"""Several models as one: their mean, their median, or a mean by weights that select folds chose.

Weights are learned on select folds and never on report folds; the score of the ensemble on a select fold comes from weights
that the other select folds chose, so that the recommendation is not flattered. All seeds of a network are one member, whose
forecast is their mean. Shapes: M members, F folds, I items, H steps.

Source: Caruana et al. (2004), doi:10.1145/1015330.1015432 (greedy selection with replacement).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np

from forecastkit import registry
from forecastkit.errors import FitError
from forecastkit.forecasting.protocol import Capabilities, FitContext, Fitted, Forecaster
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.scores import over_origins
from forecastkit.forecasting.selection import NAIVES

__all__ = ["NAME", "EnsembleForecaster", "Member", "Mix", "combine", "learn"]

NAME = "ensemble"
ROUNDS = 25
"""Picks of the greedy search: weights are multiples of 1 / 25 or coarser."""

BEST = 3
FEWEST_FOLDS = 3
FEWEST_ITEMS = 20
"""With fewer folds, weights are tried on other series instead, where there are so many."""

A_GROUP = 100
"""Origins times series for each group of steps with weights of its own."""
MOST_CELLS = 200_000

Method = Literal["auto", "best", "median", "greedy", "steps"]
METHODS = ("best", "median", "greedy", "steps")
"""Plain ones first: of equals the first counts."""


@dataclass(frozen=True)
class Mix:
    """How members become one forecast.

    Args:
        method: ``best`` (the mean of the three best), ``median`` (of all), ``greedy`` (weights) or ``steps`` (weights by
            group of steps).
        weights: [M, H], the columns sum to 1; the median uses them only to say who takes part.
    """

    method: str
    weights: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        """[...] from points [M, ..., H]; a member without a forecast for a cell leaves it to the others."""
        return combine(points, self.weights, median=self.method == "median")


def combine(points: np.ndarray, weights: np.ndarray, *, median: bool = False) -> np.ndarray:
    """Points [M, ..., H] as one, by weights [M, H]; NaN where no member with weight has a forecast.

    >>> combine(np.array([[1.0, 2.0], [3.0, np.nan]]), np.array([[0.5, 0.5], [0.5, 0.5]]))
    array([2., 2.])
    """
    shape = (len(points), *[1] * (points.ndim - 2), points.shape[-1])
    share = np.broadcast_to(weights.reshape(shape), points.shape)
    there = np.isfinite(points) & (share > 0)
    if median:
        return _median(np.where(there, points, np.nan))
    share = np.where(there, share, 0.0)
    total = share.sum(axis=0)
    # Around a member's own value, so that equal forecasts stay what they are to the last bit.
    first = np.take_along_axis(points, there.argmax(axis=0)[None], axis=0)[0]
    moved = np.where(there, share * (points - first), 0.0).sum(axis=0)
    return np.where(total > 0, first + moved / np.where(total > 0, total, 1.0), np.nan)


def _median(points: np.ndarray) -> np.ndarray:
    ordered = np.sort(points, axis=0)  # NaN last
    n = np.isfinite(points).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum((n - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(n // 2, len(points) - 1)[None], axis=0)[0]
    return np.where(n > 0, low + (high - low) / 2, np.nan)


def learn(
    points: np.ndarray,
    answers: np.ndarray,
    scale: np.ndarray,
    method: Method = "auto",
    *,
    power: int = 1,
) -> tuple[Mix, np.ndarray, dict[str, float]]:
    """Weights from select folds.

    Args:
        points: [M, F, I, H].
        answers: [F, I, H], NaN where unobserved.
        scale: [F, I] what an error counts in, as for MASE; NaN = the item does not count.
        power: 2 where squared errors count.
        method: ``auto``: the one of lowest error on folds that its weights were not chosen on.

    Returns:
        mix: learned on all folds.
        outside: [F, I, H] forecasts of the same folds by weights that the others chose (with few folds: other series;
            with few series as well: the mix itself).
        losses: method -> mean scaled error of such forecasts.
    """
    loss = np.abs((points - answers) / np.where(scale > 0, scale, np.nan)[None, :, :, None]) ** power
    cells = np.isfinite(loss).all(axis=0)
    parts = _parts(cells)
    names = METHODS if method == "auto" else (method,)
    if method == "auto" and not parts:
        names = ("best",)  # nothing to choose by
    tried: dict[str, tuple[float, np.ndarray]] = {}
    learners = {name: _learner(name, answers, scale, points, power) for name in names}
    for name, learner in learners.items():
        if not parts:
            outside = learner(cells).apply(points)
        else:
            outside = np.full(answers.shape, np.nan)
            for part in parts:
                outside = np.where(part, learner(cells & ~part).apply(points), outside)
        error = np.where(cells, np.abs((outside - answers) / scale[:, :, None]) ** power, np.nan)
        tried[name] = (over_origins(error), outside)
    best = min(tried, key=lambda name: (tried[name][0], METHODS.index(name)))
    return learners[best](cells), tried[best][1], {name: found[0] for name, found in tried.items()}


def _parts(cells: np.ndarray) -> list[np.ndarray]:
    """Masks [F, I, H] that are left out in turn: folds, or groups of series where folds are few; none where both are."""
    n_folds, n_items, _ = cells.shape
    if n_folds >= FEWEST_FOLDS:
        return [np.arange(n_folds)[:, None, None] == k for k in range(n_folds)]
    if n_items >= FEWEST_ITEMS:
        return [np.arange(n_items)[None, :, None] % 5 == k for k in range(5)]
    return []


def _learner(
    name: str, answers: np.ndarray, scale: np.ndarray, points: np.ndarray, power: int
) -> Callable[[np.ndarray], Mix]:
    """Cells [F, I, H] that may be looked at -> mix."""

    def learner(cells: np.ndarray) -> Mix:
        n_members, _, _, horizon = points.shape
        if name == "median":
            return Mix(name, np.full((n_members, horizon), 1 / n_members))
        n_groups = 1
        if name == "steps":
            n_groups = max(1, min(horizon, int(cells.any(axis=2).sum()) // A_GROUP))
        weights = np.zeros((n_members, horizon))
        for steps in np.array_split(np.arange(horizon), n_groups):
            own = cells & np.isin(np.arange(horizon), steps)
            f, i, h = _some(own)
            errors = (points[:, f, i, h] - answers[f, i, h]) / scale[f, i]
            found = _best(errors, power) if name == "best" else _greedy(errors, power)
            weights[:, steps] = found[:, None]
        return Mix(name, weights)

    return learner


def _some(cells: np.ndarray) -> tuple[np.ndarray, ...]:
    """Indices of cells, at most ``MOST_CELLS`` of them, evenly."""
    index = np.nonzero(cells)
    every = -(-len(index[0]) // MOST_CELLS)
    return tuple(k[:: max(1, every)] for k in index)


def _best(errors: np.ndarray, power: int) -> np.ndarray:
    """[M] equal weights of the ``BEST`` lowest means of errors [M, N] to a power."""
    order = (
        np.argsort((np.abs(errors) ** power).mean(axis=1), kind="stable")[:BEST]
        if errors.size
        else np.arange(len(errors))
    )
    weights = np.zeros(len(errors))
    weights[order] = 1 / len(order)
    return weights


def _greedy(errors: np.ndarray, power: int = 1) -> np.ndarray:
    """[M] weights: members are added, again and again, whichever makes the mean's error, to a power, lowest."""
    counts, total = np.zeros(len(errors)), np.zeros(errors.shape[1])
    best, lowest = np.full(len(errors), 1 / len(errors)), np.inf
    if not errors.size:
        return best
    for k in range(1, ROUNDS + 1):
        losses = [float((np.abs(total + own) ** power).mean()) / k**power for own in errors]
        chosen = int(np.argmin(losses))
        counts[chosen] += 1
        total = total + errors[chosen]
        if losses[chosen] < lowest - 1e-12:
            best, lowest = counts / k, losses[chosen]
    return best


@dataclass(frozen=True)
class Member:
    """One model of an ensemble.

    Args:
        name, options: of the registry.
        weights: [H] shares by step; a single one counts for all steps.
        seeds: fits whose mean is the member; empty = the seed of the run.
        n_steps: training steps of its final fit; None = by early stopping.
        most_steps: where the schedule of its training ended; None = at its own end.
        kind: of the registry, where ``name`` is another; empty = ``name``.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    weights: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = ()
    n_steps: int | None = None
    most_steps: int | None = None
    kind: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Member:
        """The inverse of ``dataclasses.asdict``, of what came from JSON too."""
        return cls(
            str(values["name"]), dict(values["options"]), tuple(float(w) for w in values["weights"]),
            tuple(int(s) for s in values["seeds"]), values["n_steps"], values["most_steps"], str(values["kind"]),
        )  # fmt: skip

    def model(self) -> Forecaster:
        """The model, not yet fitted."""
        return registry.create_model(self.kind or self.name, **self.options)


DEFAULT_MEMBERS = (Member("theta"), Member("auto_ets"), Member("seasonal_naive"))
"""Where nothing was learned: three kinds that need no training."""


@dataclass(frozen=True)
class EnsembleForecaster:
    """Options of ``ensemble``; a run fills them from its select folds.

    Args:
        members: models with their weights.
        method: ``median``, else a weighted mean.
    """

    members: tuple[Member, ...] = DEFAULT_MEMBERS
    method: str = "best"

    family: ClassVar[str] = "ensemble"
    point: ClassVar[str] = "mean"
    complexity: ClassVar[int] = 200
    capabilities: ClassVar[Capabilities] = Capabilities(past=True, known=True, static=True, categorical=True)

    @property
    def is_large(self) -> bool:
        """Whether more than one thread pays."""
        return any(getattr(m.model(), "is_large", False) for m in self.members)

    def fit(self, frame: SeriesFrame, *, horizon: int, context: FitContext | None = None) -> FittedEnsemble:
        """See ``Forecaster.fit``. A member that cannot be fitted leaves its share to the others.

        Raises:
            FitError: no member could be fitted.
        """
        about = context or FitContext()
        fitted: list[tuple[Member, tuple[Fitted, ...]]] = []
        reason = "it has no members"
        for member in self.members:
            seeds = member.seeds or (about.seed,)
            try:
                steps = about.n_steps if member.n_steps is None else member.n_steps
                runs = [
                    member.model().fit(frame, horizon=horizon, context=replace(
                        about, seed=s, n_steps=steps, most_steps=(member.most_steps,), stop_at=(),
                        kept=None if about.kept is None else about.kept.part(f"{member.name}-s{s}"),
                    )) for s in seeds
                ]  # fmt: skip
            except FitError as error:
                reason = f"{member.name}: {error.rule}"
                continue
            fitted.append((member, tuple(runs)))
        if not fitted:
            raise FitError(place=f"model {NAME}", value=reason, rule="no member could be fitted")
        return FittedEnsemble(self, tuple(fitted), horizon, {"note": said(self.method, [m for m, _ in fitted])})

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> FittedEnsemble:
        """See ``Forecaster.restore``."""
        fitted = []
        for k, (kept, states) in enumerate(zip(meta["members"], meta["states"], strict=True)):
            member = Member.from_dict(kept)
            if NAME in (member.name, member.kind):
                raise ValueError("an ensemble cannot be its own member")
            runs = []
            for s, state in enumerate(states):
                head = f"{k}.{s}."
                own = {name.removeprefix(head): value for name, value in arrays.items() if name.startswith(head)}
                runs.append(member.model().restore(own, state))
            fitted.append((member, tuple(runs)))
        return FittedEnsemble(self, tuple(fitted), int(meta["horizon"]), {"note": str(meta["note"])})


def said(method: str, members: Sequence[Member]) -> str:
    """Who takes part, in words."""
    share = {m.name: float(np.mean(m.weights)) for m in members}
    if method in ("best", "median"):
        return f"the {'median' if method == 'median' else 'mean'} of {', '.join(share)}"
    parts = ", ".join(f"{name} {100 * w:.0f} %" for name, w in sorted(share.items(), key=lambda pair: -pair[1]))
    return parts + (" (weights differ by step)" if method == "steps" else "")


@dataclass(frozen=True, eq=False)
class FittedEnsemble:
    """Fitted members."""

    forecaster: EnsembleForecaster
    members: tuple[tuple[Member, tuple[Fitted, ...]], ...]
    horizon: int
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``."""
        points = np.stack([_mean([f.predict_at(frame, cutoffs) for f in runs]) for _, runs in self.members])
        weights = np.stack([_by_step(m.weights, self.horizon) for m, _ in self.members])
        return combine(points, weights, median=self.forecaster.method == "median")

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> None:
        """See ``Fitted.quantiles_at``."""
        return

    def update(self, frame: SeriesFrame) -> FittedEnsemble:
        """See ``Fitted.update``."""
        return replace(self, members=tuple((m, tuple(f.update(frame) for f in runs)) for m, runs in self.members))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``Fitted.state``."""
        arrays: dict[str, np.ndarray] = {}
        states: list[list[dict[str, Any]]] = []
        for k, (_, runs) in enumerate(self.members):
            states.append([])
            for s, one in enumerate(runs):
                own, meta = one.state()
                arrays |= {f"{k}.{s}.{name}": value for name, value in own.items()}
                states[-1].append(meta)
        members = [asdict(m) for m, _ in self.members]
        return arrays, {"members": members, "states": states, "horizon": self.horizon, "note": self.info["note"]}


def _mean(runs: Sequence[np.ndarray]) -> np.ndarray:
    """The forecast of a member: the mean of its seeds."""
    weights = np.ones((len(runs), runs[0].shape[-1]))
    return runs[0] if len(runs) == 1 else combine(np.stack(runs), weights)


def _by_step(weights: Sequence[float], horizon: int) -> np.ndarray:
    """[H]; the further steps of a fit with a gap come first, and have the first weight."""
    given = np.asarray(weights, dtype=np.float64)
    if len(given) == horizon:
        return given
    if len(given) == 1:
        return np.full(horizon, given[0])
    return np.r_[np.full(max(0, horizon - len(given)), given[0]), given][-horizon:]


def of_run(
    points: Mapping[str, Sequence[np.ndarray]],
    select: slice,
    answers: np.ndarray,
    scale: np.ndarray,
    method: Method,
    *,
    power: int = 1,
) -> tuple[Mix, list[str], np.ndarray, dict[str, float]] | None:
    """The ensemble of a run's models; None where there are not two to join.

    Members are the models at least as good as the best naive rule on select folds, and the three best in any case.

    Args:
        points: model -> forecasts [F, I, H] of each seed, over all folds.
        select: the select folds among them.
        answers: [F, I, H].
        scale: [F, I], power: see ``learn``.

    Returns:
        mix, names of the members, forecasts [F, I, H] (on select folds by weights that others chose) and the losses of
        ``learn``.
    """
    every = {name: _mean(runs) for name, runs in points.items()}
    y, size = answers[select], np.where(scale[select] > 0, scale[select], np.nan)
    if not len(y):
        return None
    seen = np.isfinite(y) & np.isfinite(size)[:, :, None]
    whole = {name: x for name, x in every.items() if np.isfinite(x[select])[seen].all()} if seen.any() else {}
    if len(whole) < 2:
        return None
    losses = {name: over_origins(np.abs((x[select] - y) / size[:, :, None]) ** power) for name, x in whole.items()}
    ranked = sorted(losses, key=lambda name: losses[name])
    limit = min([losses[name] for name in ranked if name in NAIVES], default=np.inf)
    names = [name for k, name in enumerate(ranked) if k < BEST or losses[name] <= limit]
    stacked = np.stack([whole[name] for name in names])
    mix, outside, tried = learn(stacked[:, select], y, size, method, power=power)
    joined = mix.weights.max(axis=1) > 0
    if joined.sum() < 2:
        return None
    forecasts = mix.apply(stacked)
    forecasts[select] = outside
    names = [name for name, has_share in zip(names, joined) if has_share]
    return Mix(mix.method, mix.weights[joined]), names, forecasts, tried

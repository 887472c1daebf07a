"""For each series the better of a global network and simple models: for many series that are short."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from forecastkit import registry
from forecastkit.errors import ConfigError, FitError, ForecastkitError
from forecastkit.forecasting.backtest import cut, forecast_from_ends, in_its_share
from forecastkit.forecasting.models.windowed import item_scales
from forecastkit.forecasting.protocol import Capabilities, FitContext, Fitted, Forecaster
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.ranks import ALONE

__all__ = ["Fallback", "FittedFallback"]

LEAST_ROWS = 2
"""Rows that the longest series must keep where its last horizon is held out."""


@dataclass(frozen=True, eq=False)
class FittedFallback:
    """Fitted members, and which of them each series takes.

    Args:
        members: name -> fitted, those alone that some series takes.
        taken: series -> name.
        usual: taken by series that are met later.
    """

    forecaster: Fallback
    members: dict[str, Fitted]
    taken: dict[str, str]
    usual: str
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    @property
    def horizon(self) -> int:
        """Steps it was fitted for."""
        return self.members[self.usual].horizon

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``."""
        taken = np.array([self.taken.get(item, self.usual) for item in frame.items])
        out = np.full((len(cutoffs), len(frame.items), self.horizon), np.nan)
        for name, member in self.members.items():
            own = np.flatnonzero(taken == name)
            if len(own):
                part = frame.select(tuple(frame.items[k] for k in own))
                out[:, own] = member.predict_at(part, cutoffs)
        return out

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> None:
        """See ``Fitted.quantiles_at``."""
        return

    def update(self, frame: SeriesFrame) -> FittedFallback:
        """See ``Fitted.update``."""
        return replace(self, members={name: member.update(frame) for name, member in self.members.items()})

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``Fitted.state``."""
        arrays: dict[str, np.ndarray] = {}
        states = {}
        for name, member in self.members.items():
            own, states[name] = member.state()
            arrays |= {f"{name}.{key}": value for key, value in own.items()}
        return arrays, {"members": states, "taken": self.taken, "usual": self.usual, "info": dict(self.info)}


@dataclass(frozen=True)
class Fallback:
    """Options of ``fallback``: one network for all series, and theta and the seasonal naive rule where it is worse.

    All members are fitted without the last horizon of each series and compared on it. A series takes the member of the
    lowest error there, drawn towards the error over all series: a few points of one series say little. Those that are
    taken are then fitted on all rows. A season that is longer than the rows before the last horizon is not used. A series that is
    too short to compare on, or is met later, takes a member that needs no fit to it: a network or a rule, where there is one.

    Args:
        members: names of models; the last one is taken where nothing can be held out.
        options: name of a member -> its options.
        prior: points that the error over all series counts as, beside a series' own.
    """

    members: tuple[str, ...] = ("gru", "theta", "seasonal_naive")
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    prior: float = 30.0

    family: ClassVar[str] = "network"
    point: ClassVar[str] = "median"
    complexity: ClassVar[int] = 110
    capabilities: ClassVar[Capabilities] = Capabilities(past=True, known=True, static=True, categorical=True)

    def __post_init__(self) -> None:
        if not self.members or "fallback" in self.members:
            raise ConfigError(
                place="model fallback, option members",
                value=str(list(self.members)),
                rule="names of other models are needed",
            )
        if not 0 <= self.prior < 1e9:
            raise ConfigError(
                place="model fallback, option prior", value=str(self.prior), rule="a number of at least 0 is needed"
            )
        foreign = sorted(set(self.options) - set(self.members))
        if foreign:
            raise ConfigError(
                place="model fallback, option options",
                value=foreign[0],
                rule="not one of its members",
                remedy="Add it to members.",
            )

    def _made(self, name: str) -> Forecaster:
        return registry.create_model(name, **self.options.get(name, {}))

    def fit(self, frame: SeriesFrame, *, horizon: int, context: FitContext | None = None) -> FittedFallback:
        """See ``Forecaster.fit``.

        Raises:
            FitError: no member can be fitted.
        """
        started = time.perf_counter()
        # Which member a series takes may hang on a time limit, which ranks do not share: each of them trains alone.
        about = replace(context or FitContext(), machines=ALONE)
        if int(frame.store.lengths.max(initial=0)) - horizon < frame.season_length:
            # A season that the trial is too short for would be untried when it is used.
            frame = replace(frame, season_length=1)
        errors, tried, failed = self._errors(frame, horizon, about)
        pooled = np.array([_mean(e) for e in errors.T])
        chosen = self._chosen(errors, pooled, horizon)
        usual = self._usual(pooled, chosen)
        taken = {item: name or usual for item, name in zip(frame.items, chosen, strict=True)}
        counts = {name: sum(v == name for v in taken.values()) for name in self.members}
        wanted = self._quick_first(name for name in self.members if counts[name] or name == usual)
        fitted: dict[str, Fitted] = {}
        for k, name in enumerate(wanted):
            steps = tried[name].info.get("best_step") if name in tried else None
            own = replace(about, n_steps=steps)
            fitted[name] = self._fit(name, frame, horizon, own, part=f"{name}-all", n_left=self._networks(wanted[k:]))
        note = ", ".join(f"{name} for {n:,}" for name, n in counts.items() if n) + " of the series"
        limited = [f"{name} stopped by its time limit" for name, f in fitted.items() if f.info.get("stopped_at")]
        info = {
            "taken": counts,
            "seconds": time.perf_counter() - started,
            "note": "; ".join([note, *limited, *(f"{name} left out: {why}" for name, why in failed.items())]),
        }
        return FittedFallback(self, fitted, taken, usual, info)

    def _is_network(self, name: str) -> bool:
        return self._made(name).family == "network"

    def _quick_first(self, names: Iterable[str]) -> list[str]:
        """Networks last, which take what time there is."""
        return sorted(names, key=self._is_network)

    def _networks(self, names: Iterable[str]) -> int:
        return sum(map(self._is_network, names))

    def _fit(self, name: str, frame: SeriesFrame, horizon: int, about: FitContext, *, part: str, n_left: int) -> Fitted:
        """A member by itself: its training is kept apart, and a network has its share of the time of ``n_left`` networks."""
        model = self._made(name)
        kept = None if about.kept is None else about.kept.part(part)
        own = in_its_share(replace(about, kept=kept), n_left, model.family)
        return model.fit(frame, horizon=horizon, context=own)

    def _errors(
        self, frame: SeriesFrame, horizon: int, about: FitContext
    ) -> tuple[np.ndarray, dict[str, Fitted], dict[str, str]]:
        """(mean scaled errors [I, members] on the last horizon of each series, NaN where there are none; what was fitted; what
        could not be, and why).
        """
        store, names = frame.store, self.members
        errors = np.full((len(store), len(names)), np.nan)
        if int(store.lengths.max(initial=0)) < horizon + LEAST_ROWS:
            return errors, {}, {}
        before = cut(frame, store.ends - horizon)
        at = [frame.items.index(item) for item in before.items]
        answers = np.stack([store.series(i)[-horizon:] for i in at])
        scale = item_scales(before)[:, None]
        tried: dict[str, Fitted] = {}
        failed: dict[str, str] = {}
        free = replace(about, n_steps=None)
        order = self._quick_first(names)
        for k, name in enumerate(order):
            # Every network may be fitted once more, on all rows.
            n_left = self._networks(order[k:]) + self._networks(order)
            try:
                tried[name] = self._fit(name, before, horizon, free, part=f"{name}-trial", n_left=n_left)
                points, *_ = forecast_from_ends(tried[name], before, horizon)
            except ForecastkitError as error:
                failed[name] = str(error)
                continue
            errors[at, names.index(name)] = [
                _mean(row) for row in np.abs(points - answers) / np.where(scale > 0, scale, np.nan)
            ]
        return errors, tried, failed

    def _chosen(self, errors: np.ndarray, pooled: np.ndarray, horizon: int) -> list[str]:
        """What each series takes; nothing where no member was compared on it."""
        own = (horizon * errors + self.prior * pooled) / (horizon + self.prior)
        some = np.asarray(np.isfinite(own).any(axis=1))
        best = np.nanargmin(np.where(some[:, None], own, 0.0), axis=1)
        return [self.members[k] if ok else "" for k, ok in zip(best, some)]

    def _usual(self, pooled: np.ndarray, chosen: list[str]) -> str:
        """The best of the members that series were not fitted to one by one, of those that some series takes if there are any."""
        able = [k for k, name in enumerate(self.members) if self._made(name).family != "statistical"]
        ranked = [
            (self.members[k] not in chosen, np.inf if np.isnan(pooled[k]) else pooled[k], -k)
            for k in able or range(len(self.members))
        ]
        return self.members[-min(ranked)[2]]

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> FittedFallback:
        """See ``Forecaster.restore``."""
        members = {}
        for name, state in meta["members"].items():
            own = {key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")}
            members[name] = self._made(name).restore(own, state)
        if meta["usual"] not in members:
            raise FitError(place="model fallback", value=str(meta["usual"]), rule="its usual member is missing")
        return FittedFallback(self, members, dict(meta["taken"]), str(meta["usual"]), dict(meta["info"]))


def _mean(values: np.ndarray) -> float:
    """Of the numbers among ``values``; NaN where there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")

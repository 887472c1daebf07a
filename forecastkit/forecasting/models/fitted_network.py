"""A trained network: what it was built for, and the forecasts, quantiles and sample paths that it gives."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.forecasting.covariates import CovariateEncoder
from forecastkit.forecasting.models.windowed import CHUNK, forecasts
from forecastkit.forecasting.schema import QUANTILES, SeriesFrame
from forecastkit.forecasting.windows import Batch, Windows, gather

if TYPE_CHECKING:
    from forecastkit.forecasting.models.network import NetworkForecaster

__all__ = ["FittedNetwork", "NetTask"]


@dataclass(frozen=True)
class NetTask:
    """What a network is built for; JSON-able, kept with the weights.

    Args:
        bases: seasons of the naive rules that it corrects, 1 = the last value.
        segment: rows read as one step.
        scale_rows: last rows of the context that level and spread come from; None = all.
        elapsed: the steps since the target was observed are a channel.
        n_past, n_known, n_static: numeric columns of covariates; n_known without the ``n_time`` time features.
        past_tables, known_tables, static_tables: (codes, numbers) of each category.
    """

    context_length: int
    horizon: int
    bases: tuple[int, ...] = ()
    segment: int = 1
    scale_rows: int | None = None
    season_length: int = 1
    elapsed: bool = False
    n_past: int = 0
    n_time: int = 0
    n_known: int = 0
    n_static: int = 0
    past_tables: tuple[tuple[int, int], ...] = ()
    known_tables: tuple[tuple[int, int], ...] = ()
    static_tables: tuple[tuple[int, int], ...] = ()

    @property
    def n_channels(self) -> int:
        """C of ``Inputs.past`` as the core network reads it."""
        return 1 + self.elapsed + self.n_past + sum(size for _, size in self.past_tables)

    @property
    def n_known_features(self) -> int:
        """F of ``Inputs.known``."""
        return self.n_time + self.n_known + sum(size for _, size in self.known_tables)

    @property
    def n_static_features(self) -> int:
        """S of ``Inputs.static``."""
        return self.n_static + sum(size for _, size in self.static_tables)

    @property
    def n_read(self) -> int:
        """Numbers a step of ``nn.forecasters.as_segments``."""
        n_known = self.n_known_features - (self.n_time if self.segment > 1 else 0)
        return self.segment * (self.n_channels + 1 + n_known)

    @classmethod
    def from_meta(cls, meta: dict[str, Any]) -> NetTask:
        """From what ``state`` wrote; files of the first format have the first few alone."""
        values = {f.name: meta[f.name] for f in fields(cls) if f.name in meta}
        for name in ("bases", "past_tables", "known_tables", "static_tables"):
            values[name] = tuple(tuple(v) if isinstance(v, (list, tuple)) else int(v) for v in values.get(name, ()))
        return cls(**values)


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """Weights and what they were trained with.

    Args:
        spreads: of each series, where they are its scale.
    """

    forecaster: NetworkForecaster
    net: Any = field(repr=False)
    task: NetTask
    encoder: CovariateEncoder
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)
    spreads: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def horizon(self) -> int:
        """Steps it was fitted for."""
        return self.task.horizon

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``; one batched pass over all cutoffs and series, in chunks.

        Where a distribution is fed back it is the median (mean, where the model's point is that) of sample paths.
        """
        if self.forecaster.draws_paths:
            paths = self._paths(frame, cutoffs, self.forecaster.paths, 1)
            return paths.mean(axis=2) if self.forecaster.point == "mean" else np.median(paths, axis=2)
        head = self.forecaster.head_of()
        return self._passes(frame, cutoffs, lambda x, units, _: head.point(self.net(x).float(), units), (self.horizon,))

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray | None:
        """See ``Fitted.quantiles_at``; those of sample paths where a distribution is fed back."""
        if self.forecaster.head == "point":
            return None
        if self.forecaster.draws_paths:
            paths = self._paths(frame, cutoffs, self.forecaster.paths, 1)
            return np.moveaxis(np.quantile(paths, QUANTILES, axis=2), 0, -1)
        import torch

        head, levels = self.forecaster.head_of(), torch.tensor(QUANTILES)

        def read(x: Any, units: Any, _: Windows) -> Any:
            return head.quantiles(self.net(x).float(), levels, units)

        return self._passes(frame, cutoffs, read, (self.horizon, len(QUANTILES)))

    def samples_at(self, frame: SeriesFrame, cutoffs: np.ndarray, n: int, *, seed: int = 1) -> np.ndarray | None:
        """Sample paths [n_cutoffs, n_items, n, horizon] in target units; None where the model has none.

        A path is one possible future: its steps belong together, so that sums over steps have the right spread. The
        same series, cutoff and seed give the same paths, whatever else is asked for at the same time.
        """
        return self._paths(frame, cutoffs, n, seed) if self.forecaster.draws_paths else None

    def _paths(self, frame: SeriesFrame, cutoffs: np.ndarray, n: int, seed: int) -> np.ndarray:
        import torch

        from forecastkit.nn.heads import Units

        head, horizon = self.forecaster.head_of(), self.horizon
        names = np.array([zlib.crc32(item.encode()) for item in frame.items], dtype=np.uint64)

        def read(x: Any, units: Any, windows: Windows) -> Any:
            chance = torch.from_numpy(_chances(seed, names[windows.item], windows.row, n * horizon))
            chance = chance.reshape(-1, horizon).to(x.past.device)
            own = Units(*(v.repeat_interleave(n, dim=0) for v in units))
            _, values = self.net.paths(x, lambda raw, step: head.draw(raw.float(), chance[:, step, None], own), n)
            return values.reshape(-1, n, horizon)

        return self._passes(frame, cutoffs, read, (n, horizon), chunk=max(1, CHUNK // n))

    def _passes(
        self,
        frame: SeriesFrame,
        cutoffs: np.ndarray,
        read: Callable[[Any, Any, Windows], Any],
        shape: tuple[int, ...],
        *,
        chunk: int = CHUNK,
    ) -> np.ndarray:
        """[n_cutoffs, n_items, *shape] in target units; ``read`` gives scaled values of (inputs, units, windows)."""
        import torch

        from forecastkit.forecasting.scaling import units_of
        from forecastkit.nn.heads import Units
        from forecastkit.nn.inputs import as_inputs

        where = next(self.net.parameters()).device

        def forward(batch: Batch, windows: Windows) -> np.ndarray:
            units = Units(*(v.to(where) for v in units_of(batch.scale)))
            with torch.inference_mode():
                out: np.ndarray = read(as_inputs(batch.slots, where), units, windows).float().cpu().numpy()
            return out

        return forecasts(
            frame, cutoffs, self.encoder, forward, shape, context_length=self.task.context_length, horizon=self.horizon,
            scaling=self.forecaster.scaling, scale_rows=self.task.scale_rows, spreads=self._spreads_of(frame),
            elapsed=self.task.elapsed, chunk=chunk,
        )  # fmt: skip

    def contexts(self, frame: SeriesFrame, windows: Windows) -> Batch:
        """What the network is given after some windows: scaled contexts, and what is known over the horizon."""
        return gather(
            frame.store, windows, self.task.context_length, 0, scaling=self.forecaster.scaling,
            scale_rows=self.task.scale_rows, spreads=self._spreads_of(frame),
            covariates=None if self.encoder.is_empty else self.encoder.encode(frame, self.horizon), ahead=self.horizon,
            elapsed=self.task.elapsed,
        )  # fmt: skip

    def _spreads_of(self, frame: SeriesFrame) -> np.ndarray | None:
        """[I] see ``gather``."""
        return np.array([self.spreads.get(i, np.nan) for i in frame.items]) if self.spreads else None

    def update(self, frame: SeriesFrame) -> FittedNetwork:
        """See ``Fitted.update``."""
        return self

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``Fitted.state``."""
        from forecastkit.nn.weights import weights_of

        meta = {**asdict(self.task), "covariates": self.encoder.to_dict(), "info": dict(self.info)}
        return weights_of(self.net), meta | ({"spreads": self.spreads} if self.spreads else {})


def _chances(seed: int, names: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """[W, n] float64 in (0, 1) that hang on seed, series and row alone: each cell is a hash of its own.

    Source: Steele, Lea and Flood (2014), doi:10.1145/2660193.2660195 (SplitMix64).
    """
    with np.errstate(over="ignore"):
        key = _mixed(names.astype(np.uint64) + _mixed(np.uint64(seed) + rows.astype(np.uint64)))
        cells = _mixed(key[:, None] + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return ((cells >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def _mixed(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))

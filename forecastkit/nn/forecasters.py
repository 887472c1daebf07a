"""Networks that forecast from a sequence encoder: all steps at once, or one step fed back.

Shapes: B batch, T context_length, C channels, H horizon, N states of the encoder, F known features, P parameters of a step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from forecastkit.nn.heads import zero_start_head
from forecastkit.nn.inputs import Draw, Inputs
from forecastkit.nn.recurrent import RecurrentEncoder, State
from forecastkit.nn.residual import add_bases, naive_base, with_static

__all__ = ["Direct", "RecursiveNet", "as_segments", "repeated"]


def as_segments(x: Inputs, segment: int, n_time: int) -> Tensor:
    """[B, T / segment, segment * channels]: the inputs' channels, whether the target was observed, known covariates.

    With segments the time features are left out: a phase of the season is a place within the segment.
    """
    parts = [x.past, x.observed]
    if x.known is not None:
        start = n_time if segment > 1 else 0
        if x.known.shape[2] > start:
            parts.append(x.known[:, : x.past.shape[1], start:])
    joined = torch.cat(parts, dim=-1)
    return joined.reshape(joined.shape[0], -1, segment * joined.shape[2]) if segment > 1 else joined


class Direct(nn.Module):
    """All steps at once, linear in what an encoder makes of the context; a ``Core`` of ``Residual``.

    Args:
        encoder: has ``n_outputs`` and ``summary``: what ``as_segments`` gives -> [B, n_outputs].
        segment: rows that the encoder reads as one step; the context is a multiple of it. Fewer and richer steps
            carry further and cost less (segment recurrence as in SegRNN, Lin et al. 2023, arXiv:2308.11200).
        n_params: P.
        n_time: time features among the known ones.
        n_static: static features, read beside the state.
        pool: makes the state [B, N] of a summary; None = the summary is the state.
        n_pooled: N of ``pool``.
    """

    def __init__(
        self,
        encoder: nn.Module,
        horizon: int,
        *,
        segment: int = 1,
        dropout: float = 0.0,
        n_params: int = 1,
        n_time: int = 0,
        n_static: int = 0,
        pool: nn.Module | None = None,
        n_pooled: int = 0,
    ) -> None:
        super().__init__()
        self.encoder, self.horizon, self.segment, self.n_params, self.n_time = (
            encoder, horizon, segment, n_params, n_time,
        )  # fmt: skip
        n_outputs = int(encoder.n_outputs)  # type: ignore[arg-type]
        self.pool = pool
        self.n_state = (n_pooled if pool is not None else n_outputs) + n_static
        self.head = zero_start_head(n_outputs + n_static, horizon * n_params, dropout=dropout)

    def _steps(self, features: Tensor) -> Tensor:
        """[..., H, P]."""
        out: Tensor = self.head(features)
        return out.unflatten(-1, (self.horizon, self.n_params))

    def forward(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """See ``Core``."""
        summary = self.encoder.summary(as_segments(x, self.segment, self.n_time))  # type: ignore[operator]
        features = with_static(summary, x.static)
        state = features if self.pool is None else with_static(self.pool(summary), x.static)
        return self._steps(features), state

    def every_step(self, x: Inputs, start: int) -> tuple[Tensor, Tensor]:
        """([B, S, H, P], states [B, S, N]) after each segment that begins at row ``start`` or later; one direction."""
        states, _ = self.encoder(as_segments(x, self.segment, self.n_time))
        states = with_static(states[:, -(-start // self.segment) :], x.static)
        return self._steps(states), states


class RecursiveNet(nn.Module):
    """One step, fed back H times with the encoder's state carried on; past covariates stay at their last value.

    Args:
        season_length: of the naive rule that it corrects; 0 = it forecasts by itself.
        lags: steps back from the one to forecast whose values are read beside the present one.
    """

    def __init__(
        self, encoder: RecurrentEncoder, horizon: int, *, season_length: int, dropout: float = 0.0, n_params: int = 1,
        n_static: int = 0, lags: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.horizon, self.season_length, self.lags = encoder, horizon, season_length, lags
        self.head = zero_start_head(encoder.n_outputs + n_static, n_params, dropout=dropout)

    def _read(self, past: Tensor, observed: Tensor, known: Tensor | None, lagged: Tensor | None) -> Tensor:
        """A step is read with what is known of the one after it, which is the one to forecast."""
        return torch.cat([part for part in (past, observed, known, lagged) if part is not None], dim=-1)

    def _lagged(self, y: Tensor) -> Tensor | None:
        """[B, T, lags] of y [B, T]: for each step the values ``lags`` before the next one."""
        if not self.lags:
            return None
        return torch.cat([naive_base(y, 1, lag) for lag in self.lags], dim=-1)

    def _out(self, states: Tensor, static: Tensor | None) -> Tensor:
        out: Tensor = self.head(with_static(states, static))
        return out

    def _context(self, x: Inputs) -> tuple[Tensor, Any]:
        n = x.past.shape[1]
        known = None if x.known is None else x.known[:, 1 : n + 1]
        out: tuple[Tensor, Any] = self.encoder(self._read(x.past, x.observed, known, self._lagged(x.past[:, :, 0])))
        return out

    def forward(self, x: Inputs) -> Tensor:
        """[B, H, P] after the last step; where the forecast lies is fed back."""
        return self.paths(x, lambda raw, step: raw[:, :, 0])[0]

    def paths(self, x: Inputs, draw: Draw, n_paths: int = 1) -> tuple[Tensor, Tensor]:
        """(parameters [B * n_paths, H, P], fed values [B * n_paths, H]); the context is read once for all paths."""
        n = x.past.shape[1]
        states, state = self._context(x)
        raw = self._out(states[:, -1:], x.static)
        static, known = x.static, x.known
        values, observed, held = x.past[:, :, 0], x.observed[:, -1:], x.past[:, -1:, 1:]
        if n_paths > 1:
            raw, values, observed, held = (v.repeat_interleave(n_paths, dim=0) for v in (raw, values, observed, held))
            state = repeated(state, n_paths)
            static = None if static is None else static.repeat_interleave(n_paths, dim=0)
            known = None if known is None else known[:, n:].repeat_interleave(n_paths, dim=0)
        elif known is not None:
            known = known[:, n:]
        seen = torch.ones_like(observed)
        out = []
        for step in range(self.horizon):
            if self.season_length:
                m = self.season_length
                base = values[:, -m] if values.shape[1] >= m else values[:, -1]
                raw = add_bases(raw, raw[..., :0], [base[:, None]])
            out.append(raw[:, 0])
            fed = draw(raw, step)
            values = torch.cat([values, fed], dim=1)
            if step + 1 < self.horizon:
                after = None if known is None else known[:, step + 1 : step + 2]
                lagged = self._last_lagged(values)
                now = torch.cat([fed[:, :, None], held], dim=-1)
                states, state = self.encoder(self._read(now, seen, after, lagged), state)
                raw = self._out(states[:, -1:], static)
        return torch.stack(out, dim=1), values[:, n:]

    def _last_lagged(self, values: Tensor) -> Tensor | None:
        if not self.lags:
            return None
        n = values.shape[1]
        return torch.stack([values[:, n - lag if lag <= n else n - 1] for lag in self.lags], dim=-1)[:, None]

    def every_step(self, x: Inputs, start: int) -> Tensor:
        """Next step's [B, T - start, 1, P] after each step from ``start`` on, from true values (teacher forcing)."""
        states, _ = self._context(x)
        raw = self._out(states[:, start:], x.static)[:, :, None]
        if not self.season_length:
            return raw
        return add_bases(raw, raw[..., :0], [naive_base(x.past[:, :, 0], 1, self.season_length)[:, start:]])


def repeated(state: State, n: int) -> State:
    """A state [L, B, N], or a pair, with each of the B rows ``n`` times: [L, B * n, N]."""
    if isinstance(state, tuple):
        return tuple(s.repeat_interleave(n, dim=1) for s in state)
    return state.repeat_interleave(n, dim=1)

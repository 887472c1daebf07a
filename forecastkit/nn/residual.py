"""What a network adds to naive rules, whatever the network is.

Shapes: B batch, T context_length, H horizon, N numbers of a state, K rules, F known features, P parameters of a step.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from forecastkit.nn.heads import zero_start_head
from forecastkit.nn.inputs import Inputs
from forecastkit.nn.rules import rule_rows

__all__ = ["Core", "KnownAhead", "Residual", "add_bases", "last_base", "naive_base", "with_static"]

LOOK = 16
"""Channels of the look at covariates."""


def naive_base(y: Tensor, horizon: int, season_length: int, steps: slice = slice(None)) -> Tensor:
    """What the (seasonal) naive rule says after each of some steps of y [B, T]: [B, steps, H].

    A season that reaches before the first row gives the last value instead.

    >>> naive_base(torch.tensor([[1.0, 2.0, 3.0]]), 2, 2)[0, -1].tolist()
    [2.0, 3.0]
    """
    t = torch.arange(y.shape[1], device=y.device)[steps, None]
    h = torch.arange(1, horizon + 1, device=y.device)[None, :]
    at = t + h - season_length * ((h + season_length - 1) // season_length)
    return y[:, torch.where(at >= 0, at, t)]


def last_base(y: Tensor, horizon: int, season_length: int) -> Tensor:
    """``naive_base`` after the last step of y [B, T, ...] alone: [B, H, ...]."""
    return y[:, torch.from_numpy(rule_rows(y.shape[1], horizon, season_length)).to(y.device)]


def add_bases(raw: Tensor, mix: Tensor, bases: list[Tensor]) -> Tensor:
    """Raw [..., P] with naive rules added to parameter 0.

    Args:
        mix: [..., K - 1] shares of the further rules.
        bases: K of [...]; the weights sum to one, so that without training the first one is the forecast.
    """
    if not bases:
        return raw
    where = raw[..., 0] + bases[0]
    for k in range(1, len(bases)):
        where = where + mix[..., k - 1] * (bases[k] - bases[0])
    return torch.cat([where[..., None], raw[..., 1:]], dim=-1)


def with_static(state: Tensor, static: Tensor | None) -> Tensor:
    """States [B, ..., N] with static features [B, S] beside them."""
    if static is None:
        return state
    shape = (static.shape[0], *[1] * (state.ndim - 2), static.shape[1])
    return torch.cat([state, static.reshape(shape).expand(*state.shape[:-1], -1)], dim=-1)


class KnownAhead(nn.Module):
    """What known features say about each step: one small network that all steps share.

    For a step it reads the core's state, the step's own features, a learned look at the covariates up to it, the
    naive rules' values, and how the covariates differ from their values when those were observed. It begins at zero.

    Args:
        n_state: N, with static features.
        n_known: F.
        n_time: the first so many of F are time features; the rest are covariates.
        seasons: of the naive rules.
        n_outputs: numbers a step.
        reach: rows before a step that the look at covariates spans; at most T.
    """

    def __init__(
        self,
        n_state: int,
        n_known: int,
        n_time: int,
        seasons: tuple[int, ...],
        n_outputs: int,
        *,
        hidden: int,
        reach: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_time, self.seasons, self.reach = n_time, seasons, reach
        n_covariates = n_known - n_time
        n_look = LOOK if n_covariates else 0
        self.look = nn.Conv1d(n_covariates, n_look, reach + 1) if n_look else None
        n_inputs = n_state + n_known + n_look + len(seasons) * (1 + n_covariates) + 1
        self.mix = nn.Sequential(
            nn.Linear(n_inputs, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU(),
            zero_start_head(hidden, n_outputs),
        )  # fmt: skip

    def forward(self, state: Tensor, known: Tensor, bases: list[Tensor], horizon: int) -> Tensor:
        """[B, H, n_outputs] from state [B, N], known [B, T + H, F] and the rules' values [B, H] each."""
        ahead = known[:, -horizon:]
        covariates = known[:, :, self.n_time :]
        share = torch.linspace(0, 1, horizon, device=known.device).expand(known.shape[0], horizon)
        parts = [state[:, None].expand(-1, horizon, -1), ahead, share[:, :, None]]
        if self.look is not None:
            parts.append(self.look(covariates[:, -(horizon + self.reach) :].transpose(1, 2)).transpose(1, 2))
        past = covariates[:, : known.shape[1] - horizon]
        for season, base in zip(self.seasons, bases):
            parts.append(base[:, :, None])
            if covariates.shape[2]:
                parts.append(covariates[:, -horizon:] - last_base(past, horizon, season))
        out: Tensor = self.mix(torch.cat(parts, dim=-1))
        return out


class Core(Protocol):
    """A network that forecasts all steps at once.

    Attributes:
        n_state: N, static features included.
    """

    n_state: int

    def __call__(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """(numbers [B, H, P], 0 before training; a state [B, N] of what was read)."""
        ...


class Residual(nn.Module):
    """Any core as a correction of naive rules that its state also mixes, and of what is known ahead.

    Before training it is the first rule. A rule that is added outside leaves a network to learn what the rule misses
    (the skip connection of He et al. 2016, arXiv:1512.03385, over the whole network).

    Args:
        core: see ``Core``; with ``every_step`` where all steps of the context are to be supervised.
        bases: seasons of the naive rules, 1 = the last value; empty = the core forecasts by itself.
        n_params: P.
        n_known, n_time: known features, and how many of them, the first, are time features; 0 = nothing known ahead.
        hidden: units of the network over what is known ahead.
        reach: see ``KnownAhead``.
        n_lags: T, where a fixed line over the lags (``set_line``) is the first of the rules, as the autoregressive part of
            LSTNet goes on where cells saturate (Lai et al. 2018, arXiv:1703.07015); 0 = there is none.
    """

    def __init__(
        self,
        core: nn.Module,
        horizon: int,
        *,
        bases: tuple[int, ...] = (),
        n_params: int = 1,
        n_known: int = 0,
        n_time: int = 0,
        hidden: int = 64,
        reach: int = 0,
        dropout: float = 0.0,
        n_lags: int = 0,
    ) -> None:
        super().__init__()
        self.core, self.horizon, self.bases, self.n_params = core, horizon, bases, n_params
        self.line: Tensor | None
        n_state = int(core.n_state)  # type: ignore[arg-type]
        self.register_buffer("line", torch.zeros(horizon, n_lags + 1) if n_lags else None)
        # A single rule needs no mixing; with one more output per rule the state chooses between them.
        n_mixed = max(0, len(bases) + bool(n_lags) - 1)
        self.mix = zero_start_head(n_state, n_mixed, dropout=dropout) if n_mixed else None
        self.ahead = None
        if n_known:
            self.ahead = KnownAhead(
                n_state, n_known, n_time, bases, n_params + n_mixed, hidden=hidden, reach=reach, dropout=dropout
            )

    def _mix(self, state: Tensor) -> Tensor:
        """[..., 1, K - 1]."""
        if self.mix is None:
            return state[..., None, :0]
        out: Tensor = self.mix(state)[..., None, :]
        return out

    def set_line(self, line: Any) -> None:
        """Take an array [H, T + 1]: coefficients of the lags minus the last one, and an intercept."""
        assert self.line is not None
        self.line.copy_(torch.from_numpy(line))

    def forward(self, x: Inputs) -> Tensor:
        """[B, H, P] after the last step."""
        raw, state = self.core(x)
        y = x.past[:, :, 0]
        rules = [last_base(y, self.horizon, m) for m in self.bases]
        bases = rules
        if self.line is not None:
            last = y[:, -1:]
            bases = [last + (y - last) @ self.line[:, :-1].T + self.line[:, -1], *rules]
        out = add_bases(raw, self._mix(state), bases)
        if self.ahead is None or x.known is None:
            return out
        more = self.ahead(state, x.known, rules, self.horizon)
        apart = [torch.zeros_like(bases[0]), *[b - bases[0] for b in bases[1:]]] if bases else []
        return out + add_bases(more[..., : self.n_params], more[..., self.n_params :], apart)

    def every_step(self, x: Inputs, start: int) -> Tensor:
        """[B, S, H, P] after each step of the core from row ``start`` on, in one pass; nothing known ahead."""
        raw, states = self.core.every_step(x, start)  # type: ignore[operator]
        y, step = x.past[:, :, 0], int(getattr(self.core, "segment", 1))
        first = y.shape[1] - 1 - step * (raw.shape[1] - 1)
        bases = [naive_base(y, self.horizon, m, slice(first, None, step)) for m in self.bases]
        return add_bases(raw, self._mix(states), bases)

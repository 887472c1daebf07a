"""Networks that forecast: what they add to a naive rule, in scaled units.

Shapes: B batch, T context_length, C channels, H horizon, N states of the encoder, F known features, P parameters of a step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecastkit.nn.heads import zero_start_head
from forecastkit.nn.inputs import Inputs
from forecastkit.nn.recurrent import RecurrentEncoder

__all__ = ["DirectNet", "KnownAhead", "RecursiveNet", "add_bases", "last_base", "naive_base"]

LOOK = 16
"""Channels of the look at covariates."""


def naive_base(y: Tensor, horizon: int, season_length: int) -> Tensor:
    """What the (seasonal) naive rule says after each step of y [B, T]: [B, T, H].

    A season that reaches before the first row gives the last value instead.

    >>> naive_base(torch.tensor([[1.0, 2.0, 3.0]]), 2, 2)[0, -1].tolist()
    [2.0, 3.0]
    """
    t = torch.arange(y.shape[1], device=y.device)[:, None]
    h = torch.arange(1, horizon + 1, device=y.device)[None, :]
    at = t + h - season_length * ((h + season_length - 1) // season_length)
    return y[:, torch.where(at >= 0, at, t)]


def last_base(y: Tensor, horizon: int, season_length: int) -> Tensor:
    """``naive_base`` after the last step of y [B, T, ...] alone: [B, H, ...]."""
    n = y.shape[1]
    h = torch.arange(1, horizon + 1, device=y.device)
    at = n - 1 + h - season_length * ((h + season_length - 1) // season_length)
    return y[:, torch.where(at >= 0, at, n - 1)]


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


class KnownAhead(nn.Module):
    """What known features say about each step: one small network that all steps share.

    For a step it reads the encoder's state, the step's own features, a learned look at the covariates up to it, the
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
        share = torch.linspace(0, 1, horizon, device=known.device).expand(len(known), horizon)
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


class DirectNet(nn.Module):
    """All steps at once from the encoder's state, as a correction of naive rules that the state also mixes.

    Args:
        encoder: reads [B, T / segment, segment * channels]: the inputs' channels, whether the target was observed, and
            known covariates (with segment 1 the time features too).
        bases: seasons of the naive rules, 1 = the last value; empty = it forecasts by itself. Before training the
            network is the first of them.
        segment: rows that the encoder reads as one step; the context is a multiple of it. Fewer and richer steps
            carry further and cost less (segment recurrence as in SegRNN, Lin et al. 2023, arXiv:2308.11200).
        n_params: P.
        n_known, n_time: known features, and how many of them, the first, are time features.
        n_static: static features, read beside the state.
    """

    def __init__(
        self,
        encoder: RecurrentEncoder,
        horizon: int,
        *,
        bases: tuple[int, ...] = (),
        segment: int = 1,
        dropout: float = 0.0,
        n_params: int = 1,
        n_known: int = 0,
        n_time: int = 0,
        n_static: int = 0,
        reach: int = 0,
    ) -> None:
        super().__init__()
        self.encoder, self.horizon, self.bases, self.segment = encoder, horizon, bases, segment
        self.n_params, self.n_time = n_params, n_time
        # A single rule needs no mixing; with one more output per rule the state chooses between them.
        self.n_mixed = len(bases) - 1 if len(bases) > 1 else 0
        n_state = encoder.n_outputs + n_static
        # One output more than is used where rules are mixed: files of the first format have it.
        n_spare = 1 if self.n_mixed else 0
        self.head = zero_start_head(n_state, horizon * n_params + self.n_mixed + n_spare, dropout=dropout)
        self.ahead = (
            KnownAhead(
                n_state, n_known, n_time, bases, n_params + self.n_mixed, hidden=encoder.n_outputs, reach=reach,
                dropout=dropout,
            )
            if n_known
            else None
        )  # fmt: skip

    def _read(self, x: Inputs) -> Tensor:
        parts = [x.past, x.observed]
        if x.known is not None:
            start = self.n_time if self.segment > 1 else 0
            if x.known.shape[2] > start:
                parts.append(x.known[:, : x.past.shape[1], start:])
        joined = torch.cat(parts, dim=-1)
        return joined.reshape(len(joined), joined.shape[1] // self.segment, -1) if self.segment > 1 else joined

    def _combined(self, out: Tensor, bases: list[Tensor]) -> Tensor:
        """Out [..., H * P + mixed], bases K of [..., H] -> [..., H, P]."""
        n = self.horizon * self.n_params
        raw = out[..., :n].unflatten(-1, (self.horizon, self.n_params))
        return add_bases(raw, out[..., None, n + 1 :], bases)

    def forward(self, x: Inputs) -> Tensor:
        """[B, H, P] after the last step."""
        state = self.encoder.summary(self._read(x))
        if x.static is not None:
            state = torch.cat([state, x.static], dim=-1)
        y = x.past[:, :, 0]
        bases = [last_base(y, self.horizon, m) for m in self.bases]
        raw = self._combined(self.head(state), bases)
        if self.ahead is None or x.known is None:
            return raw
        more = self.ahead(state, x.known, bases, self.horizon)
        apart = [torch.zeros_like(bases[0]), *[b - bases[0] for b in bases[1:]]] if bases else []
        return raw + add_bases(more[..., : self.n_params], more[..., self.n_params :], apart)

    def every_step(self, x: Inputs, start: int) -> Tensor:
        """[B, T - start, H, P] after each step from ``start`` on, in one pass; one direction, segment 1, nothing known."""
        states, _ = self.encoder(self._read(x))
        states = states[:, start:]
        if x.static is not None:
            states = torch.cat([states, x.static[:, None].expand(-1, states.shape[1], -1)], dim=-1)
        y = x.past[:, :, 0]
        return self._combined(self.head(states), [naive_base(y, self.horizon, m)[:, start:] for m in self.bases])


class RecursiveNet(nn.Module):
    """One step, fed back H times with the encoder's state carried on; past covariates stay at their last value.

    Args:
        season_length: of the naive rule that it corrects; 0 = it forecasts by itself.
    """

    def __init__(
        self, encoder: RecurrentEncoder, horizon: int, *, season_length: int, dropout: float = 0.0, n_params: int = 1,
        n_static: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.horizon, self.season_length = encoder, horizon, season_length
        self.head = zero_start_head(encoder.n_outputs + n_static, n_params, dropout=dropout)

    def _read(self, past: Tensor, observed: Tensor, known: Tensor | None) -> Tensor:
        """A step is read with what is known of the one after it, which is the one to forecast."""
        return torch.cat([past, observed] if known is None else [past, observed, known], dim=-1)

    def _out(self, states: Tensor, static: Tensor | None) -> Tensor:
        if static is not None:
            states = torch.cat([states, static[:, None].expand(-1, states.shape[1], -1)], dim=-1)
        out: Tensor = self.head(states)
        return out

    def forward(self, x: Inputs) -> Tensor:
        """[B, H, P] after the last step."""
        n = x.past.shape[1]
        known = None if x.known is None else x.known[:, 1 : n + 1]
        states, state = self.encoder(self._read(x.past, x.observed, known))
        values = x.past[:, :, 0]
        raw = self._out(states[:, -1:], x.static)
        seen, held = torch.ones_like(x.observed[:, -1:]), x.past[:, -1:, 1:]
        out = []
        for step in range(self.horizon):
            if self.season_length:
                m = self.season_length
                base = values[:, -m] if values.shape[1] >= m else values[:, -1]
                raw = add_bases(raw, raw[..., :0], [base[:, None]])
            out.append(raw[:, 0])
            values = torch.cat([values, raw[:, :, 0]], dim=1)
            if step + 1 < self.horizon:
                after = None if x.known is None else x.known[:, n + step + 1 : n + step + 2]
                fed = torch.cat([raw[:, :, :1], held], dim=-1)
                states, state = self.encoder(self._read(fed, seen, after), state)
                raw = self._out(states[:, -1:], x.static)
        return torch.stack(out, dim=1)

    def every_step(self, x: Inputs, start: int) -> Tensor:
        """Next step's [B, T - start, 1, P] after each step from ``start`` on, from true values (teacher forcing)."""
        n = x.past.shape[1]
        known = None if x.known is None else x.known[:, 1 : n + 1]
        states, _ = self.encoder(self._read(x.past, x.observed, known))
        raw = self._out(states[:, start:], x.static)[:, :, None]
        if not self.season_length:
            return raw
        return add_bases(raw, raw[..., :0], [naive_base(x.past[:, :, 0], 1, self.season_length)[:, start:]])

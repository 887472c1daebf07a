"""Networks that forecast: what they add to a naive rule, in scaled units.

Shapes: B batch, T context_length, C channels, H horizon, N states of the encoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecastkit.nn.heads import zero_start_head
from forecastkit.nn.recurrent import RecurrentEncoder

__all__ = ["DirectNet", "RecursiveNet", "naive_base"]


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


class DirectNet(nn.Module):
    """All steps at once from the encoder's state, as a correction of naive rules that the state also mixes.

    Args:
        encoder: reads [B, T / segment, segment * 2 C]: values and whether they were observed.
        bases: seasons of the naive rules, 1 = the last value; empty = it forecasts by itself. Before training the
            network is the first of them.
        segment: rows that the encoder reads as one step; the context is a multiple of it. Fewer and richer steps
            carry further and cost less (segment recurrence as in SegRNN, Lin et al. 2023, arXiv:2308.11200).
    """

    def __init__(
        self,
        encoder: RecurrentEncoder,
        horizon: int,
        *,
        bases: tuple[int, ...] = (),
        segment: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.horizon, self.bases, self.segment = encoder, horizon, bases, segment
        # A single rule needs no mixing; with one more output per rule the state chooses between them.
        self.n_mixed = len(bases) if len(bases) > 1 else 0
        self.head = zero_start_head(encoder.n_outputs, horizon + self.n_mixed, dropout=dropout)

    def _read(self, past: Tensor, observed: Tensor) -> Tensor:
        x = torch.cat([past, observed], dim=-1)
        return x.reshape(x.shape[0], x.shape[1] // self.segment, -1) if self.segment > 1 else x

    def _sum(self, out: Tensor, bases: list[Tensor]) -> Tensor:
        """Out [..., H + K], bases K of [..., H] -> [..., H]."""
        if not bases:
            return out
        if not self.n_mixed:
            return bases[0] + out
        forecast = bases[0] + out[..., : self.horizon]
        for k in range(1, len(bases)):
            # Towards another rule and away from the first: the weights still sum to one.
            forecast = forecast + out[..., self.horizon + k, None] * (bases[k] - bases[0])
        return forecast

    def forward(self, past: Tensor, observed: Tensor) -> Tensor:
        """Forecasts [B, H] after the last step of past [B, T, C]."""
        out: Tensor = self.head(self.encoder.summary(self._read(past, observed)))
        y = past[:, :, 0]
        return self._sum(out, [naive_base(y, self.horizon, m)[:, -1] for m in self.bases])

    def every_step(self, past: Tensor, observed: Tensor, start: int) -> Tensor:
        """Forecasts [B, T - start, H] after each step from ``start`` on, in one pass; one direction, segment 1."""
        states, _ = self.encoder(torch.cat([past, observed], dim=-1))
        y = past[:, :, 0]
        return self._sum(self.head(states[:, start:]), [naive_base(y, self.horizon, m)[:, start:] for m in self.bases])


class RecursiveNet(nn.Module):
    """One step, fed back H times with the encoder's state carried on.

    Args:
        season_length: of the naive rule that it corrects; 0 = it forecasts by itself.
    """

    def __init__(self, encoder: RecurrentEncoder, horizon: int, *, season_length: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder, self.horizon, self.season_length = encoder, horizon, season_length
        self.head = zero_start_head(encoder.n_outputs, 1, dropout=dropout)

    def forward(self, past: Tensor, observed: Tensor) -> Tensor:
        """Forecasts [B, H] after the last step of past [B, T, C]."""
        states, state = self.encoder(torch.cat([past, observed], dim=-1))
        known = past[:, :, 0]
        add = self.head(states[:, -1])
        seen = torch.ones_like(observed[:, -1:])
        out = []
        for _ in range(self.horizon):
            step = add[:, 0]
            if self.season_length:
                m = self.season_length
                step = step + (known[:, -m] if known.shape[1] >= m else known[:, -1])
            out.append(step)
            known = torch.cat([known, step[:, None]], dim=1)
            if len(out) < self.horizon:
                states, state = self.encoder(torch.cat([step[:, None, None], seen], dim=-1), state)
                add = self.head(states[:, -1])
        return torch.stack(out, dim=1)

    def every_step(self, past: Tensor, observed: Tensor, start: int) -> Tensor:
        """Next values [B, T - start, 1] after each step from ``start`` on, each from true values (teacher forcing)."""
        states, _ = self.encoder(torch.cat([past, observed], dim=-1))
        add: Tensor = self.head(states[:, start:])
        if not self.season_length:
            return add
        return naive_base(past[:, :, 0], 1, self.season_length)[:, start:] + add

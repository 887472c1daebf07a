"""Encoder and decoder for numbers: the context read as a whole, the horizon written block by block.

Shapes: B batch, T context_length, H horizon, W rows a block, K blocks read, M blocks ahead, N hidden, P parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecastkit.nn.attention import Attention
from forecastkit.nn.forecasters import as_segments
from forecastkit.nn.heads import zero_start_head
from forecastkit.nn.inputs import Inputs
from forecastkit.nn.recurrent import RecurrentEncoder
from forecastkit.nn.residual import add_bases, last_base, with_static

__all__ = ["BlockDecoder", "teacher_share"]


def teacher_share(schedule: str, step: int, n_steps: int) -> float:
    """Probability that the decoder reads the true block instead of its own, at a training step.

    Args:
        schedule: ``linear`` (1 to 0 over ``n_steps``), ``sigmoid`` (the same, slow at both ends), ``always``, ``never``.

    Source: Bengio et al. (2015), arXiv:1506.03099, sec. 2.4.

    >>> [teacher_share("linear", s, 100) for s in (0, 25, 200)]
    [1.0, 0.75, 0.0]
    """
    if schedule in ("always", "never"):
        return float(schedule == "always")
    left = max(0.0, 1 - step / max(1, n_steps))
    return left if schedule == "linear" else left * left * (3 - 2 * left)


class BlockDecoder(nn.Module):
    """A recurrent encoder, and a decoder that asks the encoder's states before it writes a block of W steps.

    It corrects naive rules itself, since what it writes is read for the next block.

    Args:
        n_read: numbers a block, see ``as_segments``.
        attention: ``luong``, ``bahdanau`` or ``none``.
        n_known: known features; those of a block are read before it is written.
        bases: see ``Residual``.

    Sources: Sutskever, Vinyals and Le (2014), arXiv:1409.3215; attention see ``Attention``.
    """

    def __init__(
        self, cell: str, n_read: int, hidden: int, horizon: int, segment: int, *, layers: int = 1, dropout: float = 0.0,
        attention: str = "luong", bases: tuple[int, ...] = (), n_params: int = 1, n_known: int = 0, n_time: int = 0,
        n_static: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.horizon, self.segment, self.bases, self.n_params, self.n_time = horizon, segment, bases, n_params, n_time
        self.n_ahead = -(-horizon // segment)
        self.encoder = RecurrentEncoder(cell, n_read, hidden, layers=layers, dropout=dropout)
        n_inputs = segment * (1 + n_known) + n_static
        self.decoder = RecurrentEncoder(cell, n_inputs, hidden, layers=layers, dropout=dropout)
        self.attention = Attention(attention, hidden, hidden) if attention != "none" else None
        self.mix = nn.Linear(2 * hidden, hidden) if self.attention is not None else None
        self.head = zero_start_head(hidden, segment * n_params + max(0, len(bases) - 1), dropout=dropout)
        self.n_taught: Tensor
        self.register_buffer("n_taught", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Inputs) -> Tensor:
        """[B, H, P]; each block reads the one that was written before it."""
        return self.taught(x, None, None, 0.0)

    def taught(self, x: Inputs, target: Tensor | None, observed: Tensor | None, share: float) -> Tensor:
        """[B, H, P], where with probability ``share`` a block reads the true values before it.

        Args:
            target, observed: [B, H], scaled; what was not observed is read as forecast.
        """
        states, state = self.encoder(as_segments(x, self.segment, self.n_time))
        keys = self.attention.key(states) if self.attention is not None else states
        seen = torch.ones_like(states[..., 0], dtype=torch.bool)
        y = x.past[:, :, 0]
        steps = self.n_ahead * self.segment
        bases = [last_base(y, steps, m) for m in self.bases]
        known = self._known(x, steps)
        before, out = y[:, -self.segment :], []
        for k in range(self.n_ahead):
            here = slice(k * self.segment, (k + 1) * self.segment)
            read = before if known is None else torch.cat([before, known[:, here].flatten(1)], dim=-1)
            top, state = self.decoder(with_static(read, x.static)[:, None], state)
            if self.attention is not None and self.mix is not None:
                top = torch.tanh(self.mix(torch.cat([top, self.attention(top, keys, states, seen)], dim=-1)))
            block = self._block(self.head(top[:, 0]), [b[:, here] for b in bases])
            out.append(block)
            before = block[:, :, 0]
            if share > 0 and target is not None and observed is not None and k + 1 < self.n_ahead:
                # Every block but the last lies within the horizon as a whole.
                told = (torch.rand(len(y), 1, device=y.device) < share) & (observed[:, here] > 0)
                before = torch.where(told, target[:, here], before)
        return torch.cat(out, dim=1)[:, : self.horizon]

    def _block(self, numbers: Tensor, bases: list[Tensor]) -> Tensor:
        """[B, W, P]."""
        n = self.segment * self.n_params
        return add_bases(numbers[:, :n].unflatten(-1, (self.segment, self.n_params)), numbers[:, None, n:], bases)

    def _known(self, x: Inputs, steps: int) -> Tensor | None:
        """[B, steps, F] of the steps ahead; after the horizon the last one again."""
        if x.known is None:
            return None
        ahead = x.known[:, -self.horizon :]
        return torch.cat([ahead, ahead[:, -1:].expand(-1, steps - self.horizon, -1)], dim=1)

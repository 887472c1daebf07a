"""A time limit shared out over the models of a run, and how it was used, so that a later run can do the same.

Rules, in this order:

- ``CLOSING`` of the limit is kept for scores and report, ``FINAL`` for fitting the chosen model on all rows (not where a run
  only tests), the rest goes to the backtests.
- Statistical baselines share ``BASELINES`` of that, one after the other, each ``baseline_seconds`` at most; one that would
  take longer is left out with the reason.
- Each network gets an equal part of what is then left, measures how many training steps fit into it and fixes their number.
  What a model does not use goes to those after it.
- What is left at the end trains further seeds of the networks that were best on select folds, for as long as their final fits
  have time as well.
- An ensemble is fitted without the seeds, and then without the members, that its time does not allow: those of least weight a
  second go first.

Numbers of steps, seeds and members are written to ``run.yaml``; ``rerun`` takes them from there and measures no time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from forecastkit.forecasting.backtest import ModelBacktest
from forecastkit.forecasting.ensemble import Member

__all__ = ["Budget", "Replay", "affordable"]

FINAL, CLOSING, BASELINES = 0.35, 0.05, 0.3
LEAST_CLOSING = 3.0
"""Seconds."""
MOST_SEEDS = 5
MORE_SEEDS_OF = 3
"""Networks, the best ones, that get further seeds."""
SLACK = 1.1
STEPS = {"stop_at": "stopped_at", "most_steps": "schedule_ends"}
"""Of a context -> where a backtest notes it."""


@dataclass(frozen=True)
class Replay:
    """How an earlier run used its time.

    Args:
        left_out: models that had no time -> the reason that the leaderboard gave.
        used: ``budget`` of its run.yaml; empty where time decided nothing.
        tuned: network -> options that its search found.
    """

    left_out: Mapping[str, str] = field(default_factory=dict)
    used: Mapping[str, Any] = field(default_factory=dict)
    tuned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Budget:
    """What each fit of a run may take.

    Args:
        limit: seconds of the whole run; None = no limit but that of the baselines.
        seconds: family -> limit of each of its models and seeds; None = no limit of its own.
        final: whether a model is fitted on all rows afterwards.
        replay: limits of an earlier run instead of measured ones.
        started: ``time.monotonic()``; None = now.
    """

    def __init__(
        self,
        limit: float | None,
        seconds: Mapping[str, float | None],
        *,
        final: bool,
        replay: Replay | None = None,
        started: float | None = None,
    ) -> None:
        self.limit, self.seconds, self.replay = limit, dict(seconds), replay
        self.started = time.monotonic() if started is None else started
        self._final = final

    @property
    def end(self) -> float | None:
        """``time.monotonic()`` when the final fit should be over; None = no limit."""
        if self.limit is None or self.replay is not None:
            return None
        return self.started + self.limit - max(LEAST_CLOSING, CLOSING * self.limit)

    @property
    def tested_by(self) -> float | None:
        """``time.monotonic()`` when the backtests should be over; None = no limit."""
        if self.end is None or self.limit is None:
            return None
        return self.end - (FINAL * self.limit if self._final else 0.0)

    def deadline(self, families: Sequence[str]) -> float | None:
        """When the next fit should be over.

        Args:
            families: of the model that is fitted next and of those after it.
        """
        if self.replay is not None:
            return None
        now, tested_by, family = time.monotonic(), self.tested_by, families[0]
        own = self.seconds.get(family)
        alone = None if own is None else now + own
        if tested_by is None or family not in ("statistical", "network"):
            return alone
        left = tested_by - now
        if family == "statistical":
            left = max(1.0, self.started + BASELINES * (tested_by - self.started) - now)
        share = now + max(0.0, left) / families.count(family)
        return share if alone is None else min(alone, share)

    def reason(self, name: str) -> str | None:
        """Why an earlier run left this model out; None = it did not."""
        return None if self.replay is None else self.replay.left_out.get(name)

    def steps(self, name: str, seed: int) -> dict[str, tuple[int | None, ...]]:
        """``stop_at`` and ``most_steps`` of each fit of this model in an earlier run; empty = nothing to repeat."""
        found = {} if self.replay is None else self.replay.used.get("fits", {}).get(f"{name}-s{seed}", {})
        return {key: tuple(found[key]) for key in STEPS if found.get(key)}

    def seeds(self, name: str, usual: list[int]) -> list[int]:
        """Seeds of a model: as given, or those of the earlier run."""
        if self.replay is None:
            return usual
        return [int(s) for s in self.replay.used.get("seeds", {}).get(name, usual)]

    def next_seed(
        self, losses: Mapping[str, float], tested: Mapping[str, Sequence[ModelBacktest]]
    ) -> tuple[str, int] | None:
        """The next further (network, seed) that there is time for; None = the time is used.

        Args:
            losses: network -> error on select folds.
            tested: network -> what its seeds took so far.
        """
        if self.tested_by is None:
            return None
        left = self.tested_by - time.monotonic()
        spare = FINAL * (self.limit or 0.0) / SLACK - sum(_refit_seconds(r) for runs in tested.values() for r in runs)
        best = sorted(losses, key=lambda name: losses[name])[:MORE_SEEDS_OF]
        for name in sorted(best, key=lambda n: (len(tested[n]), losses[n])):
            runs = tested[name]
            takes = max(r.seconds_fit + r.seconds_predict for r in runs)
            again = max(_refit_seconds(r) for r in runs) if self._final else 0.0
            if len(runs) < MOST_SEEDS and takes < left and again < spare:
                return name, max(r.seed for r in runs) + 1
        return None

    def used(self, tested: Mapping[str, Sequence[ModelBacktest]], final: Mapping[str, Any]) -> dict[str, Any]:
        """What ``run.yaml`` keeps, for ``Replay``; empty where time decided nothing."""
        fits = {
            f"{r.model}-s{r.seed}": {key: list(r.info[mine]) for key, mine in STEPS.items() if mine in r.info}
            for runs in tested.values()
            for r in runs
        }
        fits = {name: steps for name, steps in fits.items() if steps}
        if self.limit is None:
            return {"fits": fits} if fits else {}
        seeds = {name: [r.seed for r in runs] for name, runs in tested.items() if len(runs) > 1}
        return {"limit": self.limit, "fits": fits, "seeds": seeds, "final": dict(final)}


def _refit_seconds(run: ModelBacktest) -> float:
    """About what the final fit takes: as many steps as were best, of one fit of the backtest."""
    n_fits = max(1, int(run.info.get("n_fits", 1)))
    steps, best = run.info.get("n_steps"), run.info.get("best_step")
    share = min(1.0, best / steps) if steps and best is not None else 1.0
    return run.seconds_fit / n_fits * share


def affordable(
    members: Sequence[Member], tested: Mapping[str, Sequence[ModelBacktest]], seconds: float
) -> tuple[Member, ...]:
    """Members whose final fits take ``seconds`` together: seeds are given up first, then members of least weight a second.

    Args:
        tested: model -> its seeds.
    """
    seconds = max(0.0, seconds)  # what costs nothing is kept when the time is over, too
    cost = {(r.model, r.seed): SLACK * _refit_seconds(r) for runs in tested.values() for r in runs}
    weight = {m.name: sum(m.weights) / len(m.weights) for m in members}
    kept = {m.name: list(m.seeds) for m in members}

    def total() -> float:
        return sum(cost.get((name, s), 0.0) for name, seeds in kept.items() for s in seeds)

    while total() > seconds and any(len(seeds) > 1 for seeds in kept.values()):
        kept[max(kept, key=lambda name: (len(kept[name]), cost.get((name, kept[name][-1]), 0.0)))].pop()
    while total() > seconds and len(kept) > 1:
        spent = {name: sum(cost.get((name, s), 0.0) for s in seeds) for name, seeds in kept.items()}
        del kept[min((n for n in kept if spent[n] > 0), key=lambda name: weight[name] / spent[name])]
    return tuple(replace(m, seeds=tuple(kept[m.name])) for m in members if m.name in kept)

"""Rolling-origin folds in three roles that are told apart by type: select, calibrate, report.

Select folds choose the model, calibrate folds set intervals, report folds publish the score. In time they come
in that order, and no answer of one role lies after the first cutoff of the next, so that the choice could
have been made before the first published forecast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, TypeVar, get_args

import numpy as np

from forecastkit.errors import ConfigError, DataError, UnknownNameError, near
from forecastkit.forecasting.metrics import COLUMNS
from forecastkit.forecasting.schema import SeriesFrame

__all__ = [
    "ROLES",
    "CalibrateFold",
    "ErrorKind",
    "EvalPlan",
    "Fold",
    "FoldT",
    "Folds",
    "ReportFold",
    "SelectFold",
    "error_kind",
    "fold_counts",
    "history_rows",
    "make_folds",
    "require_role",
    "rows_for_report",
]

ErrorKind = Literal["absolute", "squared"]
ROLES = ("select", "calibrate", "report")
TARGETS = {"select": 5, "calibrate": 10, "report": 30}
MOST_SELECT = 15
"""Folds of each role where the history is long enough."""

FEWEST_FOR_CALIBRATION = 20
"""Under so many folds none is spent on intervals."""

MOST_ZEROS = 0.5
"""Share of zeros from which the median of a series is 0."""
MOST_ASKED = 1000
ZEROS_NOTE = (
    "{share:.0f} % of the values are 0, and a forecast of 0 would have the lowest absolute error: squared errors decide (MSSE), which "
    "ask for the mean."
)

SPARE_ROWS = 3
"""The shortest history that a fold may learn from is the horizon and so many rows."""


@dataclass(frozen=True)
class EvalPlan:
    """How models are evaluated; stored with each result and enough to run it again.

    Args:
        horizon: steps ahead, at least 1.
        step: rows between cutoffs; None = ``horizon``, so that no answer is counted twice.
        gap: rows between the cutoff and the first step that is scored.
        n_select, n_calibrate, n_report: folds of each role; None = as many as the history allows, up to 5, 10, 30;
            what is left beyond these goes to select, up to 15.
        window: ``"expanding"`` learns from all rows up to a cutoff, ``"sliding"`` from the last ``window_length``.
        refit: ``"never"``, ``"every"`` fold, or every n-th fold.
        align: ``"calendar"``: one instant for all series. ``"end"``: counted from each series' own end.
            None = calendar; for integer time with ragged ends, ``"end"``.
        metrics: further metrics of the leaderboard, names of ``metrics.COLUMNS``.
        season_length: season of MASE and RMSSE; None = the frame's.
        error: what the choice and the tests count: ``"absolute"`` errors (MASE), which the median minimises, or ``"squared"`` ones
            (MSSE), which the mean does. None = squared where zeros prevail: the median is then 0, and a model that forecasts
            nothing would win; else absolute.
        seeds: one fit of each network per seed.
        min_train: fewest rows before the first cutoff; never relaxed.

    Raises:
        ConfigError: a value breaks its rule.
    """

    horizon: int
    step: int | None = None
    gap: int = 0
    n_select: int | None = None
    n_calibrate: int | None = None
    n_report: int | None = None
    window: Literal["expanding", "sliding"] = "expanding"
    window_length: int | None = None
    refit: Literal["never", "every"] | int = "never"
    align: Literal["calendar", "end"] | None = None
    metrics: tuple[str, ...] = ()
    season_length: int | None = None
    seeds: tuple[int, ...] = (1,)
    min_train: int | None = None
    error: ErrorKind | None = None

    def __post_init__(self) -> None:
        lows = {"horizon": 1, "step": 1, "gap": 0, "n_select": 0, "n_calibrate": 0, "n_report": 1}
        lows |= {"window_length": 2, "season_length": 1, "min_train": 1}
        for name, low in lows.items():
            value = getattr(self, name)
            if value is None and name not in ("horizon", "gap"):
                continue
            if not _is_int(value) or value < low:
                raise _broken(name, value, f"a whole number of at least {low} is needed")
            object.__setattr__(self, name, int(value))  # a numpy integer would not go into JSON
        _one_of("window", self.window, ("expanding", "sliding"))
        if self.align is not None:
            _one_of("align", self.align, ("calendar", "end"))
        if self.error is not None:
            _one_of("error", self.error, get_args(ErrorKind))
        if self.refit not in ("never", "every"):
            if not _is_int(self.refit) or int(self.refit) < 1:
                raise _broken("refit", self.refit, "'never', 'every' or a number of folds of at least 1 is needed")
            object.__setattr__(self, "refit", int(self.refit))
        if self.window == "sliding" and self.window_length is None:
            raise _broken("window", "sliding", "a sliding window needs its length", "Give window_length in rows.")
        if self.window == "expanding" and self.window_length is not None:
            raise _broken(
                "window_length", self.window_length, "only a sliding window has a length", "Set window=sliding."
            )
        object.__setattr__(self, "metrics", _words(self.metrics))
        object.__setattr__(self, "seeds", _seeds(self.seeds))

    @property
    def stride(self) -> int:
        """Rows between cutoffs."""
        return self.horizon if self.step is None else self.step

    @property
    def overlap(self) -> int:
        """Gap and horizon counted in folds, ``ceil((gap + horizon) / step)``: the h of the Diebold-Mariano test.

        Errors of two folds that lie closer share what came after both cutoffs, also where they share no answer.

        >>> EvalPlan(horizon=10).overlap, EvalPlan(horizon=10, step=3).overlap, EvalPlan(horizon=10, gap=5).overlap
        (1, 4, 2)
        """
        return -(-(self.gap + self.horizon) // self.stride)

    @property
    def purge(self) -> int:
        """Cutoffs skipped between two roles, so that the answers of one are known before the next begins."""
        return self.overlap - 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON; ``from_dict`` reads them back."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EvalPlan:
        """A plan from plain values.

        Raises:
            ConfigError: unknown or missing keys, or values that break their rule.
        """
        names = [f.name for f in fields(cls)]
        for key in values:
            if key not in names:
                raise ConfigError(
                    place="evaluation plan",
                    value=repr(key),
                    rule="this key does not exist",
                    remedy=near(str(key), names),
                )
        if "horizon" not in values:
            raise ConfigError(place="evaluation plan", rule="the horizon is missing", remedy="Give horizon in steps.")
        lists: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return cls(**lists)


def _is_int(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _broken(name: str, value: object, rule: str, remedy: str = "") -> ConfigError:
    return ConfigError(place=f"evaluation plan, {name}", value=repr(value), rule=rule, remedy=remedy)


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise _broken(name, value, "this choice does not exist", near(str(value), allowed))


def _words(names: Iterable[str] | str) -> tuple[str, ...]:
    if not isinstance(names, Iterable):
        raise _broken("metrics", names, "a list of metric names is needed")
    out = (names,) if isinstance(names, str) else tuple(names)
    for name in out:
        if name not in COLUMNS:
            raise UnknownNameError(
                place="evaluation plan, metrics",
                value=repr(name),
                rule="no such metric",
                remedy=near(str(name), COLUMNS),
            )
    return out


def _seeds(seeds: Iterable[int] | int) -> tuple[int, ...]:
    out = tuple(seeds) if isinstance(seeds, Iterable) else (seeds,)
    if not out or not all(_is_int(s) and 0 <= s < 2**32 for s in out) or len(set(out)) < len(out):
        raise _broken("seeds", list(out), "different whole numbers from 0 to 2**32 - 1 are needed, at least one")
    return tuple(int(s) for s in out)


@dataclass(frozen=True)
class Fold:
    """One cutoff. Models learn from rows at or before it; steps 1 to ``horizon`` after ``gap`` rows are scored.

    Args:
        position: calendar position of the cutoff; where items differ, that of the series that ends last.
        cutoff: its instant: ``Timestamp``, or int for integer time.
        horizon: steps that are scored.
        index: count within its role, in time order.
        gap: rows between cutoff and step 1.
        item_positions: [n_items] int64 cutoffs where series are aligned by their own end, else None. An item
            that has no row yet stands one position before its first.
    """

    role: ClassVar[str] = ""
    position: int
    cutoff: Any
    horizon: int
    index: int
    gap: int = 0
    item_positions: np.ndarray | None = field(default=None, compare=False, repr=False)

    def positions(self, n_items: int) -> np.ndarray:
        """Cutoffs [n_items] int64 as calendar positions."""
        if self.item_positions is None:
            return np.full(n_items, self.position, dtype=np.int64)
        return np.asarray(self.item_positions, dtype=np.int64)


FoldT = TypeVar("FoldT", bound=Fold)


class SelectFold(Fold):
    """A fold that chooses the model."""

    role: ClassVar[str] = "select"


class CalibrateFold(Fold):
    """A fold that sets intervals."""

    role: ClassVar[str] = "calibrate"


class ReportFold(Fold):
    """A fold that publishes the score."""

    role: ClassVar[str] = "report"


def require_role(folds: Iterable[Fold], role: type[Fold]) -> None:
    """Refuse folds of another role.

    Raises:
        TypeError: a fold is not of type ``role``: a mistake of the program, not of the user.
    """
    for f in folds:
        if not isinstance(f, role):
            raise TypeError(f"{role.__name__} needed, got {type(f).__name__}: one role never stands in for another")


@dataclass(frozen=True)
class Folds:
    """All folds of one evaluation, each list in time order.

    Args:
        plan: the plan with every automatic value resolved; it gives the same folds again.
        notes: what was shortened, dropped or chosen, a sentence each.
        left_out: cutoff position -> items without a row before it or without any after it.
        not_started, ended: how many (item, fold) pairs of each kind ``left_out`` holds.
    """

    select: tuple[SelectFold, ...]
    calibrate: tuple[CalibrateFold, ...]
    report: tuple[ReportFold, ...]
    plan: EvalPlan
    notes: tuple[str, ...] = ()
    left_out: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    not_started: int = 0
    ended: int = 0

    @property
    def all(self) -> tuple[Fold, ...]:
        """Every fold in time order."""
        return (*self.select, *self.calibrate, *self.report)


def fold_counts(plan: EvalPlan, n_rows: int, season_length: int) -> tuple[int, int, int] | None:
    """Folds (select, calibrate, report) that ``n_rows`` rows allow; None where the plan does not fit.

    Report comes first (at least one), then select, then calibrate. The history before the first cutoff keeps
    two seasons and a horizon and half of the rows; where that leaves no room, half of the rows; then
    ``horizon + 3`` rows. ``min_train`` is kept throughout.
    """
    for keep in _kept_rows(plan, n_rows, season_length):
        counts = _allocate(_available(plan, n_rows, keep), plan)
        if counts is not None:
            return counts
    return None


def rows_for_report(plan: EvalPlan, n_rows: int, season_length: int, n_report: int = 10) -> int:
    """Fewest rows, at least ``n_rows``, that give ``n_report`` report folds with the roles left automatic.

    No history gives more than 30 by itself; more are asked for.
    """
    asked = n_report if n_report > TARGETS["report"] else None
    auto = replace(plan, n_select=None, n_calibrate=None, n_report=asked)

    def enough(rows: int) -> bool:
        counts = fold_counts(auto, rows, season_length)
        return counts is not None and counts[2] >= n_report

    # Just past a threshold of the ladder one fold less may be reported; the scan starts where none is left.
    rows = max(n_rows, auto.horizon + auto.gap + (n_report - 1) * auto.stride)
    while not enough(rows):
        rows += max(1, auto.stride // 8)
    return rows


def _kept_rows(plan: EvalPlan, n_rows: int, season_length: int) -> tuple[int, int, int]:
    """Rows before the first cutoff, from the advised number down to the least."""
    least = max(plan.min_train or 1, plan.horizon + SPARE_ROWS)
    half = max(least, -(-n_rows // 2))
    return max(half, 2 * season_length + plan.horizon, plan.window_length or 0), half, least


def _available(plan: EvalPlan, n_rows: int, keep: int) -> int:
    room = n_rows - keep - plan.horizon - plan.gap
    return room // plan.stride + 1 if room >= 0 else 0


def _total(select: int, calibrate: int, report: int, purge: int) -> int:
    return select + calibrate + report + purge * ((select > 0) + (calibrate > 0))


def _allocate(n_folds: int, plan: EvalPlan) -> tuple[int, int, int] | None:
    """Share out ``n_folds`` cutoffs; automatic numbers give way, first calibrate, then select."""
    select, calibrate = plan.n_select, plan.n_calibrate
    if select is None:
        select = min(TARGETS["select"], max(1, n_folds // 4)) if n_folds >= 2 else 0
    if calibrate is None:
        enough = n_folds >= FEWEST_FOR_CALIBRATION
        calibrate = min(TARGETS["calibrate"], (n_folds - select) // 4) if enough else 0
    while True:
        rest = n_folds - _total(select, calibrate, 0, plan.purge)
        report = min(TARGETS["report"], rest) if plan.n_report is None else plan.n_report
        if 1 <= report <= rest:
            given = plan.n_report is not None
            if plan.n_select is None and select == TARGETS["select"] and (given or report == TARGETS["report"]):
                # A long history is better spent on the choice than left alone.
                select += max(0, min(MOST_SELECT - select, rest - report))
            return select, calibrate, report
        if plan.n_calibrate is None and calibrate > 0:
            calibrate -= 1
        elif plan.n_select is None and select > 0:
            select -= 1
        else:
            return None


def make_folds(frame: SeriesFrame, plan: EvalPlan) -> Folds:
    """Cutoffs of all roles; the last report fold ends at the last instant with data.

    Raises:
        DataError: the history is too short; says how many folds would fit.
    """
    season = plan.season_length or frame.season_length
    align, notes = _alignment(frame, plan)
    n_rows = history_rows(frame, align)
    counts = fold_counts(plan, n_rows, season)
    if counts is None:
        raise _too_short(frame.name, plan, n_rows, season)
    resolved = replace(
        plan,
        n_select=counts[0],
        n_calibrate=counts[1],
        n_report=counts[2],
        align=align,
        step=plan.stride,
        season_length=season,
    )
    back = _steps_back(counts, plan.purge)
    select = tuple(_fold(SelectFold, frame, resolved, k, b) for k, b in enumerate(back[0]))
    calibrate = tuple(_fold(CalibrateFold, frame, resolved, k, b) for k, b in enumerate(back[1]))
    report = tuple(_fold(ReportFold, frame, resolved, k, b) for k, b in enumerate(back[2]))
    folds = Folds(select, calibrate, report, resolved)
    if plan.error is None:
        error, said = error_kind(frame, folds.all[0].positions(len(frame.items)))
        notes += said
        folds = replace(folds, plan=replace(resolved, error=error))
    left_out, not_started, ended = _left_out(frame, folds.all)
    first = n_rows - plan.horizon - plan.gap - max(b for role in back for b in role) * plan.stride
    notes += _history_notes(plan, first, _kept_rows(plan, n_rows, season)[0]) + _role_notes(plan, counts)
    notes += _left_out_notes(left_out, not_started, ended, len(folds.all))
    return replace(folds, notes=tuple(notes), left_out=left_out, not_started=not_started, ended=ended)


def error_kind(frame: SeriesFrame, upto: np.ndarray) -> tuple[ErrorKind, list[str]]:
    """Which errors count where nobody says (``EvalPlan.error``), and a sentence where they are squared ones.

    Args:
        upto: [n_items] calendar positions; no row after them is read.
    """
    share = _zeros(frame, upto)
    return ("squared", [ZEROS_NOTE.format(share=100 * share)]) if share > MOST_ZEROS else ("absolute", [])


def _zeros(frame: SeriesFrame, upto: np.ndarray) -> float:
    """Share of zeros in the median of at most ``MOST_ASKED`` series; 0 where a value is negative."""
    shares = []
    for i in range(0, len(upto), -(-len(upto) // MOST_ASKED)):
        y = frame.store.series(i, int(upto[i]))
        y = y[np.isfinite(y)]
        if (y < 0).any():
            return 0.0
        if len(y):
            shares.append(float((y == 0).mean()))
    return float(np.median(shares)) if shares else 0.0


def history_rows(frame: SeriesFrame, align: str | None) -> int:
    """Rows that folds can be cut from: the calendar's up to the last row or, aligned by end, the median series'."""
    store = frame.store
    if align == "end":
        # Half of the series are at least so long; a shorter one is left out of early folds.
        return int(np.sort(store.lengths)[(len(store) - 1) // 2])
    return int(store.ends.max()) + 1


def _alignment(frame: SeriesFrame, plan: EvalPlan) -> tuple[Literal["calendar", "end"], list[str]]:
    ragged = len(np.unique(frame.store.ends)) > 1
    if plan.align is None and not (frame.calendar.is_integer and ragged):
        return "calendar", []
    if plan.align == "calendar":
        return "calendar", []
    if not ragged:
        return "end", []
    return "end", ["Cutoffs are counted from each series' own end; one step is not one instant for all series."]


def _steps_back(counts: tuple[int, int, int], purge: int) -> tuple[list[int], list[int], list[int]]:
    """For each role, how many strides each cutoff lies before the last one, in time order."""
    out: list[list[int]] = []
    used = 0
    for n in reversed(counts):
        out.append(list(range(used + n - 1, used - 1, -1)))
        used += n + purge if n else 0
    return out[2], out[1], out[0]


def _fold(kind: type[FoldT], frame: SeriesFrame, plan: EvalPlan, index: int, back: int) -> FoldT:
    store = frame.store
    behind = plan.horizon + plan.gap + back * plan.stride
    if plan.align == "calendar":
        position, at = int(store.ends.max()) - behind, None
    else:
        at = np.maximum(store.ends - behind, store.starts - 1)
        position = int(store.ends.max()) - behind  # distinct in every fold, whatever item has not begun
    return kind(position, frame.calendar.instants[position], plan.horizon, index, plan.gap, at)


def _left_out(frame: SeriesFrame, folds: tuple[Fold, ...]) -> tuple[dict[int, tuple[str, ...]], int, int]:
    store = frame.store
    out: dict[int, tuple[str, ...]] = {}
    not_started = ended = 0
    for f in folds:
        at = f.positions(len(store))
        late = at < store.starts
        over = ~late & (store.ends <= at + f.gap)
        not_started += int(late.sum())
        ended += int(over.sum())
        if (late | over).any():
            out[f.position] = tuple(store.items[i] for i in np.flatnonzero(late | over))
    return out, not_started, ended


def _history_notes(plan: EvalPlan, first: int, advised: int) -> list[str]:
    if first >= advised:
        return []
    return [f"The first fold learns from {first} rows, fewer than the {advised} that are advised."]


def _role_notes(plan: EvalPlan, counts: tuple[int, int, int]) -> list[str]:
    what = {
        "select": ("n_select", counts[0], "no model can be chosen by test, a naive rule is recommended"),
        "calibrate": ("n_calibrate", counts[1], "intervals are uncalibrated"),
    }
    out = []
    for role, (option, n, effect) in what.items():
        if n == 0:
            why = "as asked" if getattr(plan, option) == 0 else "the history is too short for them"
            out.append(f"No {role} folds ({why}): {effect}.")
    return out


def _left_out_notes(left_out: Mapping[int, tuple[str, ...]], not_started: int, ended: int, n_folds: int) -> list[str]:
    if not left_out:
        return []
    n_series = len({item for items in left_out.values() for item in items})
    return [
        f"{n_series} series are left out of {len(left_out)} of {n_folds} folds: "
        f"{not_started} times not yet begun, {ended} times already ended."
    ]


def _too_short(name: str, plan: EvalPlan, n_rows: int, season_length: int) -> DataError:
    least = _kept_rows(plan, n_rows, season_length)[2]
    fit = _available(plan, n_rows, least)
    wanted = _total(plan.n_select or 0, plan.n_calibrate or 0, plan.n_report or 1, plan.purge)
    needed = least + plan.horizon + plan.gap + (wanted - 1) * plan.stride
    shorter = (n_rows - plan.gap - SPARE_ROWS) // 2
    ways = []
    if fit:
        ways.append(f"ask for {fit} folds or fewer" if fit > 1 else "ask for one fold")
    elif plan.min_train is not None and plan.min_train > plan.horizon + SPARE_ROWS:
        ways.append("lower min_train")
    if not fit and 1 <= shorter < plan.horizon:
        ways.append(f"shorten the horizon to {shorter} or less")
    ways.append("give a longer history")
    remedy = " or ".join(ways)
    count = "no fold fits" if fit == 0 else f"{fit} fold{'s' if fit > 1 else ''} would fit"
    return DataError(
        place=name,
        value=f"{n_rows} rows",
        rule=f"too few rows: {wanted} fold{'s' if wanted > 1 else ''} with horizon {plan.horizon} need{'s' if wanted == 1 else ''} "
        f"{needed}; {count}",
        remedy=f"{remedy[0].upper()}{remedy[1:]}.",
    )

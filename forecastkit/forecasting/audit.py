"""The audit: does anything that is computed for a cutoff know what comes after it?

For models: fitted at a cutoff with the true future, with a scrambled one and with a blank one; fitted state, learning
curves, network inputs and forecasts must be the same to the last bit. For data: covariates against the shifted target,
and traces of leaks that were baked into the file. ``audit_pipeline`` does the first for anybody's code.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecastkit import registry
from forecastkit.errors import ConfigError, DataError, ForecastkitError, UnknownNameError, near
from forecastkit.forecasting.audit_covariates import check_covariates
from forecastkit.forecasting.audit_data import check_data
from forecastkit.forecasting.audit_future import Difference, alter_frame, differences
from forecastkit.forecasting.audit_pipeline import audit_pipeline, spread_cutoffs
from forecastkit.forecasting.audit_rows import AuditReport, AuditRow
from forecastkit.forecasting.backtest import backtest_model
from forecastkit.forecasting.diagnostics import lag_check, one_step_forecasts
from forecastkit.forecasting.protocol import FitContext, Fitted, Forecaster
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.splits import EvalPlan, ReportFold
from forecastkit.forecasting.windows import Windows, gather

__all__ = ["AuditReport", "AuditRow", "audit", "audit_pipeline"]

FEW_STEPS = 20
FEW_ROWS = 300
MOST_ITEMS = 20
MOST_ITEMS_OF_DATA = 1000
LAG_ROWS = 200
CONTEXT = 60
MOST_NAMED = 3

Models = Iterable[str] | Mapping[str, "Forecaster | Mapping[str, Any]"]


def audit(
    frame: SeriesFrame,
    models: Models,
    *,
    past: Sequence[str] = (),
    known: Sequence[str] = (),
    horizon: int | None = None,
    n_cutoffs: int = 3,
    seed: int = 1,
    full: bool = False,
    progress: Callable[[str], None] | None = None,
) -> AuditReport:
    """Look for leaks in models and data.

    Args:
        frame: checked series.
        models: names; or name -> options, or name -> a ``Forecaster`` of one's own.
        past, known: covariate columns of the frame; empty = as the frame has them. Known ones stay as they are within
            the horizon.
        horizon: steps ahead; None = 10, or less where the history is short.
        n_cutoffs: cutoffs, spread over the last 40 % of the rows.
        seed: of models and of scrambled values.
        full: train as in a real run; otherwise networks take ``FEW_STEPS`` steps and statistical models ``FEW_ROWS`` rows,
            which shows the same leaks sooner.
        progress: called with a line before each part.

    Returns:
        Rows ``data`` first, then one per model and check.

    Raises:
        UnknownNameError: no such model, option or column.
        DataError: too few rows for any cutoff.
        ConfigError: a number out of its range.
    """
    tell = progress or (lambda line: None)
    frame = _with_roles(frame, past, known)
    for name, value in (("horizon", horizon), ("n_cutoffs", n_cutoffs)):
        if value is not None and value < 1:
            raise ConfigError(place=f"audit, {name}", value=str(value), rule="at least 1 is needed")
    made = {name: model if full else _lighter(model) for name, model in _made(models).items()}
    n_rows = int(frame.store.ends.max()) + 1
    steps = horizon or max(1, min(10, n_rows // 5))
    at = spread_cutoffs(n_rows, steps, n_cutoffs)
    tell("data")
    rows = [*check_covariates(frame, steps), *check_data(_some_items(frame, MOST_ITEMS_OF_DATA), at.tolist())]
    probe = _Probe(_some_items(frame, MOST_ITEMS), at, steps, seed)
    rows.append(_inputs(probe))
    for name, model in made.items():
        tell(name)
        with _one_thread(model):
            rows += _model_rows(probe, name, model)
    return AuditReport(
        tuple(rows), (_cutoff_words(frame, at, steps), *_item_words(frame), *_lighter_words(made, full=full))
    )


def _one_thread(model: Forecaster) -> contextlib.AbstractContextManager[None]:
    """Few small steps: threads would wait for each other longer than they compute, and sums stay in one order."""
    if model.family != "network":
        return contextlib.nullcontext()
    from forecastkit import runtime

    return runtime.threads(1)


def _with_roles(frame: SeriesFrame, past: Sequence[str], known: Sequence[str]) -> SeriesFrame:
    columns = [str(c) for c in frame.data.columns if c not in ("item_id", "timestamp", "target")]
    for name in (*past, *known):
        if name not in columns:
            remedy = near(name, columns) if columns else "Read the data with this column as a covariate."
            raise UnknownNameError(
                place="audit, covariates", value=repr(name), rule="no such column in the frame", remedy=remedy
            )
    twice = sorted(set(past) & set(known))
    if twice:
        raise ConfigError(
            place="audit, covariates", value=repr(twice[0]), rule="a column is either past or known, not both"
        )
    own = [c for c in (*frame.past, *frame.known, *frame.static) if c not in (*past, *known)]
    kept = {role: tuple(c for c in getattr(frame, role) if c in own) for role in ("past", "known", "static")}
    return replace(frame, past=(*kept["past"], *past), known=(*kept["known"], *known), static=kept["static"])


def _made(models: Models) -> dict[str, Forecaster]:
    if isinstance(models, Mapping):
        pairs = {str(k): v for k, v in models.items()}
        return {
            name: registry.create_model(name, **given) if isinstance(given, Mapping) else given
            for name, given in pairs.items()
        }
    names = [models] if isinstance(models, str) else list(models)
    return {name: registry.create_model(name) for name in names}


def _lighter(model: Forecaster) -> Forecaster:
    """The same model with little training: what it looks at does not depend on how long it learns."""
    if not dataclasses.is_dataclass(model):
        return model
    fields = {f.name for f in dataclasses.fields(model)}
    limits = {"max_steps": FEW_STEPS, "val_every": FEW_STEPS // 2, "max_history": FEW_ROWS, "max_trees": FEW_STEPS}
    fewer = {k: min(getattr(model, k), most) for k, most in limits.items() if k in fields}
    out: Any = replace(model, **fewer) if fewer else model
    return out


def _some_items(frame: SeriesFrame, most: int) -> SeriesFrame:
    """At most so many series, spread over the panel."""
    if len(frame.items) <= most:
        return frame
    chosen = np.unique(np.linspace(0, len(frame.items) - 1, most).astype(int))
    return frame.select(tuple(frame.items[i] for i in chosen))


def _item_words(frame: SeriesFrame) -> tuple[str, ...]:
    n = len(frame.items)
    if n <= MOST_ITEMS:
        return ()
    return (f"Models were audited on {MOST_ITEMS} of {n:,} series, data on {min(n, MOST_ITEMS_OF_DATA):,}.",)


def _cutoff_words(frame: SeriesFrame, at: np.ndarray, steps: int) -> str:
    first, last = (frame.calendar.instants[int(k)] for k in (at[0], at[-1]))
    cutoffs = f"{len(at)} cutoffs from {first} to {last}" if len(at) > 1 else f"One cutoff, {first}"
    return (
        f"{cutoffs.replace(' 00:00:00', '')}, horizon {steps}; at each, models were fitted with the true, a scrambled and "
        "a blank future, and all that they computed was compared bit by bit; at the last also with a gap up to the cutoff."
    )


def _lighter_words(models: Mapping[str, Forecaster], *, full: bool) -> tuple[str, ...]:
    families = {model.family for model in models.values()}
    out = []
    if "network" in families and not full:
        out.append(f"Networks were trained for {FEW_STEPS} steps at most")
    if "statistical" in families and not full:
        out.append(f"statistical models were fitted to the last {FEW_ROWS} rows at most")
    words = ", ".join(out)
    return (f"{words[0].upper()}{words[1:]}: enough to show a leak, not to forecast well.",) if out else ()


# --- models


@dataclass(frozen=True, eq=False)
class _Probe:
    """What models are asked.

    Args:
        at: [n] cutoffs as calendar positions.
    """

    frame: SeriesFrame
    at: np.ndarray
    horizon: int
    seed: int

    def altered(self, at: int, how: str, *, hole: bool = False) -> SeriesFrame:
        """The frame with another future after one cutoff."""
        known = self.frame.known
        return alter_frame(self.frame, at, how, horizon=self.horizon, known=known, seed=self.seed + at, hole=hole)

    def pairs(self, at: int) -> list[tuple[str, bool]]:
        """(alteration, with a gap up to the cutoff)."""
        last = at == self.at[-1]
        return [("scrambled", False), ("blank", False), *([("scrambled", True)] if last else [])]


@dataclass(frozen=True)
class _Computed:
    """What one model computed for one cutoff.

    Args:
        fixed: may not depend on later rows.
        together: the forecast asked in one pass with a later cutoff; None where that failed.
        later: forecasts from the later cutoff; must depend on later rows.
        fitted: the model.
        error: why there is nothing.
        error_together: why nothing came of the pass with a later cutoff.
    """

    fixed: dict[str, Any]
    together: np.ndarray | None = None
    later: np.ndarray | None = None
    fitted: Fitted | None = None
    error: str = ""
    error_together: str = ""


def _compute(probe: _Probe, name: str, model: Forecaster, frame: SeriesFrame, at: int) -> _Computed:
    """Fit at a cutoff as a backtest does; then forecast from it, from two earlier cutoffs and a later one in one pass."""
    plan = EvalPlan(horizon=probe.horizon, n_report=1, n_select=0, n_calibrate=0)
    fold = ReportFold(at, frame.calendar.instants[at], probe.horizon, 0)
    done = backtest_model(name, model, frame, (fold,), plan, context=FitContext(seed=probe.seed))
    if done.error is not None or done.fitted is None:
        return _Computed({}, error=done.error or "it was not fitted")
    earlier, error = _ask(done.fitted, frame, [max(0, at - probe.horizon), max(0, at - 1)])
    if earlier is None:
        return _Computed({}, error=error)
    both, error = _ask(done.fitted, frame, [at, at + probe.horizon])
    fixed = {
        "state": _state(done.fitted),
        "learning curve": _losses(done.curves),
        "forecast": done.points[0],
        "forecast from earlier cutoffs": earlier,
    }
    if both is None:
        return _Computed(fixed, fitted=done.fitted, error_together=error)
    return _Computed(fixed, both[0], both[1], done.fitted)


def _ask(fitted: Fitted, frame: SeriesFrame, cutoffs: list[int]) -> tuple[np.ndarray | None, str]:
    """(forecasts, "") or (None, why not)."""
    try:
        return fitted.predict_at(frame, np.array(cutoffs)), ""
    except (ForecastkitError, ValueError, ArithmeticError, IndexError, RuntimeError) as error:
        return None, f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def _changed(before: _Computed, after: _Computed) -> list[Difference]:
    """What may not change and did. A pass that fails at its later cutoff publishes nothing and is not compared."""
    out = differences(before.fixed, after.fixed)
    if before.together is not None and after.together is not None:
        out += differences(before.together, after.together, "forecast in one pass with a later cutoff")
    return out


def _state(fitted: Fitted) -> dict[str, Any]:
    """Weights, scalers and rows that a model keeps, and facts that are not of the clock."""
    arrays, meta = fitted.state()
    return {"arrays": arrays, "facts": {k: repr(v) for k, v in _timeless({**meta, **dict(fitted.info)}).items()}}


def _timeless(value: Any) -> Any:
    """Facts without those of the clock, those of the members of a model neither."""
    if isinstance(value, Mapping):
        return {k: _timeless(v) for k, v in value.items() if k not in ("info", "seconds")}
    return [_timeless(v) for v in value] if isinstance(value, (list, tuple)) else value


def _losses(curves: list[dict[str, float]]) -> dict[str, np.ndarray]:
    keys = [k for k in (curves[0] if curves else {}) if "loss" in k or "grad" in k]
    return {key: np.array([row[key] for row in curves], dtype=np.float64) for key in keys}


def _model_rows(probe: _Probe, name: str, model: Forecaster) -> list[AuditRow]:
    n_compared, moved, last, failed = 0, False, None, ""
    for at in map(int, probe.at):
        plain: dict[bool, _Computed] = {}
        for how, hole in probe.pairs(at):
            if hole not in plain:
                plain[hole] = _compute(probe, name, model, probe.altered(at, "as it is", hole=hole), at)
            before = plain[hole]
            if before.error:
                return [AuditRow("future", name, "skipped", f"It could not be fitted: {before.error}")]
            run = functools.partial(_compute, probe, name, model)
            after = run(probe.altered(at, how, hole=hole), at)
            changed = _changed(before, after)
            if after.error or changed:
                again = run(probe.altered(at, "as it is", hole=hole), at)
                return [_found(probe, name, at, how, hole, before, after, changed, again)]
            n_compared += 1
            moved |= how == "scrambled" and bool(differences(before.later, after.later))
            failed = failed or before.error_together or after.error_together
        last = plain[False]
    return [_same(name, n_compared, last, failed, moved=moved), *_lag(probe, name, model, last)]


def _found(
    probe: _Probe,
    name: str,
    at: int,
    how: str,
    hole: bool,
    before: _Computed,
    after: _Computed,
    changed: list[Difference],
    again: _Computed,
) -> AuditRow:
    if again.error or _changed(before, again):
        said = "Two fits to the same rows with one seed differ, so that nothing can be said of the future's part in it."
        return AuditRow("future", name, "skipped", said)
    cutoff = str(probe.frame.calendar.instants[at]).replace(" 00:00:00", "")
    rows = f"Rows after {cutoff} {how}{', with a gap up to the cutoff' if hole else ''}"
    if after.error:
        return AuditRow("future", name, "leak", f"{rows}: it reads them, since now it fails: {after.error}")
    named = "; ".join(str(d) for d in changed[:MOST_NAMED])
    more = f"; and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
    return AuditRow("future", name, "leak", f"{rows}: {named}{more}.")


def _same(name: str, n_compared: int, last: _Computed | None, failed: str, *, moved: bool) -> AuditRow:
    n_values = sum(int(np.size(v)) for v in (last.fixed.values() if last else ()) if isinstance(v, np.ndarray))
    if last is not None:
        n_values += sum(int(np.size(v)) for v in last.fixed["state"]["arrays"].values())
    said = f"State and forecasts ({n_values:,} numbers) the same to the bit in {n_compared} comparisons"
    if failed:
        return AuditRow("future", name, "remark", f"{said}, but asked together with a later cutoff it fails: {failed}")
    if not moved:
        more = "but forecasts from later cutoffs do not change with their rows either: this shows little."
        return AuditRow("future", name, "remark", f"{said}, {more}")
    return AuditRow("future", name, "ok", f"{said}; forecasts from later cutoffs do change.")


def _lag(probe: _Probe, name: str, model: Forecaster, last: _Computed | None) -> list[AuditRow]:
    """A network that copies yesterday: no leak, but a plot of it looks like foresight."""
    if model.family != "network" or last is None or last.fitted is None:
        return []
    n = min(LAG_ROWS, len(probe.frame.calendar) - 1 - int(probe.at[0]))
    found = lag_check(name, probe.frame, *one_step_forecasts(last.fitted, probe.frame, n))
    if not found:
        return [AuditRow("lag", name, "skipped", "Fewer than 10 one-step forecasts to look at.")]
    return [AuditRow("lag", name, "remark" if found["copies"] else "ok", found["sentence"]["en"])]


def _inputs(probe: _Probe) -> AuditRow:
    """Contexts and their scales, as networks are given them, from true and altered frames."""
    n = 0
    for at in map(int, probe.at):
        for how, hole in probe.pairs(at):
            plain, other = probe.altered(at, "as it is", hole=hole), probe.altered(at, how, hole=hole)
            changed = differences(_contexts(plain, at), _contexts(other, at))
            if changed:
                said = f"Rows after {probe.frame.calendar.instants[at]} {how}: {changed[0]}."
                return AuditRow("inputs", "", "leak", said)
            n += 1
    return AuditRow("inputs", "", "ok", f"Contexts and their scales the same to the bit in {n} comparisons.")


def _contexts(frame: SeriesFrame, at: int) -> dict[str, np.ndarray]:
    store = frame.store
    started = np.flatnonzero(store.starts <= at)
    if not len(started):
        raise DataError(place="audit", rule="no series has begun at the first cutoff")
    batch = gather(store, Windows(started, at - store.starts[started]), CONTEXT, 0)
    return {
        "context": batch.past_num,
        "observed": batch.observed,
        "scale centre": batch.scale.centre,
        "scale spread": batch.scale.spread,
    }

"""The border: a file, frame or data set -> a checked ``SeriesFrame`` and its profile.

Order: table -> roles of columns -> numbers and times -> duplicates -> calendar -> contiguous rows -> fill -> findings.
After this module nothing repairs data any more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError
from forecastkit.forecasting.calendar import STEP, Calendar
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.reading import findings
from forecastkit.reading.ahead import Ahead, ahead_columns, covariate_roles, static_column, steps_ahead
from forecastkit.reading.aliases import normal_alias, unit_us, words
from forecastkit.reading.columns import Roles, choose_roles
from forecastkit.reading.frequency import Grid, given_grid, infer_grid, one_frequency, to_wall
from forecastkit.reading.join import with_join
from forecastkit.reading.options import ReadOptions, options_of
from forecastkit.reading.origin import Origin, origin_of
from forecastkit.reading.profile import Profile, moment_text
from forecastkit.reading.rows import Rows, instants_index, row_order, rows_of
from forecastkit.reading.season import find_season
from forecastkit.reading.table import Table, open_table
from forecastkit.reading.times import DAY
from forecastkit.reading.values import Note, several
from forecastkit.reading.within import within

__all__ = ["Reading", "as_frame", "read"]

MOST_LISTED = 200
MOST_ROWS_OF_GRID = 200_000_000


@dataclass(frozen=True, eq=False)
class Reading:
    """What came through the border.

    Args:
        frame: the checked series.
        profile: what was found.
    """

    frame: SeriesFrame
    profile: Profile


def as_frame(source: Any, **options: Any) -> SeriesFrame:
    """Any source as a checked frame.

    Args:
        source: path, ``"dataset:NAME"``, ``"yahoo:AAPL"`` or another source, or a pandas, polars or Arrow frame; never
            changed.
        options: as ``ReadOptions``.

    Raises:
        DataError: the data cannot be used; names the place and the way out.
        ConfigError: an option is wrong.
    """
    if isinstance(source, SeriesFrame) and not options:
        return source
    return read(source, options_of(options)).frame


def read(source: Any, options: ReadOptions | None = None) -> Reading:
    """A source as checked series, and what was found on the way.

    Args:
        source: path, ``"dataset:NAME"``, ``"yahoo:AAPL"`` or another source, a pandas, polars or Arrow frame, or a
            ``SeriesFrame``.
        options: what the user said; the rest is detected.

    Raises:
        DataError: the data cannot be used; names the place and the way out.
        ConfigError: an option is wrong.
        SourceError: a source outside this machine did not deliver.
    """
    options = options or ReadOptions()
    if isinstance(source, SeriesFrame):
        return _of_frame(source, options)
    origin = origin_of(source, options)
    table = open_table(origin.table, origin.options)
    roles = choose_roles(table, origin.options)
    rows = rows_of(table, roles, origin.options)
    return _build(table, roles, rows, origin.options, origin)


def _build(table: Table, roles: Roles, rows: Rows, options: ReadOptions, origin: Origin) -> Reading:
    notes = [*origin.notes, *rows.notes]
    n_rows = len(rows.codes)
    rows, outside = within(rows, options)
    notes += outside
    usable = rows.times.valid & (rows.codes >= 0)
    lost = int((~rows.times.valid & np.isfinite(rows.values)).sum())
    if lost:
        first = int(np.flatnonzero(~rows.times.valid)[0])
        notes.append(
            Note("warning", f"{several(lost, 'row')} without a time left out", table.where(int(rows.source_row[first])))
        )
    if not usable.any():
        raise DataError(place=table.name, rule="no row has a time and a name", remedy="Check --time and --item.")
    codes, times, values = rows.codes[usable], rows.times.values[usable], rows.values[usable]
    source = rows.source_row[usable]
    covariates = {name: column[usable] for name, column in rows.covariates.items()}
    order = row_order(codes, times, len(rows.items))
    if order is not None:
        codes, times, values, source = codes[order], times[order], values[order], source[order]
        covariates = {name: column[order] for name, column in covariates.items()}
    if options.resample is not None:
        if options.freq is None:
            raise ConfigError(
                place="--resample",
                value=options.resample,
                rule="a frequency is needed",
                remedy="Add --freq D or another.",
            )
        codes, times, values, covariates, source = _resampled(
            codes, times, values, covariates, source, rows.times.tz, options
        )
        notes.append(Note("info", f"resampled to {words(normal_alias(options.freq))} by {options.resample}"))
    n_twice = 0
    same = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    if same.any():
        n_twice = int(same.sum())
        codes, times, values, covariates, source = _without_duplicates(
            table, rows, codes, times, values, covariates, source, same, options
        )
        notes.append(
            Note("warning", f"{several(n_twice, 'duplicated instant')}: kept by --duplicates {options.duplicates}")
        )
    observed = np.isfinite(values)
    if not observed.any():
        raise DataError(
            place=f"column {rows.target_name!r}",
            value="only missing values",
            rule="numbers are needed",
            remedy="Choose another column with --target.",
        )
    codes, times, values, covariates, items, aside, source, late = _long_enough(
        rows.items,
        codes,
        times,
        values,
        covariates,
        source,
        options.min_rows,
        rows.target_name,
        ahead=bool(options.known),
    )
    if aside:
        notes.append(
            Note(
                "warning",
                f"{len(aside)} series set aside: fewer than {options.min_rows} observed rows",
                next(iter(aside)),
            )
        )
    zone = rows.times.tz
    if options.freq is None:
        grid = infer_grid(times, codes, zone, rows.times.steps)
    else:
        grid = given_grid(times, zone, rows.times.steps, options.freq)
    notes += grid.notes
    aligned = len(grid.values) == len(grid.instants) and np.array_equal(grid.values, grid.instants)
    position = np.arange(len(codes)) if aligned else np.searchsorted(grid.instants, grid.values)
    clash = (codes[1:] == codes[:-1]) & (position[1:] == position[:-1])
    if clash.any():
        row = int(np.flatnonzero(clash)[0]) + 1
        raise DataError(
            place=table.where(int(source[row])),
            value=f"two rows of {items[codes[row]]!r} fall on one step",
            rule=f"one row a step of {words(grid.freq)} is needed",
            remedy="Give --freq and --resample, as in --freq D --resample mean.",
        )
    one_frequency(position, codes, np.array(items, dtype=object), grid.freq)
    future = None
    if late.any():
        future = Ahead(codes[late], position[late], {name: covariates[name][late] for name in options.known})
        codes, position, values = codes[~late], position[~late], values[~late]
        covariates = {name: column[~late] for name, column in covariates.items()}
    return _assembled(table, roles, rows, options, origin, notes, n_rows, n_twice, aside, grid, codes, position, values,
                      covariates, items, future)  # fmt: skip


def _resampled(
    codes: np.ndarray, times: np.ndarray, values: np.ndarray, covariates: dict[str, np.ndarray], source: np.ndarray,
    tz: str, options: ReadOptions,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:  # fmt: skip
    """Rows brought to ``freq``: the instant of a step is its start (its last day for ...E and W)."""
    alias = normal_alias(str(options.freq))
    if alias == STEP:
        raise ConfigError(place="--freq step", rule="steps cannot be resampled", remedy="Leave --resample out.")
    us = unit_us(alias)
    wall = to_wall(times, tz)
    if us and us < DAY:
        bins = times // us * us
    elif us:
        bins = wall // us * us
    else:
        stamps = pd.DatetimeIndex(wall.astype("datetime64[us]"))
        if alias == "B":
            start = stamps.normalize()
            start = start - pd.to_timedelta(np.maximum(start.weekday.to_numpy() - 4, 0), unit="D")
        else:
            period = {"M": "M", "MS": "M", "ME": "M", "Q": "Q", "QS": "Q", "QE": "Q", "Y": "Y", "YS": "Y", "YE": "Y"}
            unit = period.get(alias, alias)
            try:
                periods = stamps.to_period(unit)
            except (ValueError, AttributeError):
                raise ConfigError(
                    place="--freq",
                    value=repr(options.freq),
                    rule="cannot be resampled to",
                    remedy="Use h, D, B, W, MS, QS or YS.",
                ) from None
            at_end = alias.endswith("E") or alias.startswith("W")
            start = periods.to_timestamp(how="end" if at_end else "start").normalize()
        bins = start.as_unit("us").asi8
    if us >= DAY or not us:
        from forecastkit.reading.frequency import to_utc

        bins = to_utc(bins, tz)
    frame = pd.DataFrame({"c": codes, "t": bins, "v": values, "s": source, **covariates})
    groups = frame.groupby(["c", "t"], sort=True)
    how = str(options.resample)
    if how == "sum":
        merged = groups["v"].sum(min_count=1)
    else:
        merged = getattr(groups["v"], how)()
    rest = {
        name: (groups[name].mean() if column.dtype != object else groups[name].last()).to_numpy()
        for name, column in covariates.items()
    }
    keys = merged.index
    return (
        keys.get_level_values(0).to_numpy(), keys.get_level_values(1).to_numpy(), merged.to_numpy(np.float64), rest,
        groups["s"].first().to_numpy(),
    )  # fmt: skip


def _without_duplicates(
    table: Table, rows: Rows, codes: np.ndarray, times: np.ndarray, values: np.ndarray, covariates: dict[str, np.ndarray],
    source: np.ndarray, same: np.ndarray, options: ReadOptions,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:  # fmt: skip
    how = options.duplicates
    if how == "error":
        row = int(np.flatnonzero(same)[0]) + 1
        lines = sorted((int(source[row - 1]), int(source[row])))
        series = f"{rows.items[codes[row]]}, " if len(rows.items) > 1 else ""
        stamp = str(times[row]) if rows.times.steps else _stamp_text(int(times[row]), rows.times.tz)
        raise DataError(
            place=table.where(lines[1]),
            value=f"{series}{stamp} occurs twice (first: {table.where(lines[0]).rpartition(', ')[2]})",
            rule=f"one row an instant is needed; {int(same.sum())} are too many",
            remedy="Name the series with --item COLUMN, or give --duplicates first, last, mean or sum.",
        )
    frame = pd.DataFrame({"c": codes, "t": times, "v": values, "s": source, **covariates})
    groups = frame.groupby(["c", "t"], sort=True)
    merged = groups["v"].sum(min_count=1) if how == "sum" else getattr(groups["v"], how)()
    rest = {
        name: (
            groups[name].mean() if how in ("mean", "sum") and column.dtype != object else groups[name].first()
        ).to_numpy()
        for name, column in covariates.items()
    }
    keys = merged.index
    return (
        keys.get_level_values(0).to_numpy(), keys.get_level_values(1).to_numpy(), merged.to_numpy(np.float64), rest,
        groups["s"].first().to_numpy(),
    )  # fmt: skip


def _stamp_text(us: int, tz: str) -> str:
    stamp = pd.Timestamp(np.datetime64(us, "us"))
    if tz:
        stamp = stamp.tz_localize("UTC").tz_convert(tz)
    return str(stamp.date()) if stamp == stamp.normalize() and not tz else str(stamp)


def _long_enough(
    items: tuple[str, ...], codes: np.ndarray, times: np.ndarray, values: np.ndarray, covariates: dict[str, np.ndarray],
    source: np.ndarray, min_rows: int, target: str, *, ahead: bool,
) -> tuple[
    np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray], tuple[str, ...], dict[str, str], np.ndarray, np.ndarray,
]:  # fmt: skip
    """Without series that are too short, and without missing ends; with ``ahead`` rows after the end stay, and are told."""
    n = len(items)
    observed = np.isfinite(values)
    counts = np.bincount(codes[observed], minlength=n)
    good = counts >= min_rows
    aside = {items[i]: f"{counts[i]} observed rows" for i in np.flatnonzero(~good)}
    if not good.any():
        longest = int(counts.max())
        raise DataError(
            place=f"column {target!r}",
            value=f"{longest} observed rows" if n == 1 else f"at most {longest} observed rows a series",
            rule=f"at least {min_rows} are needed",
            remedy="Give a longer file, or check --item.",
        )
    bounds = np.searchsorted(codes, np.arange(n + 1))
    seen = np.flatnonzero(observed)
    at = np.searchsorted(seen, bounds)
    keep, late = np.zeros(len(codes), bool), np.zeros(len(codes), bool)
    for i in np.flatnonzero(good):
        keep[seen[at[i]] : seen[at[i + 1] - 1] + 1] = True
        if ahead:
            late[seen[at[i + 1] - 1] + 1 : bounds[i + 1]] = True
    keep |= late
    renumber = np.cumsum(good) - 1
    kept_items = tuple(name for name, ok in zip(items, good) if ok)
    if keep.all() and good.all():
        return codes, times, values, covariates, kept_items, aside, source, late
    return (
        renumber[codes[keep]], times[keep], values[keep], {k: v[keep] for k, v in covariates.items()}, kept_items, aside,
        source[keep], late[keep],
    )  # fmt: skip


def _assembled(
    table: Table, roles: Roles, rows: Rows, options: ReadOptions, origin: Origin, notes: list[Note], n_rows: int,
     n_twice: int, aside: dict[str, str], grid: Grid, codes: np.ndarray, position: np.ndarray, values: np.ndarray,
    covariates: dict[str, np.ndarray], items: tuple[str, ...], future: Ahead | None,
) -> Reading:  # fmt: skip
    n = len(items)
    bounds = np.searchsorted(codes, np.arange(n + 1))
    starts, ends = position[bounds[:-1]], position[bounds[1:] - 1]
    lengths = ends - starts + 1
    total = int(lengths.sum())
    if total > MOST_ROWS_OF_GRID:
        raise DataError(
            place="time",
            value=f"{total:,} instants for {len(codes):,} rows",
            rule="nearly all would be empty",
            remedy="Give --freq and --resample.",
        )
    n_gaps = total - len(codes)
    full_codes, full_position = codes, position
    gaps: tuple[dict[str, Any], ...] = ()
    index = instants_index(grid.instants, rows.times)
    # Instants that the file names after the last observed row of any series.
    last = int(ends.max()) + 1
    index, beyond = index[:last], index[last:]
    if n_gaps:
        gaps = _gaps(codes, position, items, index)
        n_runs = int(((np.diff(position) > 1) & (np.diff(codes) == 0)).sum())
        offsets = np.r_[0, np.cumsum(lengths)]
        row = offsets[codes] + position - starts[codes]
        full_codes = np.repeat(np.arange(n), lengths)
        full_position = np.arange(total) - np.repeat(offsets[:-1], lengths) + np.repeat(starts, lengths)
        values = _scattered(values, row, total)
        covariates = {name: _scattered(column, row, total) for name, column in covariates.items()}
        bounds = offsets
    n_missing = int(np.isnan(values).sum()) - n_gaps
    seen = findings.look(values, bounds)
    if options.fill != "none":
        values, filled = _filled(values, bounds, options.fill)
        notes.append(Note("warning", f"{several(filled, 'unobserved row')} filled: {options.fill}"))
    names = np.array(items, dtype=object)
    data = pd.DataFrame(
        {
            "item_id": names[full_codes],
            "timestamp": index[full_position],
            "target": values,
            **covariates,
        }
    )
    for name in options.static:
        data[name] = static_column(data[name].to_numpy(), bounds, items, name)
    frame = SeriesFrame(
        data=data,
        calendar=Calendar(grid.freq, index, grid.sessions, beyond),
        target_name=rows.target_name,
        past=options.past,
        known=options.known,
        static=options.static,
        future=None if future is None else future.table(items, index.append(beyond), ends),
        country=options.holidays,
        # A sheet of a book is named by the table.
        name=table.name if " [" in table.name else origin.name or table.name,
    )
    if options.join:
        frame, more = with_join(frame, options.join, options, rows.item_name)
        notes += more
        covariates = {name: frame.data[name].to_numpy() for name in (*frame.known, *frame.past, *frame.static)}
    if options.season_length is not None:
        season, text = options.season_length, f"season {options.season_length}"
    else:
        season, text = find_season(frame)
    frame = replace(frame, season_length=season)
    facts = _look_facts(seen, items, full_codes, full_position, values, index)
    notes += findings.notes_of(facts)
    constant = tuple(items[i] for i in seen.constant)
    if constant:
        notes.append(Note("info", f"{len(constant)} series never change", constant[0]))
    if n_gaps:
        text = f"{several(n_gaps, 'instant')} without a row, in {several(n_runs, 'gap')}"
        notes.append(Note("info", text, f"longest: {gaps[0]['item_id']}, {gaps[0]['start']} to {gaps[0]['end']}"))
    profile = Profile(
        name=frame.name,
        source=origin.where,
        n_rows=n_rows,
        n_items=n,
        columns=tuple(table.names[:500]),
        target=rows.target_name if len(roles.targets) == 1 else ",".join(roles.targets) if options.target else "",
        time=",".join(roles.time),
        item=rows.item_name,
        why=dict(roles.why),
        freq=grid.freq,
        freq_text=words(grid.freq) if not grid.sessions else f"sessions of {words(grid.freq)}",
        start=moment_text(index[int(starts.min())]),
        end=moment_text(index[int(ends.max())]),
        season_length=season,
        season_text=text,
        fingerprint=_fingerprint(items, bounds, full_position, index, values, {**covariates, **ahead_columns(frame)}),
        units=origin.units.get(rows.target_name, ""),
        tz=rows.times.tz,
        time_format=rows.times.format,
        layout=roles.layout,
        other_numeric=tuple(roles.other_numeric),
        dialect={k: v for k, v in table.facts.items() if v not in (None, "")},
        n_missing=n_missing,
        n_gaps=n_gaps,
        gaps=gaps,
        ragged={"starts": int((starts > starts.min()).sum()), "ends": int((ends < ends.max()).sum())},
        duplicates=n_twice,
        jumps=tuple(facts["jumps"]),
        spikes=tuple(facts["spikes"]),
        covariates=covariate_roles(frame),
        n_ahead=steps_ahead(frame),
        constant=constant[:MOST_LISTED],
        set_aside=dict(list(aside.items())[:MOST_LISTED]),
        items=_item_facts(items, bounds, full_position, values, index),
        notes=tuple(notes),
    )  # fmt: skip
    return Reading(frame, profile)


def _scattered(column: np.ndarray, row: np.ndarray, total: int) -> np.ndarray:
    out = np.full(total, np.nan) if column.dtype != object else np.full(total, None, dtype=object)
    out[row] = column
    return out


def _gaps(
    codes: np.ndarray, position: np.ndarray, items: tuple[str, ...], index: pd.Index
) -> tuple[dict[str, Any], ...]:
    """The longest gaps first."""
    wide = np.flatnonzero((np.diff(position) > 1) & (np.diff(codes) == 0))
    size = np.diff(position)[wide] - 1
    order = np.argsort(-size, kind="stable")[:MOST_LISTED]
    return tuple(
        {
            "item_id": items[codes[wide[k]]],
            "start": moment_text(index[position[wide[k]] + 1]),
            "end": moment_text(index[position[wide[k] + 1] - 1]),
            "n": int(size[k]),
        }
        for k in order
    )


def _filled(values: np.ndarray, bounds: np.ndarray, how: str) -> tuple[np.ndarray, int]:
    """Unobserved rows inside each series filled; forward never looks ahead, interpolate does and says so."""
    out = values.copy()
    missing = np.isnan(out)
    if how == "zero":
        out[missing] = 0.0
    elif how == "forward":
        # Series begin with an observed row, so that the last seen row is one of the same series.
        last = np.maximum.accumulate(np.where(missing, 0, np.arange(len(out))))
        out = out[last]
    else:
        rows = np.arange(len(out))
        for lo, hi in zip(bounds[:-1], bounds[1:]):
            hole = missing[lo:hi]
            if hole.any():
                out[lo:hi][hole] = np.interp(rows[lo:hi][hole], rows[lo:hi][~hole], values[lo:hi][~hole])
    return out, int(missing.sum())


def _look_facts(
    seen: findings.Findings, items: tuple[str, ...], codes: np.ndarray, position: np.ndarray, values: np.ndarray,
    index: pd.Index,
) -> dict[str, Any]:  # fmt: skip
    def at(row: int) -> dict[str, Any]:
        return {"item_id": items[codes[row]], "timestamp": moment_text(index[position[row]])}

    return {
        "jumps": [{**at(row), "factor": factor} for row, factor in seen.jumps],
        "spikes": [{**at(row), "value": float(values[row])} for row in seen.spikes],
        "n_spikes": seen.n_spikes,
        "sentinels": [
            {"value": value, "n": count, "where": ", ".join(map(str, at(row).values()))}
            for value, count, row in seen.sentinels
        ],
    }


def _item_facts(
    items: tuple[str, ...], bounds: np.ndarray, position: np.ndarray, values: np.ndarray, index: pd.Index
) -> tuple[dict[str, Any], ...]:
    with np.errstate(invalid="ignore"):
        low = np.fmin.reduceat(values, bounds[:-1])
        high = np.fmax.reduceat(values, bounds[:-1])
    seen = np.add.reduceat(np.isfinite(values).astype(np.int64), bounds[:-1])
    total = np.add.reduceat(np.where(np.isfinite(values), values, 0.0), bounds[:-1])
    return tuple(
        {
            "item_id": items[i],
            "n": int(seen[i]),
            "start": moment_text(index[position[bounds[i]]]),
            "end": moment_text(index[position[bounds[i + 1] - 1]]),
            "min": float(low[i]),
            "max": float(high[i]),
            "mean": float(total[i] / max(1, seen[i])),
        }
        for i in range(min(len(items), MOST_LISTED))
    )


def _fingerprint(
    items: tuple[str, ...], bounds: np.ndarray, position: np.ndarray, index: pd.Index, values: np.ndarray,
    covariates: dict[str, np.ndarray],
) -> str:  # fmt: skip
    digest = hashlib.sha256()
    digest.update("\x1f".join(items).encode("utf-8", "surrogatepass"))
    digest.update(np.ascontiguousarray(bounds, dtype=np.int64).tobytes())
    whole = index.asi8 if isinstance(index, pd.DatetimeIndex) else index.to_numpy(np.int64)
    digest.update(np.ascontiguousarray(whole[position]).tobytes())
    digest.update(np.ascontiguousarray(values).tobytes())
    for name in sorted(covariates):
        column = covariates[name]
        digest.update(name.encode())
        digest.update(column.tobytes() if column.dtype != object else "\x1f".join(map(str, column)).encode())
    return digest.hexdigest()


def _of_frame(frame: SeriesFrame, options: ReadOptions) -> Reading:
    """A frame that is checked already, with a short profile; scores may be joined to it."""
    notes: list[Note] = []
    if options.join:
        frame, notes = with_join(frame, options.join, options, "item_id")
    store, index = frame.store, frame.calendar.instants
    values = np.where(store.observed, store.values, np.nan)
    covariates = {name: frame.data[name].to_numpy() for name in (*frame.known, *frame.past, *frame.static)}
    profile = Profile(
        name=frame.name,
        source="a frame in memory",
        n_rows=len(frame),
        n_items=len(frame.items),
        columns=tuple(map(str, frame.data.columns)),
        target=frame.target_name,
        time="timestamp",
        item="item_id" if len(frame.items) > 1 else "",
        why={},
        freq=frame.calendar.freq,
        freq_text=words(frame.calendar.freq),
        start=moment_text(index[int(store.starts.min())]),
        end=moment_text(index[int(store.ends.max())]),
        season_length=frame.season_length,
        season_text=f"season {frame.season_length}",
        fingerprint=_fingerprint(frame.items, store.offsets, frame.positions, index, values, covariates),
        n_missing=int((~store.observed).sum()),
        covariates=covariate_roles(frame),
        n_ahead=steps_ahead(frame),
        ragged={
            "starts": int((store.starts > store.starts.min()).sum()),
            "ends": int((store.ends < store.ends.max()).sum()),
        },
        items=_item_facts(frame.items, store.offsets, frame.positions, values, index),
        notes=tuple(notes),
    )
    return Reading(frame, profile)

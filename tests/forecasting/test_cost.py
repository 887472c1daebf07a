"""Costs by hand, the newsvendor's quantile, and what the sentences may claim."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.errors import ConfigError, DataError
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.cost import Cost, cost_table, money, overlap_of, quantile_at, quantile_columns
from forecastkit.forecasting.schema import SeriesFrame

COST = Cost(over=1, under=4)


def series(values, items=("a",)):
    days = pd.date_range("2024-01-01", periods=len(values), freq="D")
    parts = [pd.DataFrame({"item_id": i, "timestamp": days, "target": np.asarray(values, float)}) for i in items]
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar("D", days))


def forecasts(points, actual, *, model="m", role="report", seed=1, start=10, item="a", **quantiles):
    """One row a cutoff, one step ahead."""
    n = len(points)
    cutoff = pd.Timestamp("2024-01-01") + pd.to_timedelta(start + np.arange(n), unit="D")
    table = pd.DataFrame({"item_id": item, "cutoff": cutoff, "timestamp": cutoff + pd.Timedelta(days=1), "step": 1})
    table = table.assign(model=model, point=points, actual=actual, role=role, seed=seed)
    return table.assign(**{str(k): v for k, v in quantiles.items()})


@pytest.mark.parametrize(
    ("text", "over", "under"),
    [("over=1,under=4", 1, 4), (" under = 2.5 , over=1", 1, 2.5), ("under=3", 1, 3), ("over=1e3,under=1", 1000, 1)],
)
def test_cost_is_read(text, over, under):
    assert Cost.parse(text) == Cost(over=over, under=under)
    assert Cost.parse(str(Cost.parse(text))) == Cost.parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("over=1,undr=4", "Did you mean 'under'?"),
        ("over=1,over=2", "given twice"),
        ("over=x", "not a number"),
        ("over", "not key=number"),
        ("", "not key=number"),
        ("over=0,under=1", "above 0"),
        ("over=-1", "above 0"),
        ("over=nan", "above 0"),
        ("under=inf", "above 0"),
        ("over=1;under=4", "not a number"),
    ],
)
def test_wrong_cost_is_refused(text, said):
    with pytest.raises(ConfigError, match="--cost") as error:
        Cost.parse(text)
    assert said in str(error.value)


@pytest.mark.parametrize("value", [{"over": True}, {"over": "1"}, {"ovr": 1}])
def test_wrong_mapping_is_refused(value):
    with pytest.raises(ConfigError):
        Cost.parse(value)


def test_cost_by_hand():
    assert COST.of(np.array([12.0, 8.0, 5.0, np.nan]), np.array([10.0, 10.0, 5.0, 1.0])).tolist()[:3] == [2.0, 8.0, 0.0]
    assert np.isnan(COST.of(np.array([np.nan]), np.array([1.0]))).all()


def test_critical_ratio():
    assert COST.tau == 0.8
    assert Cost(over=3, under=1).tau == 0.25


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=5, max_size=60),
    st.floats(0.1, 20),
    st.floats(0.1, 20),
    st.floats(-1e3, 1e3),
)
def test_no_decision_beats_the_newsvendor_quantile(sample, over, under, other):
    cost, demand = Cost(over, under), np.array(sample)
    best = np.quantile(demand, cost.tau, method="inverted_cdf")
    assert (
        cost.of(np.full(len(demand), best), demand).sum() <= cost.of(np.full(len(demand), other), demand).sum() + 1e-6
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), st.floats(0.01, 0.99))
def test_interpolated_quantile_stays_between_its_neighbours(values, tau):
    levels, row = [0.1, 0.5, 0.9], np.sort(values)
    got = float(quantile_at(levels, row[None], tau)[0])
    assert row[0] - 1e-9 <= got <= row[-1] + 1e-9
    assert got == pytest.approx(float(np.interp(tau, levels, row)))


def test_quantile_columns_are_those_named_by_a_level():
    assert list(quantile_columns(pd.DataFrame(columns=["0.9", "point", "0.1", "1", "nan", "step"]))) == [0.1, 0.9]


def test_table_by_hand():
    actual = [10.0, 20.0]
    rows = pd.concat(
        [
            forecasts([12.0, 16.0], actual, model="m", **{"0.5": [12.0, 16.0], "0.9": [16.0, 24.0]}),
            forecasts([9.0, 19.0], actual, model="naive", **{"0.5": [9.0, 19.0], "0.9": [13.0, 23.0]}),
        ]
    )
    table = cost_table(rows, COST).set_index("model")
    # 0.8 lies three quarters of the way from 0.5 to 0.9: m decides 15 and 22, naive 12 and 22.
    assert table.loc["m", "cost"] == pytest.approx((5 + 2) / 2)
    assert table.loc["m", "cost_point"] == pytest.approx((2 + 16) / 2)
    assert table.loc["naive", "cost"] == pytest.approx((2 + 2) / 2)
    assert table.loc["m", "saving"] == pytest.approx(1 - 7 / 4)
    assert table.loc["m", "word"] == "too few to tell"
    assert np.isnan(table.loc["m", "saving_lo"])


def test_without_quantiles_points_are_compared_with_points():
    rows = pd.concat(
        [
            forecasts([12.0], [10.0], model="m"),
            forecasts([9.0], [10.0], model="naive").assign(**{"0.5": 9.0, "0.9": 10.0}),
        ]
    )
    table = cost_table(rows, COST).set_index("model")
    assert table.loc["m", "rule"] == "point"
    assert table.loc["m", "saving"] == pytest.approx(1 - 2 / 4)


def test_only_report_folds_count():
    good = forecasts([10.0] * 12, [10.0] * 12)
    bad = forecasts([99.0] * 3, [10.0] * 3, role="select", start=1)
    naive = pd.concat([forecasts([9.0] * 12, [10.0] * 12, model="naive"), bad.assign(model="naive")])
    table = cost_table(pd.concat([good, bad, naive]), COST).set_index("model")
    assert table.loc["m", "cost"] == 0
    assert table.loc["m", "n_folds"] == 12


def test_seeds_are_averaged_and_cells_are_common():
    actual = [10.0] * 12
    rows = pd.concat(
        [
            forecasts([11.0] * 12, actual, seed=1),
            forecasts([13.0] * 12, actual, seed=2),
            forecasts([12.0] * 11 + [50.0], actual, model="naive"),
        ]
    )
    rows = rows[~((rows["model"] == "m") & (rows["cutoff"] == rows["cutoff"].max()))]
    table = cost_table(rows, COST).set_index("model")
    assert table.loc["m", "cost"] == 2.0
    assert table.loc["naive", "cost"] == 2.0, "the fold that m lacks is left out for naive too"
    assert table.loc["m", "n_seeds"] == 2


def test_saving_is_tested_over_origins():
    rng = np.random.default_rng(0)
    actual = rng.normal(100, 10, 30)
    rows = pd.concat(
        [
            forecasts(actual + rng.normal(0, 1, 30), actual),
            forecasts(actual + rng.normal(0, 8, 30), actual, model="naive"),
        ]
    )
    row = cost_table(rows, COST).set_index("model").loc["m"]
    assert row["word"] == "better"
    assert 0 < row["saving_lo"] < row["saving"] < row["saving_hi"] < 1
    assert cost_table(rows, COST).equals(cost_table(rows, COST))


def test_folds_aligned_by_each_end_count_once():
    actual = [10.0] * 12
    parts = []
    for item, start in (("a", 10), ("b", 13)):
        parts += [forecasts([11.0] * 12, actual, item=item, start=start)]
        parts += [forecasts([12.0] * 12, actual, item=item, start=start, model="naive")]
    rows = pd.concat(parts)
    assert cost_table(rows, COST).loc[0, "n_folds"] == 15
    assert cost_table(rows, COST, align="end").loc[0, "n_folds"] == 12


def test_overlap_comes_from_cutoffs():
    frame = series(np.arange(40.0))
    rows = forecasts([1.0] * 5, [1.0] * 5)
    assert overlap_of(rows, frame) == 1
    third = rows.assign(step=3, timestamp=rows["cutoff"] + pd.Timedelta(days=3))
    assert overlap_of(pd.concat([rows, third]), frame) == 3
    assert overlap_of(third.assign(step=1), frame) == 3  # a gap of two rows
    assert overlap_of(rows[:1], frame) == 1


def test_unknown_reference_and_empty_backtest():
    with pytest.raises(ConfigError, match="Did you mean 'naive'"):
        cost_table(forecasts([1.0], [1.0], model="naive"), COST, reference="naiv")
    with pytest.raises(DataError, match="no report fold"):
        cost_table(forecasts([1.0], [np.nan]), COST)
    with pytest.raises(DataError, match="actual"):
        cost_table(forecasts([1.0], [1.0]).drop(columns="actual"), COST)


def money_of(n, spread, **options):
    rng = np.random.default_rng(1)
    actual = rng.normal(100, 10, n)
    rows = pd.concat(
        [
            forecasts(actual + rng.normal(0, spread, n), actual),
            forecasts(actual + rng.normal(0, 8, n), actual, model="naive"),
        ]
    )
    return money(rows, "over=1,under=4", None, series(np.arange(80.0)), use="m", **options)


def test_money_is_json_and_says_it_in_two_languages():
    found = money_of(30, 1)
    json.dumps(found, allow_nan=False)
    assert found["trading"] is None
    assert found["cost"]["tau"] == 0.8
    said = found["cost"]["sentence"]
    assert "m costs" in said["en"]
    assert "naive" in said["en"]
    assert "more than chance" in said["en"]
    assert "más de lo que daría el azar" in said["es"]
    assert "," in said["es"]


def test_money_does_not_claim_what_is_not_shown():
    assert "too few to tell" in money_of(6, 1)["cost"]["sentence"]["en"]
    assert "may be chance" in money_of(30, 8)["cost"]["sentence"]["en"]


def test_a_model_chosen_on_the_same_forecasts_gets_holms_test():
    assert "may be chance" not in money_of(30, 1, chosen_here=True)["cost"]["sentence"]["en"]


def test_money_chooses_on_select_folds_alone():
    parts = []
    for role, start, good, bad in (("select", 1, "m", "k"), ("report", 20, "k", "m")):
        parts += [forecasts([10.0] * 10, [10.0] * 10, model=good, role=role, start=start)]
        parts += [forecasts([15.0] * 10, [10.0] * 10, model=bad, role=role, start=start)]
        parts += [forecasts([12.0] * 10, [10.0] * 10, model="naive", role=role, start=start)]
    found = money(pd.concat(parts), COST, None, series(np.arange(80.0)))
    assert found["cost"]["model"] == "m"


def test_a_quantile_beyond_those_forecast_is_said():
    rows = pd.concat([forecasts([9.0], [10.0], model=m, **{"0.1": [8.0], "0.9": [11.0]}) for m in ("m", "naive")])
    found = money(rows, "over=1,under=99", None, series(np.arange(80.0)), use="m")
    assert "0.9 was used" in found["cost"]["notes"]["en"][0]
    assert "El cuantil 0,99 queda fuera de los pronosticados; se usó 0,9" in found["cost"]["notes"]["es"][0]
    said = money(rows, "over=1.5,under=2.5", None, series(np.arange(80.0)), use="m")["cost"]["sentence"]["es"]
    assert "Con un coste de 1,5 por unidad de más y 2,5 por unidad de menos" in said

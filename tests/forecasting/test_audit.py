"""An audit must find each planted leak, and nothing where there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from forecastkit import registry
from forecastkit.cli import main
from forecastkit.errors import ConfigError, DataError, UnknownNameError
from forecastkit.forecasting.audit import audit, audit_pipeline
from forecastkit.forecasting.audit_covariates import check_covariates
from forecastkit.forecasting.audit_data import check_data
from forecastkit.forecasting.audit_future import alter_frame, differences
from forecastkit.forecasting.models.naive import Naive
from forecastkit.forecasting.protocol import Capabilities
from tests.conftest import build_panel
from tests.forecasting import leaky

# --- a pipeline of the user's own


@pytest.mark.parametrize("name", leaky.LEAKS)
def test_a_planted_leak_is_found(name):
    report = audit_pipeline(leaky.LEAKS[name], leaky.make_table(), 3, leaky.HORIZON, name=name)
    assert report.exit_status == 1, report.to_frame().to_string()
    assert "became" in report.leaks[0].seen


def test_the_clean_pipeline_is_clean():
    report = audit_pipeline(leaky.clean, leaky.make_table(), 4, leaky.HORIZON)
    assert [r.status for r in report.rows] == ["ok", "ok", "ok"]
    assert report.exit_status == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", [*leaky.LEAKS, "clean"])
def test_the_answer_does_not_hang_on_one_draw(name, seed):
    pipeline = leaky.LEAKS.get(name, leaky.clean)
    report = audit_pipeline(pipeline, leaky.make_table(seed=seed + 1), 3, leaky.HORIZON, seed=seed)
    assert report.exit_status == (0 if name == "clean" else 1)


def test_a_covariate_declared_known_may_be_used_within_the_horizon():
    report = audit_pipeline(leaky.future_covariate, leaky.make_table(), 3, leaky.HORIZON, known=("promo",))
    assert report.exit_status == 0


def test_a_pipeline_that_draws_without_a_seed_is_not_judged():
    def unseeded(table, cutoff):
        return np.random.default_rng().normal(size=3)

    report = audit_pipeline(unseeded, leaky.make_table(), 2, 4)
    assert {r.status for r in report.rows} == {"skipped"}
    assert "seed" in report.rows[0].seen


def test_a_pipeline_that_stumbles_over_blank_rows_reads_them():
    def strict(table, cutoff):
        if table["target"].tail(5).isna().any():
            raise ValueError("NaN in y")
        return leaky.clean(table, cutoff)

    by_check = {r.check: r for r in audit_pipeline(strict, leaky.make_table(), 2, 4).rows}
    assert by_check["scrambled"].status == "ok"
    assert by_check["blank"].status == "suspicion"
    assert "NaN in y" in by_check["blank"].seen


def test_a_pipeline_may_write_into_its_table():
    def writes(table, cutoff):
        out = leaky.clean(table, cutoff)
        table["target"] = 0.0
        return out

    table = leaky.make_table()
    before = table.copy()
    assert audit_pipeline(writes, table, 2, 4).exit_status == 0
    pd.testing.assert_frame_equal(table, before)


def test_bad_input_of_the_pipeline_audit():
    table = leaky.make_table()
    with pytest.raises(UnknownNameError, match="promo"):
        audit_pipeline(leaky.clean, table, 3, 4, known=("promoo",))
    with pytest.raises(DataError, match="after it"):
        audit_pipeline(leaky.clean, table, [table["timestamp"].iloc[-1]], 4)
    with pytest.raises(DataError, match="3 rows before"):
        audit_pipeline(leaky.clean, table.head(6), 3, 4)


# --- models


@pytest.mark.parametrize("name", registry.list_models())
def test_registered_models_are_clean(name):
    report = audit(build_panel((110, 80, 6)), [name], horizon=4, n_cutoffs=2)
    future = next(r for r in report.rows if r.check == "future")
    assert future.status == "ok", future.seen
    assert report.exit_status == 0


@pytest.mark.parametrize("name", ["theta", "arima", "lstm"])
def test_a_backtest_that_fits_to_later_rows_is_found(name, monkeypatch):
    monkeypatch.setattr("forecastkit.forecasting.backtest.cut", lambda frame, at, first=None: frame)
    report = audit(build_panel((110, 80)), [name], horizon=4, n_cutoffs=1)
    (leak,) = report.leaks
    assert (leak.check, leak.model) == ("future", name)
    assert "state" in leak.seen


def test_a_scale_of_all_rows_is_found(monkeypatch):
    from forecastkit.forecasting.scaling import InstanceScale

    frame = build_panel((110, 80), missing=0.0)

    def leaking(store, windows, context_length, horizon, *, scaling="instance"):
        batch = gather(store, windows, context_length, horizon, scaling=scaling)
        n = len(windows)
        return batch._replace(scale=InstanceScale(np.full(n, store.values.mean()), np.ones(n)))

    from forecastkit.forecasting.windows import gather

    monkeypatch.setattr("forecastkit.forecasting.audit.gather", leaking)
    (leak,) = audit(frame, ["naive"], horizon=4).leaks
    assert leak.check == "inputs"
    assert "scale centre" in leak.seen


@dataclass(frozen=True)
class _Peeking:
    """Naive, but it looks ahead in one place."""

    where: str
    horizon: int = 4
    info: dict = field(default_factory=dict)
    curves: list = field(default_factory=list)
    kept: tuple = ()
    point: ClassVar[str] = "mean"
    complexity: ClassVar[int] = 0
    family: ClassVar[str] = "baseline"
    capabilities: ClassVar[Capabilities] = Capabilities()

    def fit(self, frame, *, horizon, context=None):
        return replace(self, horizon=horizon, kept=(float(frame.store.values.mean()),))

    def predict_at(self, frame, cutoffs):
        plain = Naive().fit(frame, horizon=self.horizon).predict_at(frame, cutoffs)
        if self.where == "next row":
            ahead = np.minimum(np.asarray(cutoffs) + 1, len(frame.calendar) - 1)
            return (
                plain + 1e-9 * np.stack([frame.store.values[frame.positions == a].sum() for a in ahead])[:, None, None]
            )
        if self.where == "batch":
            return plain - np.nanmean(plain, axis=0)
        if self.where == "gap":
            y = frame.data["target"].interpolate(limit_direction="both").to_numpy()
            own = frame.store.offsets[:-1] - frame.store.starts
            rows = np.asarray(cutoffs)[:, None] + own
            return np.repeat(y[np.clip(rows, 0, len(y) - 1)][:, :, None], self.horizon, axis=2)
        if self.where == "draw":
            return plain + np.random.default_rng().normal(size=plain.shape)
        return np.zeros_like(plain)

    def quantiles_at(self, frame, cutoffs):
        return None

    def update(self, frame):
        return self

    def state(self):
        return {"kept": np.array(self.kept)}, {}


@pytest.mark.parametrize("where", ["next row", "batch", "gap"])
def test_a_model_that_peeks_is_found(where):
    report = audit(build_panel((90, 90), missing=0.0), {"mine": _Peeking(where)}, horizon=4)
    (leak,) = report.leaks
    assert (leak.check, leak.model) == ("future", "mine")
    assert "forecast" in leak.seen


def test_a_model_that_draws_is_not_judged_and_one_that_sees_nothing_is_remarked():
    report = audit(build_panel((90, 90)), {"draws": _Peeking("draw"), "deaf": _Peeking("nothing")}, horizon=4)
    status = {r.model: r.status for r in report.rows if r.check == "future"}
    assert status == {"draws": "skipped", "deaf": "remark"}


def test_a_network_that_repeats_yesterday_is_remarked():
    rng = np.random.default_rng(4)
    frame = build_panel((200,), missing=0.0)
    walk = replace(frame, data=frame.data.assign(target=100 + np.cumsum(rng.normal(size=200))), season_length=1)
    report = audit(walk, ["lstm"], horizon=2, n_cutoffs=1)
    lag = next(r for r in report.rows if r.check == "lag")
    assert lag.status == "remark"
    assert report.exit_status == 0


def test_a_constant_history_that_moves_later_is_no_leak():
    # Theta forecasts the last value then.
    report = audit(series(np.zeros(60)), ["naive", "theta"], horizon=4)
    status = {r.model: r.status for r in report.rows if r.check == "future"}
    assert status == {"naive": "ok", "theta": "ok"}
    assert report.exit_status == 0


def test_short_series_are_not_called_clean():
    frame = replace(series(walk(30)), past=("x",))
    frame = replace(frame, data=frame.data.assign(x=walk(30, seed=6)))
    status = {r.check: r.status for r in audit(frame, ["naive"]).rows}
    assert status["covariate"] == status["smoothing"] == "skipped"


def test_bad_input_of_the_audit():
    frame = build_panel((60,))
    with pytest.raises(UnknownNameError, match="lstm"):
        audit(frame, ["lsmt"])
    with pytest.raises(UnknownNameError, match="covariates"):
        audit(frame, ["naive"], past=("rain",))
    with pytest.raises(ConfigError, match="n_cutoffs"):
        audit(frame, ["naive"], n_cutoffs=0)
    with pytest.raises(DataError, match="Shorten the horizon"):
        audit(frame, ["naive"], horizon=58)


# --- covariates


def with_covariate(values, **roles):
    frame = build_panel((300, 220), missing=0.0)
    made = values(frame.data) if callable(values) else values
    return replace(frame, data=frame.data.assign(x=made), **(roles or {"past": ("x",)}))


def by_item(data, how):
    return data.groupby("item_id")["target"].transform(how)


LEAKY_COVARIATES = {
    "the next value": lambda d: by_item(d, lambda s: s.shift(-1)),
    "a value three rows later, in other units": lambda d: by_item(d, lambda s: 1.8 * s.shift(-3) + 32),
    "a centred average": lambda d: by_item(d, lambda s: s.rolling(5, center=True).mean()),
    "a change that has not happened": lambda d: by_item(d, lambda s: s.shift(-1) - s),
}


@pytest.mark.parametrize("name", LEAKY_COVARIATES)
def test_a_covariate_made_of_the_future_is_a_leak(name):
    (row,) = check_covariates(with_covariate(LEAKY_COVARIATES[name]), 5)
    assert row.status == "leak"
    assert "later" in row.seen


def test_a_covariate_that_knows_too_much_is_suspected():
    noise = np.random.default_rng(77).normal(0, 0.5, 520)
    (row,) = check_covariates(with_covariate(lambda d: by_item(d, lambda s: s.shift(-1)) + noise), 5)
    assert row.status == "suspicion"


def test_an_encoding_with_all_rows_is_suspected():
    encoded = with_covariate(lambda d: d.groupby(d["timestamp"].dt.dayofweek)["target"].transform("mean"))
    (row,) = check_covariates(encoded, 5)
    assert row.status == "suspicion"
    assert "mean of the target" in row.seen


def test_copies_of_the_past_are_remarked():
    (row,) = check_covariates(with_covariate(lambda d: by_item(d, lambda s: s.shift(1))), 5)
    assert row.status == "remark"
    assert "1 row before" in row.seen


@pytest.mark.parametrize("seed", range(10))
def test_honest_covariates_are_not_accused(seed):
    rng = np.random.default_rng(100 + seed)
    honest = {
        "noise": lambda d: rng.normal(size=len(d)),
        "trailing": lambda d: by_item(d, lambda s: s.rolling(5).mean()),
        "weekday": lambda d: d["timestamp"].dt.dayofweek.astype(float),
        "related": lambda d: d["target"] * 0.5 + rng.normal(size=len(d)),
        "switch": lambda d: (rng.random(len(d)) < 0.1).astype(float),
    }
    for name, values in honest.items():
        (row,) = check_covariates(with_covariate(values), 5)
        assert row.status == "ok", (name, row.seen)


def test_a_known_covariate_that_is_the_answer():
    (row,) = check_covariates(with_covariate(lambda d: d["target"], known=("x",)), 5)
    assert row.status == "leak"
    assert "known ahead" in row.seen


def test_text_is_said_to_be_left_out():
    (row,) = check_covariates(with_covariate(lambda d: np.where(d["target"] > 50, "high", "low")), 5)
    assert row.status == "skipped"


# --- traces in the data


def series(values):
    values = np.asarray(values, dtype=float)
    frame = build_panel((len(values),), missing=0.0)
    return replace(frame, data=frame.data.assign(target=values))


def walk(n=600, seed=5):
    return np.cumsum(np.random.default_rng(seed).normal(size=n))


def found(frame, check, cutoffs=(400, 500)):
    return next(r for r in check_data(frame, cutoffs) if r.check == check)


def test_rows_copied_over_the_cutoff_are_suspected():
    y = walk()
    y[520:540] = y[100:120]
    row = found(series(y), "repeated rows")
    assert row.status == "suspicion"
    assert "across a cutoff" in row.seen


def test_the_same_series_twice_is_remarked():
    frame = build_panel((300, 300), missing=0.0)
    y = walk(300)
    row = found(replace(frame, data=frame.data.assign(target=np.r_[y, y])), "repeated rows", (150,))
    assert row.status == "remark"
    assert "2 series hold the same numbers" in row.seen


def test_interpolated_stretches_are_suspected():
    y = walk()
    for start in (60, 200, 333):
        y[start : start + 8] = np.linspace(y[start], y[start + 7], 8)
    row = found(series(y), "interpolation")
    assert row.status == "suspicion"
    assert "3 stretches, 24 rows" in row.seen


@pytest.mark.parametrize("width", [3, 5, 7])
def test_a_moving_average_is_suspected(width):
    noise = np.random.default_rng(width).normal(size=2000)
    for y in (np.cumsum(noise), 10 + noise):
        row = found(series(np.convolve(y, np.ones(width) / width, "valid")), "smoothing")
        assert row.status == "suspicion"
        assert f"of {width} rows" in row.seen


def test_scaling_by_all_rows_is_suspected():
    y = walk()
    for scaled in ((y - y.mean()) / y.std(), (y - y.min()) / np.ptp(y)):
        assert found(series(scaled), "scaling").status == "suspicion"


@pytest.mark.parametrize("seed", range(20))
def test_honest_series_are_not_accused(seed):
    rng = np.random.default_rng(seed)
    n = 1200
    honest = {
        "walk": np.cumsum(rng.normal(size=n)),
        "noise": rng.normal(7, 2, n),
        "counts": rng.poisson(2.0, n).astype(float),
        "rare": (rng.random(n) < 0.05).astype(float),
        "whole walk": np.cumsum(rng.integers(-1, 2, n)).astype(float),
        "season": 20 + 5 * np.sin(2 * np.pi * np.arange(n) / 7) + rng.normal(size=n),
        "rounded": np.round(np.cumsum(rng.normal(0, 0.2, n)), 1),
    }
    for name, y in honest.items():
        guilty = [r.seen for r in check_data(series(y), (800, 1000)) if r.status not in ("ok", "remark")]
        assert not guilty, (name, guilty)


# --- the parts


def test_known_covariates_stay_within_the_horizon_only():
    frame = build_panel((60,), missing=0.0)
    frame = replace(frame, data=frame.data.assign(k=1.0, p=2.0), known=("k",), past=("p",))
    data = alter_frame(frame, 40, "scrambled", horizon=5, known=("k",)).data
    assert (data["k"] == 1.0).to_numpy().nonzero()[0].tolist() == list(range(46))
    assert (data["p"] == 2.0).sum() == 41
    assert (frame.data["p"] == 2.0).all()


def test_differences_are_bits():
    assert not differences({"a": [1.0, np.nan]}, {"a": [1.0, np.nan]})
    assert differences(0.0, -0.0)
    (one,) = differences({"a": np.zeros(3)}, {"a": np.array([0.0, 1e-300, 0.0])})
    assert (one.n, one.where) == (1, (1,))
    assert differences({"a": 1}, {"b": 1})
    assert differences(np.zeros(2), np.zeros(3))


# --- the command


def test_the_command_prints_a_table_and_tells_by_its_status(small_csv, tmp_path, capsys):
    assert main(["audit", "--data", str(small_csv), "--models", "naive,drift"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["check", "model", "status"]
    assert "No leak found" in out
    table = pd.read_csv(small_csv)
    table["tomorrow"] = table.groupby("store")["sales"].shift(-1)
    leaking = tmp_path / "leaking.csv"
    table.to_csv(leaking, index=False)
    words = ["audit", "--data", str(leaking), "--target", "sales", "--models", "naive", "--past", "tomorrow"]
    assert main(words) == 1
    assert "equals the target 1 row later" in " ".join(capsys.readouterr().out.split())
    assert main([*words, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["exit_status"]) == ("leak", 1)
    assert any(row["check"] == "covariate" and row["status"] == "leak" for row in told["rows"])


def test_interpolation_by_the_reader_is_a_leak(small_csv, tmp_path, capsys):
    table = pd.read_csv(small_csv)
    table.loc[[30, 31, 90], "sales"] = np.nan
    path = tmp_path / "gaps.csv"
    table.to_csv(path, index=False)
    words = ["audit", "--data", str(path), "--models", "naive"]
    assert main([*words, "--fill", "interpolate"]) == 1
    assert "filled 3 rows" in " ".join(capsys.readouterr().out.split())
    assert main([*words, "--fill", "forward"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no data given"),
        (["--data", "missing.csv"], "no such file"),
        (["--data", "dataset:demand", "--models", "lsmt"], "Did you mean 'lstm'"),
        (["--data", "dataset:demand", "--models", "naive", "--past", "windd"], "Did you mean 'wind'"),
        (["--data", "dataset:demand", "--models", ","], "no model named"),
        (["--data", "dataset:demand", "--models", "naive", "--horizon", "0"], "at least 1"),
    ],
)
def test_bad_input_ends_with_2(words, said, capsys):
    assert main(["audit", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1

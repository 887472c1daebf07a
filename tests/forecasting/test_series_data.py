"""DataModules for anyone's network: parts by time, nothing learned from later rows, back to units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import forecastkit as fk
from forecastkit.errors import ConfigError, DataError
from forecastkit.forecasting.series_data import KINDS, SeriesData

N = 300


def table(seed: int = 0, n: int = N) -> pd.DataFrame:
    """Two shops over one range, the second one late; a number and a word beside."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2022-01-01", periods=n, freq="D")
    parts = []
    for k, shop in enumerate(("a", "b")):
        y = 100 * (k + 1) + 20 * np.sin(2 * np.pi * np.arange(n) / 7) + rng.normal(0, 3, n) + 0.1 * np.arange(n)
        part = pd.DataFrame(
            {"shop": shop, "day": days, "sales": y, "heat": rng.normal(20, 5, n), "kind": ["x", "y"][k]}
        )
        parts.append(part[30 * k :])
    return pd.concat(parts, ignore_index=True)


READING = {"target": "sales", "item": "shop"}


def module(**more) -> SeriesData:
    options = {"horizon": 7, "context_length": 14, "reading": READING, **more}
    found = fk.DemandData(options.pop("source", table()), **options)
    found.setup()
    return found


class Tiny(pl.LightningModule):
    """Somebody's own network: one linear map of the context."""

    def __init__(self, context_length: int, horizon: int) -> None:
        super().__init__()
        self.net = nn.Linear(context_length, horizon)

    def forward(self, batch):
        return self.net(batch.past[:, :, 0])

    def training_step(self, batch, _):
        error = (self(batch) - batch.target) * batch.target_observed
        return (error**2).mean()

    def validation_step(self, batch, _):
        self.log("valid", self.training_step(batch, 0))

    def predict_step(self, batch, _):
        return self(batch)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)


def trainer(**more) -> pl.Trainer:
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(max_epochs=20, accelerator="cpu", **quiet, **more)


def test_anyones_module_and_trainer_forecast_in_units():
    data = module(known="heat", static="kind", source=table())
    net = Tiny(data.sizes["context_length"], data.sizes["horizon"])
    trainer().fit(net, data)
    rows = []
    for batch in data.test_dataloader():
        with torch.no_grad():
            rows.append(data.forecasts(net(batch), batch))
    forecasts = pd.concat(rows)
    assert set(forecasts.columns) == {"item_id", "cutoff", "timestamp", "step", "point"}
    assert forecasts["cutoff"].min() >= data.frame.calendar.instants[data.ends[1]]
    # The forecasts go to the judge as they are, and a sine is easy.
    judged = fk.evaluate(forecasts, data.frame)
    board = judged.leaderboard.set_index("model")
    assert board.loc["given", "mase"] < board.loc["seasonal_naive", "mase"] < board.loc["naive", "mase"]


def test_every_window_lies_in_one_part_and_holds_its_own_rows():
    data = module(transform="none")
    calendar = data.frame.calendar.instants
    seen = {}
    for name, loader in (
        ("train", data.train_dataloader),
        ("valid", data.val_dataloader),
        ("test", data.test_dataloader),
    ):
        ends = []
        for batch in loader():
            for k in range(len(batch.item)):
                item, row = int(batch.item[k]), int(batch.row[k])
                y = data.frame.store.series(item)
                np.testing.assert_allclose(batch.target[k], y[row + 1 : row + 8], rtol=1e-6)
                past = y[max(0, row - 13) : row + 1]
                np.testing.assert_allclose(batch.past[k, 14 - len(past) :, 0], past, rtol=1e-6)
                start = int(data.frame.store.starts[item])
                ends.append((start + row + 1, start + row + 7))
        seen[name] = (min(e[0] for e in ends), max(e[1] for e in ends), len(ends))
    assert data.ends == (209, 254, 299)
    assert seen["train"][1] == 209
    assert seen["valid"][:2] == (210, 254)
    assert seen["test"][:2] == (255, 299)
    assert str(calendar[209].date()) == "2022-07-29"
    # All of them: 45 targets a series in each later part.
    assert seen["valid"][2] == seen["test"][2] == 2 * (45 - 6)


@pytest.mark.parametrize("scale_windows", [False, True])
@pytest.mark.parametrize("transform", KINDS)
def test_later_rows_change_nothing_before_them(transform, scale_windows):
    def batches(data: SeriesData, loader: str) -> list[np.ndarray]:
        return [x.numpy() for batch in getattr(data, loader)() for x in batch if x is not None]

    plain = table()
    scrambled = plain.copy()
    late = scrambled["day"] > "2022-09-12"  # after the end of the validation part
    scrambled.loc[late, ["sales", "heat"]] = np.random.default_rng(9).uniform(1, 1e6, (late.sum(), 2))
    options = {"past": "heat", "transform": transform, "scale_windows": scale_windows}
    a, b = module(source=plain, **options), module(source=scrambled, **options)
    assert a.transform == b.transform
    assert a.encoder == b.encoder
    for loader in ("train_dataloader", "val_dataloader"):
        for x, y in zip(batches(a, loader), batches(b, loader), strict=True):
            np.testing.assert_array_equal(x, y)
    assert not all(np.array_equal(x, y) for x, y in zip(batches(a, "test_dataloader"), batches(b, "test_dataloader")))


@settings(max_examples=40, deadline=None)
@given(
    transform=st.sampled_from(KINDS), scale_windows=st.booleans(), seed=st.integers(0, 999), scale=st.sampled_from([1, 1e4]),
    quantiles=st.booleans(),
)  # fmt: skip
def test_there_and_back(transform, scale_windows, seed, scale, quantiles):
    rows = table(seed, 120)
    rows["sales"] = rows["sales"].abs() * scale + 1
    data = module(source=rows, transform=transform, scale_windows=scale_windows)
    batch = next(iter(data.test_dataloader()))
    wanted = np.stack([
        data.frame.store.series(int(i))[int(r) + 1 : int(r) + 8] for i, r in zip(batch.item, batch.row)
    ])  # fmt: skip
    z = batch.target[:, :, None].expand(-1, -1, 3) if quantiles else batch.target
    y = data.inverse(z, batch)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y[..., 0] if quantiles else y, wanted, rtol=2e-4)


def test_predict_gives_one_window_a_series_and_what_comes_next():
    data = module()
    (batch,) = data.predict_dataloader()
    assert len(batch.item) == 2
    assert not batch.target_observed.any()
    rows = data.forecasts(torch.zeros(2, 7), batch)
    assert rows.groupby("item_id")["timestamp"].first().unique() == [pd.Timestamp("2022-10-28")]
    assert (rows["cutoff"] == pd.Timestamp("2022-10-27")).all()
    known = module(known="heat")
    with pytest.raises(DataError, match="known covariates heat: missing of series 'a' at 2022-10-28 to 2022-11-03"):
        known.predict_dataloader()


def test_the_order_of_training_windows_is_the_seeds():
    first, again, other = (next(iter(module(seed=s).train_dataloader())).row for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_covariates_have_their_places():
    data = module(past="heat", static="kind", holidays="ES")
    batch = next(iter(data.train_dataloader()))
    sizes = data.sizes
    assert batch.past.shape[2] == sizes["n_past"] == 2
    assert batch.known is not None
    assert batch.known.shape[1:] == (21, sizes["n_known"])
    assert batch.static is None
    assert batch.static_cat is not None
    assert data.categories == {"past": (), "known": (), "static": (3,)}
    plain = module()
    assert plain.sizes["n_past"] == 1


def test_kinds_know_their_columns(tmp_path):
    days = pd.bdate_range("2020-01-01", periods=200)
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, 200)))
    prices = pd.DataFrame({"date": days, "close": close, "adj_close": close * 0.9, "volume": rng.integers(1, 9, 200)})
    stocks = fk.StocksData(prices, context_length=20)
    stocks.setup()
    assert (stocks.frame.target_name, stocks.frame.past, stocks.horizon) == ("adj_close", ("volume",), 10)
    assert stocks.transform.kind == "log"
    batch = next(iter(stocks.train_dataloader()))
    full = batch.row >= 19
    np.testing.assert_allclose(batch.past[full, :, 0].mean(dim=1), 0, atol=1e-4)
    weather = pd.DataFrame({
        "no": range(200), "date": pd.date_range("2020-01-01", periods=200), "temperature": rng.normal(size=200),
        "wind": rng.normal(size=200),
    })  # fmt: skip
    skies = fk.WeatherData(weather, reading={"target": "temperature"}, context_length=20)
    skies.setup()
    assert skies.frame.past == ("wind",)
    assert fk.WeatherData(weather, past=(), reading={"target": "temperature"}).usual_transform == "standard"


def test_parts_by_date():
    data = module(split=("2022-06-30", "2022-08"))
    instants = data.frame.calendar.instants
    assert [str(instants[e].date()) for e in data.ends] == ["2022-06-30", "2022-08-31", "2022-10-27"]
    no_valid = module(split=(0.8, 0.0))
    assert len(list(no_valid.val_dataloader())) == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"transform": "logg"}, ConfigError, "Did you mean 'log'"),
        ({"transform": "difference"}, ConfigError, "no such transform of windows"),
        ({"split": (0.9, 0.2)}, ConfigError, "leave some for the test"),
        ({"split": ("2022-09-01", "2022-06-01")}, ConfigError, "two days in this order"),
        ({"split": ("spring", "summer")}, ConfigError, "'spring'; not a date"),
        ({"split": (0.7,)}, ConfigError, "two shares of the time or two last days"),
        ({"split": 0.7}, ConfigError, "two shares of the time or two last days"),
        ({"horizon": 0}, ConfigError, "horizon: 0; a whole number of at least 1"),
        ({"horizon": 2.5}, ConfigError, "horizon: 2.5; a whole number"),
        ({"horizon": "7"}, ConfigError, "horizon: '7'; a whole number"),
        ({"context_length": -5}, ConfigError, "context_length: -5; a whole number"),
        ({"batch_size": 0}, ConfigError, "batch_size: 0; a whole number"),
        ({"split": (0.97, 0.01)}, DataError, "valid part: 3 steps; no window with 7 observed steps"),
        ({"reading": {"targit": "sales"}}, ConfigError, "DemandData, targit: no such argument. Did you mean 'target'"),
        ({"past": "humidity"}, ConfigError, "humidity"),
    ],
)
def test_what_cannot_be(options, error, message):
    with pytest.raises(error, match=message):
        module(**options)


def test_a_checked_frame_has_its_covariates_already():
    frame = fk.as_frame(table(), target="sales", item="shop", past="heat")
    assert module(source=frame, reading=None).sizes["n_past"] == 2
    with pytest.raises(ConfigError, match="past, known: a checked frame has its covariates already"):
        module(source=frame, reading=None, past="heat", known="kind")


def test_nothing_happens_before_setup():
    fk.DemandData("there-is-no-such-file.csv")

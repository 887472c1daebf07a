"""Models of other packages: found by metadata on the path, no installer needed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from forecastkit import registry
from forecastkit.cli import main
from forecastkit.errors import ConfigError, UnknownNameError

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
BROKEN = {
    "absent": "half_way_broken:NotThere",
    "no_module": "half_way_nowhere:Model",
    "plain_class": "half_way_broken:Plain",
    "shapeless": "half_way_broken",
    "odd_family": "half_way_broken:OddFamily",
    "needy": "half_way_broken:Needy",
    "naive": "half_way_broken:Raises",
    "9lives": "half_way_broken:Raises",
}
BROKEN_CODE = '''
from dataclasses import dataclass
from half_way import HalfWay

class Plain: pass

@dataclass(frozen=True)
class OddFamily(HalfWay):
    family = "magic"

@dataclass(frozen=True)
class Needy:
    share: float
    point, complexity, family, capabilities = "mean", 1, "baseline", HalfWay.capabilities
    fit, restore = HalfWay.fit, HalfWay.restore

@dataclass(frozen=True)
class Raises(HalfWay):
    """Raises what no library raises."""
    def fit(self, frame, *, horizon, context=None):
        raise KeyError("who knows")

@dataclass(frozen=True)
class WrongShape(HalfWay):
    """Forecasts one series for all."""
    def fit(self, frame, *, horizon, context=None):
        fitted = super().fit(frame, horizon=horizon)
        class Odd(type(fitted)):
            def predict_at(self, frame, cutoffs):
                return super().predict_at(frame, cutoffs)[:, :1]
        return Odd(self.share, horizon)
'''


@pytest.fixture
def half_way(tmp_path, monkeypatch):
    """The package of the page, as an installer would leave it."""
    folder = tmp_path / "site"
    info = folder / "half_way-0.3.dist-info"
    info.mkdir(parents=True)
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    (folder / "half_way.py").write_text(code)
    (folder / "half_way_broken.py").write_text(BROKEN_CODE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: half-way\nVersion: 0.3\n")
    good = {
        "half_way": "half_way:HalfWay",
        "raises": "half_way_broken:Raises",
        "wrong_shape": "half_way_broken:WrongShape",
    }
    lines = [f"{name} = {value}" for name, value in {**good, **BROKEN}.items()]
    (info / "entry_points.txt").write_text("[forecastkit.models]\n" + "\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("half_way", "half_way_broken"):
        sys.modules.pop(name, None)


def test_it_is_listed_with_its_package_and_the_broken_with_their_reason(half_way, capsys):
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"half_way +baseline +Between the last value and the mean of all; from half-way 0.3\n", said)
    for name in BROKEN:
        assert f"not usable: model {name} of half-way 0.3: " in said
    assert "the name belongs to forecastkit" in said


def test_options_are_checked_like_those_of_any_model(half_way):
    model = registry.create_model("half_way", share="0.25")
    assert model.share == 0.25
    assert registry.options_of(model) == {"share": 0.25}
    assert registry.is_foreign(model)
    assert registry.is_foreign(registry.create_model("half_way", transform="log"))
    assert not registry.is_foreign(registry.create_model("naive", transform="log"))
    with pytest.raises(UnknownNameError, match="Did you mean 'share'"):
        registry.create_model("half_way", shares=1)
    with pytest.raises(UnknownNameError, match="Did you mean 'half_way'"):
        registry.create_model("halfway")


@pytest.mark.parametrize("name", [n for n in BROKEN if n not in ("naive", "9lives")])
def test_a_broken_one_is_refused_by_name(half_way, name):
    with pytest.raises(ConfigError, match=rf"model {name} of half-way 0.3: .*Mend or uninstall that package"):
        registry.create_model(name)


def test_a_taken_name_stays_with_this_package(half_way):
    assert type(registry.create_model("naive")).__module__ == "forecastkit.forecasting.models.naive"


def test_a_run_measures_it_saves_it_and_forecasts_with_it(half_way, small_csv, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["fit", "--data", str(small_csv), "--horizon", "5", "--models", "half_way,raises,wrong_shape", "--quiet"]
    words += ["baselines=naive", "final=half_way", "models.half_way.share=0.25", "--out", str(out)]
    assert main(words) == 0
    board = pd.read_csv(out / "leaderboard.csv").set_index("model")
    assert board.loc["half_way", "status"] == "ok"
    assert board.loc["raises", "reason"] == "KeyError: 'who knows'"
    assert "are of shape" in board.loc["wrong_shape", "reason"]
    assert main(["predict", str(out), "--out", str(tmp_path / "next.csv")]) == 0
    assert (tmp_path / "next.csv").read_bytes() == (out / "forecast.csv").read_bytes()
    table = pd.read_csv(small_csv)
    y = table.loc[table["store"] == "item0", "sales"]
    first = pd.read_csv(out / "forecast.csv").iloc[0]
    assert first["point"] == pytest.approx(0.25 * y.iloc[-1] + 0.75 * y.mean())


def test_none_is_imported_for_a_model_of_this_package(half_way):
    code = (
        f"import sys; sys.path.insert(0, {str(half_way)!r})\n"
        "from forecastkit.registry import create_model; create_model('naive'); assert 'half_way' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0

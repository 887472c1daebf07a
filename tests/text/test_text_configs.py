from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from forecastkit.cli import main
from forecastkit.errors import ForecastkitError
from forecastkit.run.texts.settings import text_settings

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "text").glob("*.yaml"))
SMALL = {
    "classify": {"hidden": 4, "embedding": 6, "epochs": 1, "seeds": 1},
    "language-model": {"hidden": 8, "epochs": 1, "minutes": 0.05},
    "translate": {"hidden": 8, "embedding": 8, "epochs": 1, "minutes": 0.05},
    "transcribe": {"hidden": 8, "steps": 2},
}
MAKERS = {
    "speech": ["make_speech.py", "--speakers", "12", "--times", "2"],
    "captions": ["make_pictures.py", "--n", "30"],
}
"""Of the configurations whose data a script of the gallery makes."""


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_loads_and_runs_small(path, tmp_path):
    settings = text_settings(path)
    made = []
    if path.stem in MAKERS:
        script, *rest = MAKERS[path.stem]
        data = tmp_path / "data"
        subprocess.run([sys.executable, str(ROOT / "docs" / "gallery" / script), str(data), *rest], check=True)
        made = [f"data={data}"]
    small = [f"models.{n}.{k}={v}" for n in settings["models"] for k, v in SMALL[settings["task"]].items()]
    out = tmp_path / "run"
    assert main(["text", "fit", "--config", str(path), "--quiet", "--out", str(out), *small, *made]) == 0
    assert (out / "report.html").stat().st_size > 3000
    assert set(settings["models"]) <= set((out / "leaderboard.csv").read_text().replace("\n", ",").split(","))


@pytest.mark.parametrize(("text", "said"), [
    ("tsk: classify", "task"), ("folds: many", "int"), ("- a", "mapping"), ("a: b: c", "YAML"), ("task: a\ntask: b", "twice"),
    ("models:\n  gru: 3", "mapping"), ("!!python/object:os.system {}", "YAML"),
])  # fmt: skip
def test_mistakes_are_named(tmp_path, text, said):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ForecastkitError, match=said) as error:
        text_settings(path)
    assert "\n" not in str(error.value)


def test_words_win_over_the_file():
    settings = text_settings(CONFIGS[0], {"seed": 5}, ["models.gru.hidden=7", "lang=es"])
    assert (settings["seed"], settings["lang"], settings["models"]["gru"]["hidden"]) == (5, "es", 7)

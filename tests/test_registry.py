from __future__ import annotations

import subprocess
import sys

import pytest

from forecastkit import registry
from forecastkit.errors import ConfigError, UnknownNameError


def test_near_name_is_suggested():
    with pytest.raises(UnknownNameError, match="Did you mean 'lstm'"):
        registry.create_model("lsmt")
    with pytest.raises(UnknownNameError, match="Did you mean 'hidden'"):
        registry.create_model("lstm", hiden=3)


@pytest.mark.parametrize("options", [{"hidden": "many"}, {"hidden": 0}, {"dropout": 2.0}, {"loss": "mape"}, {"lr": -1}])
def test_values_are_checked(options):
    with pytest.raises(ConfigError, match="model lstm, option"):
        registry.create_model("lstm", **options)


def test_looking_up_a_baseline_never_imports_torch():
    code = (
        "import sys; from forecastkit.registry import create_model, list_models, describe\n"
        "[create_model(n) for n in list_models() if describe(n)['family'] != 'network']\n"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0

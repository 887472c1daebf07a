"""A run behind HTTP: ``/health``, ``/model``, and what its task answers (``forecastkit.run.serving.services``)."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecastkit.errors import ConfigError, ForecastkitError
from forecastkit.run.serving.services import open_service

if TYPE_CHECKING:
    from forecastkit.run.serving.services import Service

__all__ = ["Limits", "create_app", "from_environment", "said", "to_environment"]

SETTINGS = "FORECASTKIT_SERVE"
"""Where a worker process finds what it serves."""
PLACES = {"--data": "history"}
"""What an option of the command line is called in a request, where it is not its own name."""


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Args:
        bytes: of a body.
        rows: of history and of the future, of a table, or texts.
        seconds: until the answer, waiting included.
        threads: requests that a process computes at once; several would wait for each other at every line of Python.
        hosts: names that a request may be addressed to; empty = any.
    """

    bytes: int = 1_000_000
    rows: int = 10_000
    seconds: float = 10.0
    threads: int = 1
    hosts: tuple[str, ...] = ()


def said(error: ForecastkitError) -> str:
    """An error in the words of a request."""
    return re.sub(r"--([a-z][a-z-]*)", lambda found: PLACES.get(found[0], found[1]), str(error))


def create_app(service: Service, limits: Limits | None = None) -> Any:
    """The FastAPI application.

    Raises:
        ConfigError: FastAPI is not installed.
    """
    try:
        from forecastkit.run.serving.app import build
    except ImportError as error:
        raise ConfigError(
            place="serve", rule=f"the package {error.name} is not installed", remedy="pip install 'forecastkit[serve]'"
        ) from None
    return build(service, limits or Limits())


def to_environment(run: str | Path, limits: Limits) -> None:
    """Leave word for worker processes."""
    os.environ[SETTINGS] = json.dumps({"run": str(run), "limits": asdict(limits)})


def from_environment() -> Any:
    """The application of a worker process; matrix products on one thread, since workers share the cores."""
    import torch

    torch.set_num_threads(1)
    told = json.loads(os.environ[SETTINGS])
    limits = Limits(**{**told["limits"], "hosts": tuple(told["limits"]["hosts"])})
    return create_app(open_service(told["run"]), limits)

"""One ``map`` for independent work, over joblib: this machine, or a Dask, Ray or Spark cluster."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

from forecastkit.errors import ConfigError, near

__all__ = ["ENGINES", "Engine", "map"]

T = TypeVar("T")
R = TypeVar("R")

Engine = Literal["local", "dask", "ray", "spark"]
ENGINES: dict[str, tuple[str, ...]] = {
    "local": (),
    "dask": ("dask.distributed",),
    "ray": ("ray",),
    "spark": ("joblibspark",),
}
_PACKAGES = {"dask": "'dask[distributed]'", "ray": "ray", "spark": "joblibspark pyspark"}


def map(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    n_jobs: int = 1,
    engine: str = "local",
    address: str | None = None,
) -> list[R]:
    """``[function(x) for x in items]``, possibly elsewhere; the same results in the same order.

    Args:
        function: importable (a module's function or ``functools.partial`` of one).
        n_jobs: processes; 1 runs here.
        engine: ``local``, ``dask``, ``ray`` or ``spark``.
        address: of the cluster; None = one on this machine.

    Raises:
        ConfigError: unknown engine, or its package is not installed.
    """
    work = list(items)
    if engine not in ENGINES:
        raise ConfigError(place="engine", value=repr(engine), rule="no such engine", remedy=near(engine, ENGINES))
    if engine == "local" and (n_jobs == 1 or len(work) < 2):
        return [function(x) for x in work]
    from joblib import Parallel, delayed

    with _backend(engine, address):
        done: list[R] = Parallel(n_jobs=n_jobs if engine == "local" else -1)(delayed(function)(x) for x in work)
    return done


@contextlib.contextmanager
def _backend(engine: str, address: str | None) -> Any:
    import joblib

    if engine == "local":
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            yield
        return
    for module in ENGINES[engine]:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise ConfigError(
                place=f"engine {engine}",
                rule=f"the package {module} is not installed",
                remedy=f"pip install {_PACKAGES[engine]}",
            )
    if engine == "dask":
        from dask.distributed import Client

        with Client(address) as client, joblib.parallel_config(backend="dask", client=client):
            yield
    elif engine == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init(address=address, ignore_reinit_error=True)
        register_ray()
        with joblib.parallel_config(backend="ray"):
            yield
    else:
        from joblibspark import register_spark

        register_spark()
        with joblib.parallel_config(backend="spark"):
            yield

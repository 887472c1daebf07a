"""One ``map`` for independent work, over joblib: this process, more of them, or a Dask, Ray or Spark cluster.

Results are those of a plain loop, in its order, whoever does the work.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from forecastkit.errors import ConfigError, near

__all__ = ["ENGINES", "HERE", "Engine", "Workers", "map", "ready", "stream"]

T = TypeVar("T")
R = TypeVar("R")

Engine = Literal["local", "dask", "ray", "spark"]
ENGINES: dict[str, str] = {"local": "", "dask": "dask.distributed", "ray": "ray", "spark": "joblibspark"}
"""Name -> the module that it needs."""
_PACKAGES = {"dask": "'forecastkit[dask]'", "ray": "ray", "spark": "joblibspark pyspark"}
SECONDS_TO_ANSWER = 15


@dataclass(frozen=True)
class Workers:
    """Who does independent work.

    Args:
        n_jobs: processes of this machine; 1 = this one alone, None = one a core. A cluster uses all it has.
        engine: ``local``, ``dask``, ``ray`` or ``spark``.
        address: of the cluster; None = one that is started on this machine.

    Raises:
        ConfigError: no such engine, or an address without one.
    """

    n_jobs: int | None = 1
    engine: str = "local"
    address: str | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ConfigError(
                place="--engine", value=repr(self.engine), rule="no such engine", remedy=near(self.engine, ENGINES)
            )
        if self.address is not None and self.engine == "local":
            raise ConfigError(
                place=f"--address {self.address}", rule="the local engine has none", remedy="Add --engine dask."
            )

    @property
    def here(self) -> bool:
        """Whether this process does it all."""
        return self.engine == "local" and self.count == 1

    @property
    def count(self) -> int:
        """Processes of this machine."""
        return self.n_jobs or os.cpu_count() or 1


HERE = Workers()


def ready(workers: Workers) -> None:
    """Make sure that the engine can be used, before anything is begun.

    Raises:
        ConfigError: its package is not installed, or no cluster answers.
    """
    if workers.engine != "local":
        _installed(workers.engine)
    if workers.engine == "dask":
        _dask_client(workers.address)


def map(function: Callable[[T], R], items: Iterable[T], workers: Workers = HERE) -> list[R]:
    """``[function(x) for x in items]``, by ``workers``; see ``stream``."""
    return list(stream(function, items, workers))


def stream(function: Callable[[T], R], items: Iterable[T], workers: Workers = HERE) -> Iterator[R]:
    """``function(x)`` of each item, in order, as they get done; a worker that is lost loses nothing.

    Args:
        function: importable (a module's function or ``functools.partial`` of one).
        items: taken as workers become free, so that not all need exist at once.

    Raises:
        ConfigError: the engine's package is not installed, the cluster does not answer, or its workers lack this package.
    """
    if workers.here:
        for item in items:
            yield function(item)
        return
    from joblib import Parallel, delayed

    with _backend(workers):
        n_jobs = workers.count if workers.engine == "local" else -1
        results = Parallel(n_jobs=n_jobs, return_as="generator")(delayed(function)(x) for x in items)
        try:
            # Not "yield from": that would close the results before the end is made quiet.
            for result in results:  # noqa: UP028
                yield result
        except ModuleNotFoundError as error:
            raise ConfigError(
                place=f"engine {workers.engine}",
                value=str(error),
                rule="its workers lack a package",
                remedy="Install the same forecastkit there as here.",
            ) from None
        finally:
            with _quiet_end():
                results.close()


@contextlib.contextmanager
def _quiet_end() -> Iterator[None]:
    """Who stops early knows that work was in vain; and joblib's thread may trip over what it has just thrown away."""
    hook = threading.excepthook

    def other_threads(args: threading.ExceptHookArgs) -> None:
        if args.thread is None or not args.thread.name.startswith("ExecutorManagerThread"):
            hook(args)

    threading.excepthook = other_threads
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        threading.excepthook = hook


@contextlib.contextmanager
def _backend(workers: Workers) -> Iterator[None]:
    import joblib

    engine, address = workers.engine, workers.address
    if engine == "local":
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            yield
        return
    _installed(engine)
    if engine == "dask":
        with joblib.parallel_config(backend="dask", client=_dask_client(address)):
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


def _installed(engine: str) -> None:
    module = ENGINES[engine]
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigError(
            place=f"--engine {engine}",
            rule=f"the package {module} is not installed",
            remedy=f"pip install {_PACKAGES[engine]}",
        )


@functools.cache
def _dask_client(address: str | None) -> Any:
    """One connection a process and cluster; a cluster of one's own lives as long as this process."""
    from dask.distributed import Client

    try:
        client = Client(address, timeout=SECONDS_TO_ANSWER, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(
            place=f"--address {address}",
            value=" ".join(str(error).split())[:120],
            rule="no Dask scheduler answers there",
            remedy="Give the address that dask scheduler printed, such as tcp://10.0.0.1:8786.",
        ) from None
    atexit.register(client.close)
    return client

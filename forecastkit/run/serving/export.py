"""A run's network as a file for other programs, with what stands around it in words that a program reads.

``OUT`` holds ``model.onnx`` or ``model.pt2``; ``export.json``: what its tensors are and how they are made; and ``example.npz``:
inputs with the answers that forecastkit gives to them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts
from forecastkit.errors import ConfigError, ModelFileError, near
from forecastkit.run.folder import RunFolder

if TYPE_CHECKING:
    from forecastkit.forecasting.models.fitted_network import FittedNetwork
    from forecastkit.nn.exporting import Graph
    from forecastkit.run.saved_model import SavedModel

__all__ = ["FORMATS", "Export", "Exported", "export_run"]

FORMATS = {"onnx": "model.onnx", "torch": "model.pt2"}
MOST_STEPS = 100_000
SAMPLES = (3, 1, 7)
"""Batch sizes; by the first it is exported, all are compared."""
EXAMPLES = 16
"""Series in ``example.npz`` at most."""


@dataclass(frozen=True, eq=False)
class Export:
    """What is to be written.

    Args:
        about: of ``export.json``, beside what every export has.
        example: arrays of ``example.npz``.
        notes: what the file does not do, in sentences.
    """

    graph: Graph
    about: dict[str, Any]
    example: dict[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        worst: largest difference from torch, in the network's own units.
        samples: batch sizes that were compared.
    """

    folder: Path
    file: Path
    worst: float
    samples: tuple[int, ...]
    notes: tuple[str, ...]


def export_run(
    run: str | Path,
    kind: str = "onnx",
    *,
    out: str | Path | None = None,
    model: str | None = None,
    length: int | None = None,
) -> Exported:
    """Export the network of a run, after it was compared with torch.

    Args:
        run: run folder of any task.
        kind: ``onnx`` or ``torch``.
        out: folder; None = ``RUN/export``.
        model: of a run that keeps several; None = the recommended one, or the network that is kept beside it.
        length: steps of a classifier of sequences as ``torch``, which has no free length; None = 256.

    Raises:
        ConfigError: no such format, or a model that is no network.
        FitError: the exported network differs from torch.
        ForecastkitError: the run cannot be read, or ``out`` not be written.
    """
    if kind not in FORMATS:
        raise ConfigError(place="--format", value=repr(kind), rule="no such format", remedy=near(kind, FORMATS))
    folder = RunFolder.open(run)
    if length is not None and not 1 <= length <= MOST_STEPS:
        raise ConfigError(place="--length", value=str(length), rule=f"from 1 to {MOST_STEPS}")
    export = _export_of(folder, model, None if kind == "onnx" else length or 256)
    from forecastkit.nn.exporting import OPSET, TOLERANCE, to_onnx, to_torch

    content, worst = to_onnx(export.graph) if kind == "onnx" else to_torch(export.graph)
    place = Path(out) if out is not None else folder / "export"
    sizes = tuple(len(sample[0]) for sample in export.graph.samples)
    about = {
        "export_version": 1, "file": FORMATS[kind], "run": folder.path.name, "versions": artifacts.versions(),
        **({"opset": OPSET} if kind == "onnx" else {}),
        "checked": {"batches": sizes, "largest_difference": worst, "allowed": TOLERANCE}, **export.about,
        "notes": list(export.notes),
    }  # fmt: skip
    artifacts.write_bytes(place / FORMATS[kind], content)
    artifacts.write_json(place / "export.json", about)
    if export.example:
        artifacts.write_bytes(place / "example.npz", _npz(export.example))
    return Exported(place, place / FORMATS[kind], worst, sizes, export.notes)


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # stubs take the names for options
    return buffer.getvalue()


def _export_of(folder: RunFolder, model: str | None, length: int | None) -> Export:
    from forecastkit.run.serving import export_classes

    task = str(folder.facts().get("task") or "forecast")
    if task == "forecast":
        return _forecast(folder, model)
    if task in ("ecg", "rhythm", "sequences"):
        return export_classes.export_sequences(folder, task, model, length)
    if task == "classify":
        return export_classes.export_text(folder, model, length)
    raise ModelFileError(
        place=str(folder.path), value=f"a run of {task}", rule="its models cannot be exported",
        remedy="Give a run of forecasts or of classes.",
    )  # fmt: skip


def _forecast(folder: RunFolder, model: str | None) -> Export:
    from forecastkit.forecasting.models.adjusted import FittedAdjusted
    from forecastkit.forecasting.models.fitted_network import FittedNetwork
    from forecastkit.run.saved_model import SavedModel

    saved = SavedModel.of_run(folder)
    if model is not None and model != saved.name:
        raise ConfigError(
            place="--model", value=repr(model), rule=f"this run keeps {saved.name} alone", remedy=f"Fit again with final={model}."
        )  # fmt: skip
    fitted = saved.fitted.inner if isinstance(saved.fitted, FittedAdjusted) else saved.fitted
    if not isinstance(fitted, FittedNetwork):
        raise ConfigError(
            place=str(folder.path), value=f"model {saved.name}", rule="is not one network, and only a network can be exported",
            remedy="Keep a network: fit again with final=lstm, or another of the networks that were tested.",
        )  # fmt: skip
    return _network(saved, fitted)


def _network(saved: SavedModel, fitted: FittedNetwork) -> Export:
    import torch

    from forecastkit.forecasting.models.adjusted import FittedAdjusted
    from forecastkit.forecasting.windows import Windows
    from forecastkit.nn.exporting import FED, ForecastGraph, Graph
    from forecastkit.nn.inputs import Inputs

    transform = saved.fitted.transform if isinstance(saved.fitted, FittedAdjusted) else None
    frame = saved.frame if transform is None else transform.apply(saved.frame)
    ends = frame.store.ends - frame.store.starts
    batch = fitted.contexts(frame, _windows(ends, max(SAMPLES)))
    slots = {name: x for name, x in zip(Inputs._fields, batch.slots) if x is not None}
    if fitted.forecaster.draws_paths:
        # Both in one comparison: values that were drawn, and none.
        drawn = np.random.default_rng(0).normal(0, 1, (max(SAMPLES), fitted.horizon)).astype(np.float32)
        drawn[::2, 1::2] = np.nan
        slots[FED] = drawn
    net = ForecastGraph(fitted.net, fitted.forecaster.head_of(), tuple(slots)).eval()
    samples = tuple(tuple(torch.from_numpy(x[:n].copy()) for x in slots.values()) for n in SAMPLES)
    free = {0: "batch"}
    graph = Graph(net, dict.fromkeys(slots, free), dict.fromkeys(net.outputs, free), samples)
    some = np.arange(min(EXAMPLES, len(ends)))
    last = fitted.contexts(frame, Windows(some, ends[some]))
    given = {name: x for name, x in zip(Inputs._fields, last.slots) if x is not None}
    rows = ends[some][:, None] + np.arange(1 - fitted.task.context_length, 1)
    if FED in slots:
        given[FED] = np.full((len(some), fitted.horizon), np.nan, np.float32)
    values, seen = saved.frame.store.lookup(some[:, None], rows)
    points = saved.fitted.predict_at(saved.frame, saved.frame.store.ends[some])[some, some, saved.gap :]
    example = {**given, "history": np.where(seen, values, np.nan), "forecast": points}
    return Export(graph, _about(saved, fitted, slots, graph.outputs), example, _limits(saved, fitted))


def _windows(ends: np.ndarray, n: int) -> Any:
    """So many contexts: of each series the last one, then those before it."""
    from forecastkit.forecasting.windows import Windows

    item = np.arange(n) % len(ends)
    return Windows(item, np.maximum(ends[item] - np.arange(n) // len(ends), 0))


def _about(
    saved: SavedModel, fitted: FittedNetwork, slots: Mapping[str, np.ndarray], outputs: Mapping[str, Any]
) -> dict[str, Any]:
    from forecastkit.forecasting.models.adjusted import FittedAdjusted
    from forecastkit.forecasting.schema import QUANTILES

    task, own, encoder = fitted.task, fitted.forecaster, fitted.encoder
    columns = {
        "past": [
            saved.frame.target_name, *(["log(1 + steps since it was observed)"] if task.elapsed else []), *(c.name for c in encoder.past),
            *(f"{c.name} is missing" for c in encoder.past if c.gaps),
        ],
        "observed": [f"1 where {saved.frame.target_name} was observed"],
        "known": [*encoder.time.names, *(c.name for c in encoder.known), *(f"{c.name} is missing" for c in encoder.known if c.gaps)],
        "static": [c.name for c in encoder.static] + [f"{c.name} is missing" for c in encoder.static if c.gaps],
        "fed": [f"{saved.frame.target_name} that is read after each step, scaled as the past; NaN = where the distribution lies"],
        **{f"{role}_cat": [c.name for c in getattr(encoder, f"{role}_cat")] for role in ("past", "known", "static")},
    }  # fmt: skip
    adjusted = saved.fitted if isinstance(saved.fitted, FittedAdjusted) else None
    return {
        "task": "forecast", "model": saved.name, "kind": saved.kind or saved.name, "options": saved.options,
        "inputs": [
            {"name": name, "dtype": str(x.dtype), "shape": ["batch", *x.shape[1:]], "columns": columns[name]}
            for name, x in slots.items()
        ],
        "outputs": list(outputs),
        "context_length": task.context_length, "horizon": saved.horizon, "gap": saved.gap, "freq": saved.frame.calendar.freq,
        "scaling": {"kind": own.scaling, "rows": task.scale_rows or task.context_length, "spreads": fitted.spreads},
        "head": own.head, "levels": list(QUANTILES) if "quantiles" in outputs else [],
        "covariates": encoder.to_dict(),
        "transform": None if adjusted is None else adjusted.transform.to_dict(),
        "non_negative": adjusted is not None and adjusted.forecaster.non_negative,
        "whole": adjusted is not None and adjusted.forecaster.whole,
    }  # fmt: skip


def _limits(saved: SavedModel, fitted: FittedNetwork) -> tuple[str, ...]:
    out = []
    if fitted.forecaster.draws_paths:
        out.append(
            "The forecast of this model is that of sample paths: the file gives the distribution of each step after the values of "
            "its input fed, which a program draws step by step; docs/export.md has one."
        )
    if saved.intervals is not None:
        out.append("The calibrated intervals of the run are not in the file.")
    return tuple(out)

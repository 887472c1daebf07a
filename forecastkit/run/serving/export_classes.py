"""What ``export`` writes of runs that name a class: sequences and texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.run.folder import RunFolder
from forecastkit.run.serving.export import SAMPLES, Export

__all__ = ["export_sequences", "export_text"]

LENGTHS = (40, 57, 91)
"""Steps of the samples, where any length may come."""


def export_sequences(folder: RunFolder, task: str, model: str | None, length: int | None) -> Export:
    """A network of ``classify`` or ``ecg`` with its scaling and its calibration.

    Args:
        length: fixed steps; None = any.

    Raises:
        ConfigError: a model that is no network.
    """
    from forecastkit.classification.models import CLASSIFIERS
    from forecastkit.nn.exporting import Graph, SequenceGraph
    from forecastkit.run.sequences.execute import load

    name = model or _network_of(folder, CLASSIFIERS)
    found, meta, name = load(folder, task, name)
    fitted: Any = found
    if not hasattr(fitted, "networks"):
        raise _no_network(folder, name, CLASSIFIERS)
    facts = folder.facts()
    shift = np.asarray(meta["shift"], np.float64)
    arrays = {key.removeprefix("scaler."): value for key, value in fitted.scaler.arrays().items()}
    net = SequenceGraph(fitted.networks.nets, arrays, float(meta["temperature"]), shift).eval()
    n_channels, n_features = (
        len(arrays["channel_mean"]),
        len(arrays["feature_mean"]) if fitted.model.use_features else 0,
    )
    free = {0: "batch"} if length else {0: "batch", 1: "length"}
    inputs = {"values": free, "lengths": {0: "batch"}, **({"features": {0: "batch"}} if n_features else {})}
    rng = np.random.default_rng(1)
    samples = tuple(
        _sequences(rng, n, length or t, arrays, n_features) for n, t in zip(SAMPLES, LENGTHS)
    )  # fmt: skip
    about = {
        "task": task, "model": name, "options": meta["options"], "classes": meta["classes"],
        "inputs": [
            {"name": "values", "dtype": "float32", "shape": ["batch", length or "length", n_channels], "columns": facts.get("channels", [])},
            {"name": "lengths", "dtype": "int64", "shape": ["batch"], "columns": ["steps that are real; what lies after them is not read"]},
            *([{"name": "features", "dtype": "float32", "shape": ["batch", n_features], "columns": facts.get("features", [])}] if n_features else []),
        ],
        "outputs": list(net.outputs), "missing": "NaN", "rare": meta["rare"], "threshold": meta["threshold"],
        "data": facts.get("config", {}),
    }  # fmt: skip
    graph = Graph(net, inputs, {key: {0: "batch"} for key in net.outputs}, samples)
    return Export(graph, about, _example(graph), (*_other(folder, name), *_fixed(length)))


def _sequences(
    rng: np.random.Generator, n: int, t: int, scaler: dict[str, np.ndarray], n_features: int
) -> tuple[Any, ...]:
    """Sequences as the scaler has seen them, some shorter, with missing values where it knows them."""
    import torch

    shape = (n, t, len(scaler["channel_mean"]))
    values = (rng.normal(size=shape) * scaler["channel_scale"] + scaler["channel_mean"]).astype(np.float32)
    values[:, ::5, scaler["holes"]] = np.nan
    lengths = np.r_[t, rng.integers(1, t + 1, n - 1)].astype(np.int64)
    parts = [values, lengths]
    if n_features:
        parts.append(
            (rng.normal(size=(n, n_features)) * scaler["feature_scale"] + scaler["feature_mean"]).astype(np.float32)
        )
    return tuple(torch.from_numpy(p) for p in parts)


def export_text(folder: RunFolder, model: str | None, length: int | None) -> Export:
    """A network of ``text fit --task classify`` with its calibration; arguments and errors as ``export_sequences``."""
    from forecastkit.nn.exporting import Graph, TextGraph
    from forecastkit.run.texts.classify import TextScorer
    from forecastkit.text.models import CLASSIFIERS

    name = model or _network_of(folder, CLASSIFIERS)
    scorer = TextScorer(folder.path, name)
    fitted, temperature = scorer.parts[0]
    if len(scorer.parts) != 1 or not hasattr(fitted, "nets"):
        raise _no_network(folder, name, CLASSIFIERS)
    own, n_buckets = fitted.model, fitted.reader.n_buckets
    steps = own.max_length if length else None
    net = TextGraph(fitted.nets, temperature).eval()
    free = {0: "batch"} if steps else {0: "batch", 1: "length"}
    inputs = {"words": free, "lengths": {0: "batch"}, **({"grams": {**free, 2: "groups"}} if n_buckets else {})}
    rng = np.random.default_rng(1)
    samples = tuple(
        _texts(rng, n, steps or t, len(fitted.reader.tokenizer), n_buckets) for n, t in zip(SAMPLES, LENGTHS)
    )  # fmt: skip
    tokens = {"dtype": "int64", "columns": ["id of each token; what lies after the end is not read"]}
    groups = "buckets of groups of characters of each token, -1 after the last: crc32 of the group modulo `buckets`"
    about = {
        "task": "text", "model": name, "classes": list(scorer.classes), "level": own.level, "max_length": own.max_length, "cut": own.cut,
        "buckets": n_buckets, "tokenizer": fitted.reader.tokenizer.state(),
        "inputs": [
            {"name": "words", "shape": ["batch", steps or "length"], **tokens},
            {"name": "lengths", "dtype": "int64", "shape": ["batch"], "columns": ["tokens that are real, 1 at least"]},
            *([{"name": "grams", "dtype": "int64", "shape": ["batch", steps or "length", "groups"], "columns": [groups]}] if n_buckets else []),
        ],
        "outputs": list(net.outputs),
    }  # fmt: skip
    wide = ("The linear part on n-grams, which this model has beside its networks, is not in the file.",)
    graph = Graph(net, inputs, {key: {0: "batch"} for key in net.outputs}, samples)
    notes = (*_other(folder, name), *_fixed(steps), *(wide if fitted.wide is not None else ()))
    return Export(graph, about, _example(graph), notes)


def _texts(rng: np.random.Generator, n: int, t: int, n_tokens: int, n_buckets: int) -> tuple[Any, ...]:
    import torch

    parts = [rng.integers(0, n_tokens, (n, t)), np.r_[t, rng.integers(1, t + 1, n - 1)]]
    if n_buckets:
        parts.append(rng.integers(0, n_buckets, (n, t, 6)))
        parts[-1][..., 4:][rng.random((n, t, 2)) < 0.5] = -1
    return tuple(torch.from_numpy(p.astype(np.int64)) for p in parts)


def _example(graph: Any) -> dict[str, np.ndarray]:
    sample = graph.samples[0]
    return {
        **{name: x.numpy() for name, x in zip(graph.inputs, sample)},
        **dict(zip(graph.outputs, graph.said(sample))),
    }


def _other(folder: RunFolder, name: str) -> tuple[str, ...]:
    used = str(folder.json("verdict.json").get("use") or "")
    return (f"This is {name}; the run says to use {used}.",) if used and used != name else ()


def _fixed(length: int | None) -> tuple[str, ...]:
    return (f"The file reads {length} steps: pad shorter ones with 0, and say in lengths how many are real.",) if length else ()  # fmt: skip


def _network_of(folder: RunFolder, entries: dict[str, Any]) -> str:
    """The model to use, where it is a network or has one in it; else a network that the run keeps."""
    used = str(folder.json("verdict.json").get("use") or "").split("+")
    kept = sorted(p.parent.name for p in (folder / "model").glob("*/model.json") if p.parent.name in entries)
    networks = [n for n in (*used, *kept) if n in entries and entries[n].load().family == "network"]
    if not networks:
        raise _no_network(folder, "+".join(used), entries)
    return networks[0]


def _no_network(folder: RunFolder, name: str, entries: dict[str, Any]) -> ConfigError:
    return ConfigError(
        place=str(folder.path), value=f"model {name}", rule="is no network, and only a network can be exported",
        remedy=f"Fit with one of {', '.join(n for n in entries if entries[n].load().family == 'network')}.",
    )  # fmt: skip

"""RNN, GRU and LSTM classifiers: convolutions, recurrent layers, attention, and the features beside them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from forecastkit.classification.protocol import FitAbout
from forecastkit.classification.scaling import Scaler
from forecastkit.classification.schema import Sequences
from forecastkit.classification.weights import balance_weights
from forecastkit.errors import ConfigError

__all__ = ["RecurrentClassifier"]

STEPS_PER_EPOCH = 25
CHUNK = 25
PREDICT_BATCH = 1024


@dataclass(frozen=True)
class RecurrentClassifier:
    """See ``forecastkit.nn.classifiers.SequenceClassifier``.

    Args:
        cell: ``rnn``, ``gru`` or ``lstm``.
        filters: of each of the convolutions before the recurrent layers.
        convolutions: how many, each halves the sequence; 0 = none.
        bidirectional: reads backwards too; the whole sequence is known here.
        balance: exponent of the class weights, 1 = classes count alike whatever their size, 0 = not weighted.
        group_balance: the same for groups within a class, so that one patient with most of the rare beats does not decide.
        focal: exponent of the focal loss; 0 = cross-entropy.
        noise, shift, scale: augmentation of sequences in training: noise in units of the channel's deviation, largest
            shift in steps, and spread of the log of the amplitude.
        feature_noise: of the standardised features in training.
        seeds: networks whose probabilities are averaged.
        warm_start: begin as the logistic regression on the features, which the network then corrects.
    """

    cell: str = "gru"
    hidden: int = 32
    layers: int = 1
    filters: int = 16
    convolutions: int = 2
    bidirectional: bool = True
    attention: bool = True
    use_features: bool = True
    dropout: float = 0.5
    balance: float = 1.0
    group_balance: float = 1.0
    focal: float = 0.0
    noise: float = 0.5
    shift: int = 3
    scale: float = 0.3
    feature_noise: float = 0.1
    lr: float = 1e-3
    weight_decay: float = 1e-2
    batch_size: int = 128
    max_steps: int = 300
    patience: int = 6
    seeds: int = 1
    warm_start: bool = True

    family: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        counts = dict.fromkeys(("hidden", "layers", "filters", "batch_size", "max_steps", "seeds"), (1, 100_000))
        ranges: dict[str, tuple[float, float]] = {
            **counts, "convolutions": (0, 6), "patience": (1, 10_000), "lr": (1e-9, 10.0), "weight_decay": (0.0, 1e3), "balance": (0.0, 2.0),
            "group_balance": (0.0, 2.0), "focal": (0.0, 10.0), "noise": (0.0, 10.0), "shift": (0, 1000), "scale": (0.0, 3.0),
            "feature_noise": (0.0, 10.0), "dropout": (0.0, 0.95),
        }  # fmt: skip
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(
                    place=f"model {self.cell}, option {name}", value=str(value), rule=f"from {low:g} to {high:g}"
                )

    def net(self, n_channels: int, n_features: int, n_classes: int) -> Any:
        """An untrained network."""
        from forecastkit.nn.classifiers import SequenceClassifier
        from forecastkit.nn.recurrent import RecurrentEncoder

        n_filters = (self.filters,) * self.convolutions
        encoder = RecurrentEncoder(
            self.cell,
            n_filters[-1] if n_filters else n_channels,
            self.hidden,
            layers=self.layers,
            dropout=self.dropout,
            bidirectional=self.bidirectional,
        )
        return SequenceClassifier(
            encoder, n_channels, n_classes, n_features=n_features, n_filters=n_filters, attention=self.attention, dropout=self.dropout
        )  # fmt: skip

    def fit(self, data: Sequences, about: FitAbout | None = None) -> _FittedNetworks:
        """See ``Classifier.fit``. Early stopping watches ``about.valid``, which holds other groups.

        Raises:
            FitError: training diverged.
        """
        from forecastkit.classification.datamodule import SequenceDataModule
        from forecastkit.nn.classifiers import classification_loss
        from forecastkit.training.module import OptimizerOptions
        from forecastkit.training.networks import Lesson, train_networks

        about = about or FitAbout()
        scaler = Scaler.of(data)
        n_features = data.features.shape[1] if self.use_features else 0
        valid = about.valid if about.n_steps is None else None
        weights = balance_weights(data, self.balance, self.group_balance)
        valid_weights = None if valid is None else balance_weights(valid, self.balance, 0.0)
        augment = {"noise": self.noise, "shift": self.shift, "scale": self.scale, "feature_noise": self.feature_noise}

        def build() -> Any:
            net = self.net(scaler.n_inputs, n_features, len(data.classes))
            if n_features and self.warm_start:
                _start_as_logistic(net, data, scaler, self.balance, self.group_balance)
            return net

        def batches(seed: int) -> SequenceDataModule:
            return SequenceDataModule(
                data, valid, scaler, weights, self.batch_size, STEPS_PER_EPOCH, chunk=CHUNK, seed=seed, augment=augment,
                use_features=bool(n_features), valid_weights=valid_weights,
            )  # fmt: skip

        def objective(net: Any, batch: Any) -> tuple[Any, Any]:
            logits = net(batch.values, batch.lengths, batch.features)
            return classification_loss(logits, batch.labels, batch.weights, focal=self.focal)

        n_steps = self.max_steps if about.n_steps is None else about.n_steps
        options = OptimizerOptions(lr=self.lr, weight_decay=self.weight_decay, max_steps=n_steps, average=0.98)

        def lesson(seed: int) -> Lesson:
            return Lesson(build(), batches(seed), objective, options, self.patience)

        networks = train_networks(
            lesson, place=f"model {self.cell}", seed=about.seed, seeds=self.seeds, progress=about.progress
        )
        return _FittedNetworks(self, networks, scaler, len(data.classes))

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedNetworks:
        """See ``restore_classifier``."""
        from forecastkit.nn.weights import restore_networks

        model = cls(**meta["options"])
        scaler = Scaler.restore(arrays)
        n_features = len(scaler.feature_mean) if model.use_features else 0
        n_classes = int(meta["n_classes"])
        networks = restore_networks(
            lambda: model.net(scaler.n_inputs, n_features, n_classes), arrays, int(meta["n_nets"])
        )
        return _FittedNetworks(model, networks, scaler, n_classes)


def _start_as_logistic(net: Any, data: Sequences, scaler: Scaler, balance: float, group_balance: float) -> None:
    """Linear head and bias of a logistic regression on the same features and weights: step 0 is that baseline."""
    import torch

    from forecastkit.classification.models.baselines import Logistic

    arrays, _ = Logistic(balance=balance, group_balance=group_balance).fit(data).state()
    coef = np.zeros((len(data.classes), len(scaler.feature_mean)))
    bias = np.full(len(data.classes), -20.0)  # a class that was never seen
    present = arrays["present"]
    coef[np.ix_(present, arrays["columns"])] = arrays["coef"]
    bias[present] = arrays["intercept"]
    with torch.no_grad():
        net.linear.weight.copy_(torch.from_numpy(coef))
        net.head.bias.copy_(torch.from_numpy(bias))
    # The network adds to the baseline; it does not relearn it.
    net.linear.weight.requires_grad_(False)


@dataclass(eq=False)
class _FittedNetworks:
    model: RecurrentClassifier
    networks: Any
    scaler: Scaler
    n_classes: int

    @property
    def info(self) -> dict[str, Any]:
        return dict(self.networks.info)

    @property
    def curves(self) -> list[dict[str, float]]:
        return list(self.networks.curves)

    def predict(self, data: Sequences) -> np.ndarray:
        """See ``FittedClassifier.predict``."""
        import torch

        out = np.zeros((len(data), self.n_classes))
        # Alike lengths together: little padding.
        order = np.argsort(data.lengths, kind="stable")
        for start in range(0, len(data), PREDICT_BATCH):
            rows = order[start : start + PREDICT_BATCH]
            raw, lengths = data.padded(rows)
            inputs = (self.scaler.values(raw), lengths, self.scaler.features(data.features[rows]))
            values, n, features = (torch.from_numpy(x) for x in inputs)
            out[rows] = self.networks.probabilities(lambda net, v=values, n=n, f=features: net(v, n, f))
        return out

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``FittedClassifier.state``."""
        n_nets = len(self.networks.nets)
        meta = {"options": dataclasses.asdict(self.model), "n_nets": n_nets, "n_classes": self.n_classes}
        return {**self.scaler.arrays(), **self.networks.arrays()}, {**meta, "model": self.model.cell}

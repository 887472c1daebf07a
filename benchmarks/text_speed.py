"""Seconds to classify one warm sentence, and training throughput against a bare PyTorch loop on the same network and batches.

python benchmarks/text_speed.py
"""

from __future__ import annotations

import datetime as dt
import time

import numpy as np
import torch
from rows import append

from forecastkit import runtime
from forecastkit.text.datamodule import TextDataModule
from forecastkit.text.examples import example
from forecastkit.text.models import create
from forecastkit.text.models.recurrent import _Reader
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import read_texts
from forecastkit.text.tokenizer import Tokenizer
from forecastkit.training.module import OptimizerOptions, TrainingModule
from forecastkit.training.trainer import train

STEPS, ROUNDS = 200, 5


def main() -> None:
    table = read_texts(example("reviews"))
    model = create("classify", "gru")
    fitted = model.fit(table, FitAbout(n_steps=20))
    fitted.predict(["warm up"])
    spent = []
    for text in table.texts[:200]:
        started = time.perf_counter()
        fitted.predict([text])
        spent.append(1000 * (time.perf_counter() - started))
    one = float(np.median(spent))

    reader = _Reader(Tokenizer.learn(table.texts, lower=True), model)
    rows = [reader.ids(t) for t in table.texts]
    lengths = np.array([len(r) for r in rows])

    def make(at):
        return reader.batch([rows[i] for i in at], table.labels[at], np.ones(len(at), np.float32))

    def objective(net, batch):
        logits = net(*batch[:5])
        loss = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none", label_smoothing=0.05)
        return (loss * batch.weights).sum(), batch.weights.sum()

    def bare() -> float:
        net = model.net(len(reader.tokenizer), 3)
        data = TextDataModule(make, lengths, [], batch_size=32, seed=1)
        optimizer = torch.optim.AdamW(net.parameters(), lr=model.lr, weight_decay=model.weight_decay)
        started, n = time.perf_counter(), 0
        while n < STEPS:
            for chunk in data.train_dataloader():
                for batch in chunk:
                    total, weight = objective(net, batch)
                    optimizer.zero_grad(set_to_none=True)
                    (total / weight).backward()
                    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0, foreach=True)
                    optimizer.step()
                    n += 1
                    if n == STEPS:
                        return time.perf_counter() - started
        return time.perf_counter() - started

    def ours() -> float:
        net = model.net(len(reader.tokenizer), 3)
        data = TextDataModule(make, lengths, [], batch_size=32, seed=1)
        module = TrainingModule(net, objective, objective, OptimizerOptions(lr=model.lr, weight_decay=model.weight_decay, max_steps=STEPS, average=model.average))  # fmt: skip
        started = time.perf_counter()
        train(module, data, max_steps=STEPS, steps_per_epoch=data.steps_per_epoch, patience=0)
        return time.perf_counter() - started

    with runtime.threads(1):
        bare(), ours()
        pairs = [(bare(), ours()) for _ in range(ROUNDS)]
    ratio = float(np.median([b / o for b, o in pairs]))
    print(f"one sentence {one:.2f} ms; throughput against a bare loop {ratio:.2f}")
    trained = f"training throughput against a bare loop ({STEPS} steps, median of {ROUNDS} pairs)"
    found = {"one warm sentence, milliseconds (median of 200)": one, trained: ratio}
    append("text_speed.csv", ("date", "what", "value"), [[dt.date.today(), k, f"{v:.2f}"] for k, v in found.items()])


if __name__ == "__main__":
    main()

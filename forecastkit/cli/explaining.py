"""``forecastkit explain``: what a run's model leans on, and what its forecast would be if."""

from __future__ import annotations

import sys
from pathlib import Path

from forecastkit.cli.lines import check_file, check_lang, deliver
from forecastkit.errors import ConfigError

__all__ = ["run_explain"]


def run_explain(
    run: Path, words: list[str], *, item: str | None, data: str | None, future: str | None, out: Path | None, lang: str
) -> None:
    """Print the importance of lags and covariates or, with ``words``, the forecast with other covariates."""
    check_lang(lang)
    if words:
        _what_if(run, words, item=item, data=data, future=future, out=out, lang=lang)
        return
    from forecastkit.report.numbers import percent
    from forecastkit.run.explaining import FILE, thing
    from forecastkit.run.folder import RunFolder

    folder = RunFolder.open(run)
    if not (folder / FILE).exists():
        raise ConfigError(
            place=str(run),
            rule="nothing was explained in this run: no network, ridge or boosting was recommended, or tested with covariates",
            remedy="Fit with one of them, such as --models gru. --set works with any model that reads what is known ahead.",
        )
    found = folder.json(FILE)
    print(found["sentence"][lang])
    print()
    width = max(len(thing(r["name"], lang)) for r in found["rows"])
    for r in found["rows"]:
        low, high = (percent(r[k], lang, sign=True) for k in ("low", "high"))
        between = "" if r["low"] is None else f"   {low} .. {high}"
        print(f"{thing(r['name'], lang):<{width}}   {percent(r['growth'], lang, sign=True):>9}{between}")


def _what_if(
    run: Path, words: list[str], *, item: str | None, data: str | None, future: str | None, out: Path | None, lang: str
) -> None:
    from forecastkit.report.numbers import number, percent
    from forecastkit.run.what_if import changes_in, what_if

    check_file(out)
    table = what_if(run, changes_in(words), data=data, future=future, item=item)
    mean, change = float(table["point"].mean()), float(table["difference"].mean())
    said = {
        "en": "With {what} the forecast changes by {change} on average ({share}): {mean} -> {then}.",
        "es": "Con {what} el pronóstico cambia en promedio {change} ({share}): {mean} -> {then}.",
    }[lang].format(
        what=", ".join(words),
        change=number(change, lang),
        share=percent(change / abs(mean), lang, sign=True) if mean else "–",
        mean=number(mean, lang, 4),
        then=number(mean + change, lang, 4),
    )
    deliver(table, out)
    if out is None:
        print(said, file=sys.stderr)
        return
    print(said)
    print(f"{len(table)} rows in {out}")

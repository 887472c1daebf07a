"""The model card: ``model/card.md`` says what a saved model is, what it learned from and where it fails.

Everything in it comes from the run; nothing is asked of the user. Source of the headings: Mitchell et al. (2019),
doi:10.1145/3287560.3287596.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecastkit import artifacts
from forecastkit.report.numbers import moment

if TYPE_CHECKING:
    from forecastkit.forecasting.evaluation import Evaluation
    from forecastkit.forecasting.splits import Folds
    from forecastkit.reading import Profile
    from forecastkit.run.saved_model import SavedModel

__all__ = ["CARD", "model_card"]

CARD = "card.md"
SCORES = ("msse", "mase", "rmsse", "mae", "rmse", "smape", "bias", "coverage_80", "coverage_95")
LONGEST = 120
UNKNOWN = "not known"


def _text(value: Any) -> str:
    """One line of Markdown in which names from the data are no markup."""
    return re.sub(r"[\\`*\[\]<>#|!]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", " ".join(str(value).split()))


def _name(value: Any) -> str:
    line = str(value)
    return _text(line if len(line) <= LONGEST else line[: LONGEST - 1] + "…")


def _number(value: Any) -> str:
    known = isinstance(value, (int, float)) and math.isfinite(value)
    return f"{value:.4g}" if known else UNKNOWN


def model_card(
    saved: SavedModel, profile: Profile, folds: Folds, evaluation: Evaluation, *, notes: tuple[str, ...] = ()
) -> str:
    """Markdown: data, folds, scores, verdict, limits, how to load.

    Args:
        saved: the model as it is stored.
        profile: of the data that it was fitted to.
        notes: of the run, listed among the limits.
    """
    board = evaluation.leaderboard.set_index("model")
    row: Mapping[str, Any] = dict(board.loc[saved.name]) if saved.name in board.index else {}
    verdict = evaluation.verdict.to_dict()
    lines = [f"# {_text(saved.name)}", "", *_about(saved), "## Learned from", "", *_data(profile), ""]
    lines += ["## Tested on", "", *_folds(folds), "", "## Scores on report folds", "", *_scores(row), ""]
    lines += ["## Verdict", "", _text(" ".join(verdict["sentence"]["en"])), "", _text(verdict.get("reason", "")), ""]
    lines += ["## Limits", "", *_limits(saved, profile, verdict, notes), "", *_loading()]
    return "\n".join(lines) + "\n"


def _about(saved: SavedModel) -> list[str]:
    options = ", ".join(f"{_text(k)} {_name(v)}" for k, v in saved.options.items()) or "none"
    steps = saved.facts.get("n_steps")
    return [
        f"- Forecasts {saved.horizon} steps" + (f" after a gap of {saved.gap}" if saved.gap else ""),
        f"- Options: {options}",
        f"- Seed {saved.facts.get('seed')}" + ("" if steps is None else f", {steps} training steps"),
        f"- Format {artifacts.MODEL_FORMAT}, made with "
        + ", ".join(f"{k} {v}" for k, v in artifacts.versions().items()),
        "",
    ]


def _data(profile: Profile) -> list[str]:
    several = profile.n_items != 1
    return [
        f"- {_name(profile.name)}: target {_name(profile.target)}"
        + (f" in {_name(profile.units)}" if profile.units else ""),
        f"- {profile.n_rows} rows, {profile.n_items} series" if several else f"- {profile.n_rows} rows, 1 series",
        f"- {_text(profile.start)} to {_text(profile.end)}, {_text(profile.freq_text)}, {_text(profile.season_text)}",
        f"- {profile.n_missing} values missing",
        f"- Fingerprint {profile.fingerprint}",
    ]


def _folds(folds: Folds) -> list[str]:
    rows = []
    for role, use in (("select", "chose the model"), ("calibrate", "set the intervals"), ("report", "gave the scores")):
        own = [f for f in folds.all if f.role == role]
        if own:
            rows.append(
                f"- {len(own)} {role} folds, cutoffs {moment(own[0].cutoff)} to {moment(own[-1].cutoff)}: {use}"
            )
        else:
            rows.append(f"- No {role} folds")
    plan = folds.plan
    rows.append(f"- {plan.horizon} steps each, refit {plan.refit}, {plan.window} window; afterwards fitted on all rows")
    return rows


def _scores(row: Mapping[str, Any]) -> list[str]:
    rows = ["| metric | value |", "|---|---|"]
    rows += [f"| {name} | {_number(row[name])} |" for name in SCORES if name in row]
    if "skill" in row:
        low, high = _number(row.get("skill_lo")), _number(row.get("skill_hi"))
        between = "" if low == UNKNOWN else f" ({low} to {high})"
        rows.append(f"| skill against the naive rule | {_number(row['skill'])}{between} |")
    return rows


def _limits(saved: SavedModel, profile: Profile, verdict: Mapping[str, Any], notes: tuple[str, ...]) -> list[str]:
    rows = [f"- Not for more than {saved.horizon} steps, nor for another frequency than {_text(profile.freq_text)}."]
    rows.append(
        "- It knows nothing of what has not happened in these rows: a change of level is learned from newer rows."
    )
    if not verdict.get("shown"):
        rows.append("- It is not shown to be better than the naive rule.")
    if saved.intervals is None:
        rows.append("- No intervals: there were no folds to learn them from.")
    elif not verdict.get("calibrated"):
        rows.append("- Intervals are uncalibrated.")
    if profile.n_items > 1:
        rows.append("- Scores are means over series; single series may be worse: see scores.csv.")
    return rows + [f"- {_text(note)}" for note in notes]


def _loading() -> list[str]:
    return [
        "## Files",
        "",
        "weights.safetensors (numbers), model.json (facts and checksums) and history.parquet (rows).",
        "None holds code: `forecastkit predict RUN` reads them and runs nothing from them.",
    ]

"""How every fit ends on the terminal: the leaderboard, what to use, where the report is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from forecastkit.cli.lines import field, width

__all__ = ["INTERRUPTED", "print_answer"]

INTERRUPTED = 130
"""Exit status after Ctrl-C."""
_WORDS = {"en": ("Use", "Report"), "es": ("Usa", "Informe")}


def print_answer(
    lines: Sequence[str],
    sentence: Sequence[str],
    folder: Path,
    seconds: float,
    *,
    lang: str = "en",
    more: Sequence[tuple[str, str]] = (),
    quiet: bool = False,
) -> None:
    """The last lines of a fit.

    Args:
        lines: of the leaderboard, left out with ``quiet``.
        sentence: of the verdict; it begins with what to use.
        more: (label, text) between the answer and the place of the report.
    """
    use, report = _WORDS[lang]
    if not quiet:
        print()
        for line in lines:
            print(line.rstrip())
        print()
    said = " ".join(sentence)
    print(field(use if said.startswith(f"{use} ") else "", said.removeprefix(f"{use} "), width()))
    for label, text in more:
        print(field(label, text, width()))
    print(field(report, f"{folder / 'report.html'}   {seconds:.0f} s"))

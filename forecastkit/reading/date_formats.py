"""What ``--date-format`` may be, and the format that a date of two readings should be given with."""

from __future__ import annotations

import re

from forecastkit.errors import ConfigError

__all__ = ["LETTER", "format_like", "regex_of_format"]

LETTER = "[A-Za-zÀ-ÿ]"
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<Y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
    "b": rf"(?P<B>{LETTER}{{3,10}})\.?",
    "B": rf"(?P<B>{LETTER}{{3,10}})",
    "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<H>\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "f": r"(?P<f>\d{1,9})",
    "p": r"(?P<p>[AaPp])\.?[Mm]\.?",
    "z": r"(?P<z>Z|[+-]\d{2}:?\d{2}|[+-]\d{2})",
    "Z": r"(?P<z>UTC|GMT|Z)",
    "j": r"(?P<j>\d{1,3})",
    "a": rf"{LETTER}{{2,4}}\.?",
    "A": rf"{LETTER}{{3,12}}",
    "G": r"(?P<Y>\d{4})",
    "V": r"(?P<W>\d{1,2})",
    "u": r"(?P<u>[1-7])",
    "q": r"(?P<q>[1-4])",
    "%": "%",
}
_TOKENS = (("YYYY", "%Y"), ("yyyy", "%Y"), ("MMMM", "%B"), ("MMM", "%b"), ("DD", "%d"), ("dd", "%d"), ("HH", "%H"))
_TOKENS_AFTER = (("YY", "%y"), ("yy", "%y"), ("ss", "%S"), ("SS", "%S"))


def regex_of_format(date_format: str) -> str:
    """A pattern with named groups for ``%d/%m/%Y`` or ``DD/MM/YYYY hh:mm``.

    Raises:
        ConfigError: an unknown directive, or no year.
    """
    text = " ".join(date_format.split())
    if "%" not in text:
        for token, directive in _TOKENS:
            text = text.replace(token, directive)
        text = re.sub(r"(?<=%H:)(mm|MM)", "%M", text.replace("hh", "%H"))
        for token, directive in (*_TOKENS_AFTER, ("MM", "%m"), ("mm", "%m")):
            text = text.replace(token, directive)
    text = text.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S").replace("%D", "%m/%d/%y").replace("%R", "%H:%M")
    out: list[str] = []
    used: set[str] = set()  # what is said already: %I says the hour as %H does
    k = 0
    while k < len(text):
        if text[k] != "%":
            out.append(re.escape(text[k]))
            k += 1
            continue
        letter = text[k + 1 : k + 2].strip("-#")
        width = 2
        if text[k + 1 : k + 2] in ("-", "#"):
            letter, width = text[k + 2 : k + 3], 3
        meant = re.search(r"\?P<(\w)>", _DIRECTIVES.get(letter, ""))
        if letter not in _DIRECTIVES or (meant and meant[1] in used):
            raise ConfigError(
                place="--date-format",
                value=repr(date_format),
                rule=f"unknown or repeated directive %{letter}",
                remedy="Use %Y %y %m %b %B %d %H %I %M %S %f %p %z %j %q, as in '%d/%m/%Y %H:%M'.",
            )
        used |= {meant[1]} if meant else set()
        out.append(_DIRECTIVES[letter])
        k += width
    if "Y" not in used:
        raise ConfigError(
            place="--date-format", value=repr(date_format), rule="a year is needed", remedy="As in '%d/%m/%Y'."
        )
    return "".join(out)


_ORDERS = {
    "day first": {"a": "d", "b": "m", "c": "y"},
    "month first": {"a": "m", "b": "d", "c": "y"},
    "year first": {"a": "y", "b": "m", "c": "d"},
}
"""What the numbers of a date are in each reading."""


def format_like(text: str, pattern: str, word: str) -> str:
    r"""The ``--date-format`` under which a text that matches ``pattern`` has the reading ``word``.

    >>> format_like("01/02/24", r"(?P<a>\d\d)/(?P<b>\d\d)/(?P<c>\d\d)", "day first")
    '%d/%m/%y'
    """
    found = re.fullmatch(pattern, text)
    spans = [(found.span(g), _ORDERS[word].get(g, g)) for g in "abcYHMSfpz" if found and found.groupdict().get(g)]
    out, at = "", 0
    for (start, end), letter in sorted(spans):
        out, at = f"{out}{text[at:start]}%{letter}", end
    out += text[at:]
    return re.sub(r"(?<=%p)\.?[Mm]\.?", "", out.replace("%H", "%I")) if "%p" in out else out

"""Files and answers from https addresses: bounded, checked, and renamed into a local cache."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from forecastkit.cards import sha256_of
from forecastkit.errors import ConfigError, SourceError

__all__ = ["MOST_BYTES", "answer", "cache_folder", "fetch", "no_cache", "recorded"]

MOST_BYTES = 500_000_000
MOST_ANSWER = 100_000_000
TIMEOUT_SECONDS = 30.0
CHUNK = 1 << 20
TOO_MANY = 429
"""HTTP status of a server that was asked too often."""


def cache_folder() -> Path:
    """``$FORECASTKIT_CACHE``, else ``~/.cache/forecastkit``; it may not exist yet."""
    given = os.environ.get("FORECASTKIT_CACHE")
    try:
        return Path(given).expanduser() if given else Path.home() / ".cache" / "forecastkit"
    except RuntimeError:
        raise ConfigError(
            place="cache", rule="this user has no home folder", remedy="Set FORECASTKIT_CACHE to a folder."
        ) from None


def recorded(file_name: str) -> str | None:
    """The sha256 that the first download of a file without a published one left in the cache; None = there was none."""
    path = _record(cache_folder() / file_name)
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if len(text) == 64 and set(text) <= set("0123456789abcdef") else None


def _record(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def fetch(
    url: str, *, sha256: str | None, file_name: str, allow_local_http: bool = False, max_bytes: int = MOST_BYTES
) -> Path:
    """The file behind ``url`` with the bytes that ``sha256`` names; the network is used once.

    Args:
        url: starts with https://.
        sha256: 64 hex digits of the file as delivered; None = nobody published them: those of the first delivery are
            kept beside the file, and later deliveries must have the same.
        file_name: its name in the cache, with ``/`` for folders.
        allow_local_http: also http://127.0.0.1, for tests.
        max_bytes: stop a delivery that is longer.

    Raises:
        SourceError: not delivered, too long, or other bytes than expected; nothing is left behind.
        ConfigError: the cache cannot be written.
    """
    _check_address(url, url, allow_local_http)
    target = cache_folder() / file_name
    expected = sha256 or recorded(file_name)
    try:
        if target.is_file():
            found = sha256_of(target)
            if expected is None:
                # Put there by hand: as good as a first delivery.
                _record(target).write_text(found + "\n", encoding="ascii")
            if expected in (None, found):
                return target
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=".part-", dir=target.parent)
    except OSError as error:
        raise no_cache(target.parent, error.strerror or str(error)) from None
    try:
        with os.fdopen(handle, "wb") as out:
            remedy = f"put the file at {target} by hand."
            found = _copy(url, out, remedy, allow_local_http, max_bytes)
        if expected is not None and found != expected:
            raise _other_bytes(url, found, expected, None if sha256 else _record(target))
        try:
            Path(aside).replace(target)
            if sha256 is None and expected is None:
                _record(target).write_text(found + "\n", encoding="ascii")
        except OSError as error:
            raise no_cache(target.parent, error.strerror or str(error)) from None
    finally:
        Path(aside).unlink(missing_ok=True)
    return target


def _other_bytes(url: str, found: str, expected: str, record: Path | None) -> SourceError:
    who = "the card expects" if record is None else "the first download had"
    remedy = "Try again; where it stays so, the card needs a review."
    if record is not None:
        remedy = f"Try again; where the source has changed for good, delete {record}."
    return SourceError(
        place=url,
        value=f"sha256 {found[:12]}...",
        rule=f"{who} {expected[:12]}...; the source has changed or the delivery was cut short",
        remedy=remedy,
    )


def answer(url: str, *, remedy: str, allow_local_http: bool = False, max_bytes: int = MOST_ANSWER) -> bytes:
    """What a service says to one question; nothing is cached.

    Args:
        remedy: how to go on without the network, as the end of a sentence.

    Raises:
        SourceError: not delivered, too long, or refused; with the reason that the service gives.
    """
    _check_address(url, url, allow_local_http)
    out = io.BytesIO()
    _copy(url, out, remedy, allow_local_http, max_bytes)
    return out.getvalue()


def no_cache(folder: Path, why: str) -> ConfigError:
    """The error of a cache that cannot be written."""
    return ConfigError(
        place=str(folder),
        value=why,
        rule="the cache cannot be written",
        remedy="Set FORECASTKIT_CACHE to a folder that can.",
    )


def _check_address(url: str, asked: str, allow_local_http: bool) -> None:
    try:
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname == "127.0.0.1" and allow_local_http
        fine = bool(parts.hostname) and (parts.scheme == "https" or local)
    except ValueError:
        fine = False
    if not fine:
        raise SourceError(place=asked, value=url if url != asked else "", rule="only https addresses are loaded")


class _StrictRedirect(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to an address that could have been asked for."""

    def __init__(self, allow_local_http: bool) -> None:
        self.allow_local_http = allow_local_http

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_address(newurl, req.full_url, self.allow_local_http)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _copy(url: str, out: IO[bytes], remedy: str, allow_local_http: bool, max_bytes: int) -> str:
    """Hex sha256 of what was delivered and written to ``out``."""
    opener = urllib.request.build_opener(_StrictRedirect(allow_local_http))
    # Some servers refuse urllib's own name.
    request = urllib.request.Request(url, headers={"User-Agent": "forecastkit"})  # noqa: S310  checked above
    place = url.split("?")[0]
    digest, size = hashlib.sha256(), 0
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as stream:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > max_bytes:
                    raise SourceError(place=place, rule=f"longer than {max_bytes} bytes, the limit of a download")
                digest.update(chunk)
                out.write(chunk)
    except urllib.error.HTTPError as error:
        raise _refused(place, error, remedy) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise SourceError(
            place=place,
            value=str(reason) or type(error).__name__,
            rule="could not be delivered",
            remedy=f"Check the network connection, or {remedy}",
        ) from None
    return digest.hexdigest()


def _refused(place: str, error: urllib.error.HTTPError, remedy: str) -> SourceError:
    """With the reason in the body, where a service gives one."""
    said = ""
    try:
        tree = json.loads(error.read(10_000))
        said = str(tree.get("reason") or tree.get("message") or "")[:200]
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        pass
    rule, first = "the server did not deliver", "Try later"
    if error.code == TOO_MANY:
        rule, first = "the server was asked too often", "Wait, and try again"
    value = f"HTTP {error.code}" + (f", {said.rstrip('.')}" if said else "")
    return SourceError(place=place, value=value, rule=rule, remedy=f"{first}, or {remedy}")

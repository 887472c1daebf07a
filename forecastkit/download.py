"""One file from an https address into a local cache: bounded, checked, renamed into place."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from forecastkit.cards import sha256_of
from forecastkit.errors import ConfigError, SourceError

__all__ = ["MOST_BYTES", "cache_folder", "fetch"]

MOST_BYTES = 500_000_000
TIMEOUT_SECONDS = 30.0
CHUNK = 1 << 20


def cache_folder() -> Path:
    """``$FORECASTKIT_CACHE``, else ``~/.cache/forecastkit``; it may not exist yet."""
    given = os.environ.get("FORECASTKIT_CACHE")
    try:
        return Path(given).expanduser() if given else Path.home() / ".cache" / "forecastkit"
    except RuntimeError:
        raise ConfigError(
            place="cache", rule="this user has no home folder", remedy="Set FORECASTKIT_CACHE to a folder."
        ) from None


def fetch(
    url: str, *, sha256: str, file_name: str, allow_local_http: bool = False, max_bytes: int = MOST_BYTES
) -> Path:
    """The file behind ``url`` with the bytes that ``sha256`` names; the network is used once.

    Args:
        url: starts with https://.
        sha256: 64 hex digits of the file as delivered.
        file_name: its name in the cache.
        allow_local_http: also http://127.0.0.1, for tests.
        max_bytes: stop a delivery that is longer.

    Raises:
        SourceError: not delivered, too long, or other bytes than expected; nothing is left behind.
        ConfigError: the cache cannot be written.
    """
    _check_address(url, url, allow_local_http)
    target = cache_folder() / file_name
    try:
        if target.is_file() and sha256_of(target) == sha256:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=".part-", dir=target.parent)
    except OSError as error:
        raise _no_cache(target.parent, error) from None
    try:
        with os.fdopen(handle, "wb") as out:
            found = _copy(url, out, target, allow_local_http, max_bytes)
        if found != sha256:
            raise SourceError(
                place=url,
                value=f"sha256 {found[:12]}...",
                rule=f"the card expects {sha256[:12]}...; the source has changed or the delivery was cut short",
                remedy="Try again; where it stays so, the card needs a review.",
            )
        try:
            Path(aside).replace(target)
        except OSError as error:
            raise _no_cache(target.parent, error) from None
    finally:
        Path(aside).unlink(missing_ok=True)
    return target


def _no_cache(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        place=str(folder),
        value=error.strerror or str(error),
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


def _copy(url: str, out: IO[bytes], target: Path, allow_local_http: bool, max_bytes: int) -> str:
    """Hex sha256 of what was delivered and written to ``out``."""
    opener = urllib.request.build_opener(_StrictRedirect(allow_local_http))
    # Some servers refuse urllib's own name.
    request = urllib.request.Request(url, headers={"User-Agent": "forecastkit"})  # noqa: S310  checked above
    digest, size = hashlib.sha256(), 0
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            while chunk := answer.read(CHUNK):
                size += len(chunk)
                if size > max_bytes:
                    raise SourceError(place=url, rule=f"longer than {max_bytes} bytes, the limit of a download")
                digest.update(chunk)
                out.write(chunk)
    except urllib.error.HTTPError as error:
        raise SourceError(
            place=url,
            value=f"HTTP {error.code}",
            rule="the server did not deliver",
            remedy=f"Try later, or put the file at {target} by hand.",
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise SourceError(
            place=url,
            value=str(reason) or type(error).__name__,
            rule="could not be delivered",
            remedy=f"Check the network connection, or put the file at {target} by hand.",
        ) from None
    return digest.hexdigest()

"""No link that is not the tenant's or a source's, no remote image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from desk.drafting.checks.check import Check, passed_or

URL = re.compile(r"https?://[^\s<>()\[\]\"']+|\bwww\.[^\s<>()\[\]\"']+", re.IGNORECASE)
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)|<img\b", re.IGNORECASE)


def check_links(body: str, sources: Sequence[str], allowed_hosts: Sequence[str]) -> list[Check]:
    """A link must be of the tenant's list or stand in a source to the letter; remote images never."""
    allowed = {host.casefold() for host in allowed_hosts}
    quoted = {_plain_url(found) for source in sources for found in URL.findall(source)}
    failed = [
        Check("links", passed=False, detail="a remote image must not be sent", span=match.span())
        for match in _IMAGE.finditer(body)
    ]
    for match in URL.finditer(body):
        url = _plain_url(match.group())
        host = _host(url)
        if host not in allowed and url not in quoted:
            detail = f"{host or url} is in no source and not on the list of allowed links"
            span = (match.start(), match.start() + len(url))
            failed.append(Check("links", passed=False, detail=detail, span=span))
    return passed_or("links", failed)


def _host(url: str) -> str:
    """The host of an address, "" for one that is none: what cannot be read is on no list."""
    try:
        return (urlsplit(url if "//" in url else f"https://{url}").hostname or "").casefold()
    except ValueError:
        return ""


def _plain_url(url: str) -> str:
    return url.rstrip(".,;:!?/")

"""Addresses of pages: one way to write each, and which belong to a site."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from desk.egress import EgressRules
from desk.errors import RefusedAddressError

LONGEST_ADDRESS: Final = 1_000
"""Characters. What is longer is made by a machine for a machine."""
_TRACKING: Final = re.compile(r"utm_\w+|gclid|fbclid|msclkid|dclid|mc_[ce]id|_ga|_gl|yclid|igshid|ref_src")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_UNREADABLE: Final = frozenset(
    ending
    for line in (
        "7z apk atom avi avif bmp bz2 css csv dmg doc eot exe gif gz ico ics iso jar jpeg jpg js json map mov mp3 mp4",
        "mpeg ogg otf png ppt ps rar rpm rss svg tar tgz tif tiff ttf wav webm webmanifest webp wmv woff woff2 xls",
        "xlsx xml xz zip",
    )
    for ending in line.split()
)
"""Endings whose files hold nothing to read, or nothing that is taken from a page that is only linked to."""


def page_address(address: str, rules: EgressRules) -> str:
    """The one way to write it: https unless the operator allows the host otherwise, no fragment, no tracking.

    Raises RefusedAddressError when it may not be fetched or is too long.
    """
    given = address.strip()
    if "://" not in given[:10]:
        given = f"https://{given}"
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError as error:
        msg = "This is not a usable address."
        raise RefusedAddressError(msg) from error
    if parts.scheme.lower() == "http" and not _is_allowed(given, rules):
        parts = parts._replace(scheme="https", netloc=parts.netloc.removesuffix(":80"))
        port = None if port == 80 else port
        given = urlunsplit(parts)
    target = rules.check_url(given)
    host = f"[{target.host}]" if ":" in target.host else target.host
    at = "" if target.port == _DEFAULT_PORTS[target.scheme] else f":{target.port}"
    path = quote(parts.path, safe="/~:@!$&'()*+,;=-._%")
    query = parts.query
    if query and _TRACKING.search(query):
        query = urlencode([(name, value) for name, value in _pairs(query) if not _TRACKING.fullmatch(name)])
    query = quote(query, safe="/~:@!$&'()*+,;=-._%?")
    found = urlunsplit((target.scheme, f"{host}{at}", _without_dots(path), query, ""))
    if len(found) > LONGEST_ADDRESS:
        msg = f"The address is longer than {LONGEST_ADDRESS:,} characters."
        raise RefusedAddressError(msg)
    return found


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def _is_allowed(address: str, rules: EgressRules) -> bool:
    try:
        return rules.check_url(address).allowed
    except RefusedAddressError:
        return False


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    ends_open = bool(segments) and segments[-1] in {".", ".."}
    return "/" + "/".join(kept) + ("/" if ends_open and kept else "")


def origin_of(address: str) -> str:
    """Scheme, host and port, as robots.txt is for (RFC 9309 section 2.3)."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def host_of(address: str) -> str:
    return urlsplit(address).netloc


def same_site(one: str, other: str) -> bool:
    """The same host, whichever of the two leaves out `www.`."""
    return host_of(one).removeprefix("www.") == host_of(other).removeprefix("www.")


def is_below(address: str, path: str) -> bool:
    return (urlsplit(address).path or "/").startswith(path)


def is_worth_a_look(address: str) -> bool:
    """Whether the ending of a linked address promises something that can be read."""
    return _ending(address) not in _UNREADABLE


def file_name(address: str, media_type: str) -> str:
    """A name whose ending says how to read what came from there."""
    name = PurePosixPath(unquote(urlsplit(address).path)).name or "index"
    wanted = ENDINGS[media_type]
    return name if name.lower().endswith(wanted) else f"{name}{wanted[0]}"


def _ending(address: str) -> str:
    return PurePosixPath(urlsplit(address).path).suffix.lower().removeprefix(".")


HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
ENDINGS: Final[dict[str, tuple[str, ...]]] = {
    "text/html": (".html", ".htm"),
    "application/xhtml+xml": (".xhtml", ".html"),
    "text/markdown": (".md", ".markdown"),
    "text/x-markdown": (".md", ".markdown"),
    "text/plain": (".txt", ".md", ".text"),
    "application/pdf": (".pdf",),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (".docx",),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": (".pptx",),
    "application/vnd.oasis.opendocument.text": (".odt",),
    "message/rfc822": (".eml",),
    "application/zip": (".zip",),
}
"""Media types that are taken from the web, and the endings of their files."""
_TYPES_BY_ENDING: Final = {ending: media_type for media_type, endings in ENDINGS.items() for ending in endings}


def media_type_of(address: str, declared: str) -> str:
    """What it is, by its header, or by its ending where the header says nothing of use; empty when nobody says."""
    given = declared.partition(";")[0].strip().lower()
    if given in ENDINGS:
        return given
    if given in {"", "application/octet-stream", "binary/octet-stream", "application/x-zip-compressed"}:
        return _TYPES_BY_ENDING.get(f".{_ending(address)}", "")
    return ""

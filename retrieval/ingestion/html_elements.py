"""What HTML elements mean to a reader: data for `html_format` and `html_table`."""

from __future__ import annotations

import re
from typing import Final

from selectolax.lexbor import LexborNode


def _names(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


BLOCKS: Final = _names(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure",
    "footer form header hgroup hr html legend li main menu ol optgroup option p section summary table tbody td",
    "tfoot th thead tr ul",
)
HEADINGS: Final = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
CODE: Final = frozenset({"pre", "listing", "xmp"})
LISTS: Final = frozenset({"ul", "ol", "menu", "dl"})

KNOWN: Final = (
    BLOCKS
    | HEADINGS.keys()
    | CODE
    | _names(
        "a abbr acronym area audio b base bdi bdo big br button canvas cite code col colgroup data datalist del dfn",
        "em embed font head i iframe img input ins kbd label link map mark meta meter nav noscript object output",
        "param path picture progress q rp rt ruby s samp script select slot small source span strike strong style",
        "sub sup svg template textarea time title track tt u var video wbr",
    )
)
"""Anything else between angle brackets in Markdown is a placeholder such as `<your-domain>`, or a component."""

NESTING: Final = KNOWN - _names(
    "a area base body br col colgroup dd dt embed head hr html img input li link meta optgroup option p param path",
    "rp rt script source style tbody td tfoot th thead tr track wbr",
)
"""Elements that stand inside each other for as long as nobody closes them."""

_DROPPED = _names(
    "script style noscript template nav aside iframe object embed svg canvas audio video button select textarea input",
    "datalist dialog head title rp",
)
"""Scripts, controls and navigation."""

STRUCK: Final = frozenset({"del", "s", "strike"})
"""Text that no longer holds: kept, and marked as Markdown marks it, so that nobody takes it for valid."""

_DROPPED_ROLES = _names("navigation banner contentinfo complementary search menu menubar toolbar dialog alertdialog")
_DROPPED_CLASSES = _names(
    "breadcrumb breadcrumbs cookie-banner header-anchor headerlink mw-editsection mw-jump-link navbar navbox",
    "noprint reference skip-link skiplink toc",
)
_DROPPED_IDS = _names(
    "axeptio_overlay borlabs-cookie-box cmplz-cookiebanner-container cookie-law-info-bar cookieconsent",
    "cybotcookiebotdialog didomi-host footer iubenda-cs-banner klaro main-menu main-nav navigation",
    "onetrust-banner-sdk onetrust-consent-sdk page-footer qc-cmp2-container sidebar site-footer site-navigation",
    "sp_message_container tarteaucitronroot truste-consent-track usercentrics-root",
)
"""In lower case: furniture that many sites name alike, and the common consent dialogs."""
_CONSENT = re.compile(
    r"(?:cookies?|consent|gdpr|cc|eu-cookie)[-_]?"
    r"(?:banner|bar|box|consent|dialog|law|message|modal|notice|notification|overlay|popup|window)"
)
_FEWEST_MENU_LINKS = 8
_MENU_LINK_SHARE = 0.9
"""Of the characters in the list."""
_NOT_SHOWN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)


def is_boilerplate(node: LexborNode) -> bool:
    """Whether the element and all in it is furniture of the page and no part of what it says."""
    if node.tag in _DROPPED:
        return True
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    if (attributes.get("role") or "").lower() in _DROPPED_ROLES or _NOT_SHOWN.search(attributes.get("style") or ""):
        return True
    name, classes = (attributes.get("id") or "").lower(), (attributes.get("class") or "").split()
    if name in _DROPPED_IDS or not _DROPPED_CLASSES.isdisjoint(classes):
        return True
    return any(_CONSENT.fullmatch(each) for each in (name, *map(str.lower, classes)))


def is_link_menu(node: LexborNode) -> bool:
    """Whether a list holds many links and hardly a word beside them: a menu, whatever its page calls it."""
    links = node.css("a[href]")
    if len(links) < _FEWEST_MENU_LINKS:
        return False
    linked = sum(len(link.text().strip()) for link in links)
    return linked >= _MENU_LINK_SHARE * sum(len(word) for word in node.text().split())


def children_reversed(node: LexborNode) -> list[LexborNode]:
    """Ready to be pushed on a stack. Documents nest deeper than Python may call, so every walk here is a loop."""
    return list(node.iter(include_text=True))[::-1]

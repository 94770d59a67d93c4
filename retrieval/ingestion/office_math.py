"""Equations of Office documents (OMML) as LaTeX, which people and models read as plain text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .office_xml import attribute, child, children, local_name

_NARY: Final = {
    "\u2211": r"\sum",
    "\u220f": r"\prod",
    "\u222b": r"\int",
    "\u222c": r"\iint",
    "\u222d": r"\iiint",
    "\u222e": r"\oint",
    "\u22c3": r"\bigcup",
    "\u22c2": r"\bigcap",
    "\u22c0": r"\bigwedge",
    "\u22c1": r"\bigvee",
    "\u2210": r"\coprod",
}
_ACCENTS: Final = {
    "\u0302": r"\hat",
    "\u0303": r"\tilde",
    "\u0304": r"\bar",
    "\u0305": r"\overline",
    "\u0307": r"\dot",
    "\u0308": r"\ddot",
    "\u20d7": r"\vec",
}
_SYMBOLS: Final = {
    "\u00b1": r"\pm ",
    "\u2213": r"\mp ",
    "\u00d7": r"\times ",
    "\u00f7": r"\div ",
    "\u22c5": r"\cdot ",
    "\u221e": r"\infty ",
    "\u2264": r"\leq ",
    "\u2265": r"\geq ",
    "\u2260": r"\neq ",
    "\u2248": r"\approx ",
    "\u2192": r"\to ",
    "\u2208": r"\in ",
    "\u2229": r"\cap ",
    "\u222a": r"\cup ",
    "\u2202": r"\partial ",
    "\u2207": r"\nabla ",
    "\u2026": r"\ldots ",
    "\u03b1": r"\alpha ",
    "\u03b2": r"\beta ",
    "\u03b3": r"\gamma ",
    "\u03b4": r"\delta ",
    "\u03b5": r"\varepsilon ",
    "\u03b8": r"\theta ",
    "\u03bb": r"\lambda ",
    "\u03bc": r"\mu ",
    "\u03c0": r"\pi ",
    "\u03c1": r"\rho ",
    "\u03c3": r"\sigma ",
    "\u03c4": r"\tau ",
    "\u03c6": r"\varphi ",
    "\u03c9": r"\omega ",
    "\u0394": r"\Delta ",
    "\u03a3": r"\Sigma ",
    "\u03a9": r"\Omega ",
}
_FUNCTIONS: Final = frozenset({"sin", "cos", "tan", "cot", "log", "ln", "lg", "exp", "lim", "max", "min", "sup", "inf"})


def latex(equation: Any) -> str:
    """Of an `m:oMath` or `m:oMathPara` element, without dollar signs."""
    return " ".join(_inside(equation).split())


def _inside(element: Any) -> str:
    return "".join(_READERS.get(local_name(each), _inside)(each) for each in element if isinstance(each.tag, str))


def _part(element: Any, name: str) -> str:
    found = child(element, name)
    return "" if found is None else _inside(found).strip()


def _run(element: Any) -> str:
    text = "".join(each.text or "" for each in element if local_name(each) in {"t", "delText"})
    return "".join(_SYMBOLS.get(character, character) for character in text)


def _property(element: Any, name: str, default: str) -> str:
    properties = next((each for each in element if local_name(each).endswith("Pr")), None)
    found = None if properties is None else child(properties, name)
    return default if found is None else attribute(found, "val") or ""


def _fraction(element: Any) -> str:
    return rf"\frac{{{_part(element, 'num')}}}{{{_part(element, 'den')}}}"


def _scripts(element: Any) -> str:
    below, above = child(element, "sub"), child(element, "sup")
    scripts = "" if below is None else f"_{{{_inside(below).strip()}}}"
    return _part(element, "e") + scripts + ("" if above is None else f"^{{{_inside(above).strip()}}}")


def _radical(element: Any) -> str:
    degree = f"[{_part(element, 'deg')}]" if _part(element, "deg") else ""
    return rf"\sqrt{degree}{{{_part(element, 'e')}}}"


def _nary(element: Any) -> str:
    sign = _property(element, "chr", "\u222b")
    return f"{_NARY.get(sign, sign)}_{{{_part(element, 'sub')}}}^{{{_part(element, 'sup')}}}{_part(element, 'e')}"


def _delimited(element: Any) -> str:
    begin, end = _property(element, "begChr", "("), _property(element, "endChr", ")")
    between = _property(element, "sepChr", "|")
    inner = between.join(_inside(each) for each in children(element, "e"))
    return rf"\left{_fence(begin)}{inner}\right{_fence(end)}"


def _fence(character: str) -> str:
    return {"": ".", "{": r"\{", "}": r"\}"}.get(character, character)


def _function(element: Any) -> str:
    name = _part(element, "fName")
    shown = rf"\{name}" if name in _FUNCTIONS else name
    return (
        f"{shown}({_part(element, 'e')})"
        if not _part(element, "e").startswith(r"\left")
        else shown + _part(element, "e")
    )


def _matrix(element: Any) -> str:
    rows = (" & ".join(_inside(cell) for cell in children(row, "e")) for row in children(element, "mr"))
    inner = r" \\ ".join(rows)
    return rf"\begin{{matrix}}{inner}\end{{matrix}}"


def _lines(element: Any) -> str:
    return r" \\ ".join(_inside(each) for each in children(element, "e"))


def _accent(element: Any) -> str:
    mark = _ACCENTS.get(_property(element, "chr", "\u0302"), r"\hat")
    return f"{mark}{{{_part(element, 'e')}}}"


def _limit_below(element: Any) -> str:
    name = _part(element, "e")
    shown = rf"\{name}" if name in _FUNCTIONS else name
    return f"{shown}_{{{_part(element, 'lim')}}}"


def _limit_above(element: Any) -> str:
    return rf"\overset{{{_part(element, 'lim')}}}{{{_part(element, 'e')}}}"


def _bar(element: Any) -> str:
    line = "overline" if _property(element, "pos", "bot") == "top" else "underline"
    return rf"\{line}{{{_part(element, 'e')}}}"


def _nothing(_: Any) -> str:
    return ""


_READERS: Final[dict[str, Callable[[Any], str]]] = {
    "r": _run,
    "f": _fraction,
    "sSub": _scripts,
    "sSup": _scripts,
    "sSubSup": _scripts,
    "sPre": _scripts,
    "rad": _radical,
    "nary": _nary,
    "d": _delimited,
    "func": _function,
    "m": _matrix,
    "eqArr": _lines,
    "acc": _accent,
    "limLow": _limit_below,
    "limUpp": _limit_above,
    "bar": _bar,
    "rPr": _nothing,
    "ctrlPr": _nothing,
    "del": _nothing,
}

"""Odd mails, written by hand after what real programs and broken ones send. Each says what must be read from it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

_HEAD = (
    "From: Marta <marta@customer.test>\nTo: support@acme.test\nSubject: {subject}\nMessage-ID: <{name}@customer.test>\n"
)


@dataclass(frozen=True)
class Odd:
    name: str
    raw: bytes
    body: str = "Hello"
    """How the new words begin."""
    address: str = "marta@customer.test"
    subject: str | None = None
    quoted: str = ""
    files: tuple[str, ...] = ()
    automatic: bool = False
    absent: tuple[str, ...] = ()
    """What must be in neither the words nor the HTML."""
    unreadable: bool = False


def _mail(name: str, rest: str, subject: str = "Backups") -> bytes:
    return (_HEAD.format(subject=subject, name=name) + rest).encode()


def _html(name: str, html: str) -> bytes:
    return _mail(name, f"Content-Type: text/html; charset=utf-8\n\n{html}")


_NESTED = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(60))
_BODY64 = base64.encodebytes("Hello Grüße".encode()).decode()

CORPUS = (
    Odd("plain", _mail("plain", "\nHello there")),
    Odd("no_message_id", b"From: marta@customer.test\nSubject: x\n\nHello"),
    Odd("no_date_no_subject", b"From: marta@customer.test\n\nHello", subject=""),
    Odd("bare_cr", _mail("cr", "\nHello").replace(b"\n", b"\r\n")),
    Odd("empty_body", _mail("empty", "\n"), body=""),
    Odd("only_signature_mark", _mail("sig", "\n-- \nMarta"), body="-- \nMarta"),
    Odd("signature", _mail("sig2", "\nHello\n\n-- \nMarta\nCEO"), quoted="-- \nMarta\nCEO"),
    Odd("latin1_unlabelled", _HEAD.format(subject="", name="l1").encode() + b"\nHello Gr\xfc\xdfe", body="Hello Grüße"),
    Odd("wrong_charset", _mail("wc", "Content-Type: text/plain; charset=no-such-thing\n\nHello Grüße"), "Hello Grüße"),
    Odd("utf8_called_ascii", _mail("ua", "Content-Type: text/plain; charset=us-ascii\n\nHello Grüße"), "Hello Grüße"),
    Odd("8bit_subject", _mail("8b", "\nHello", subject="Größe"), subject="Größe"),
    Odd("encoded_subject", _mail("es", "\nHello", subject="=?utf-8?q?Gr=C3=B6=C3=9Fe?="), subject="Größe"),
    Odd("broken_encoded_subject", _mail("be", "\nHello", subject="=?utf-8?b?!!!?= x")),
    Odd("unknown_encoded_charset", _mail("uc", "\nHello", subject="=?x-nope?q?abc?=")),
    Odd("folded_subject", _mail("fs", "\nHello", subject="one\n two"), subject="one two"),
    Odd("header_injection", _mail("hi", "\nHello", subject="=?utf-8?q?a=0D=0ABcc=3A_x=40y?="), subject="a Bcc: x@y"),
    Odd("base64", _mail("b64", f"Content-Transfer-Encoding: base64\n\n{_BODY64}"), "Hello Grüße"),
    Odd("broken_base64", _mail("bb", "Content-Transfer-Encoding: base64\n\nSGVsbG8=!!!"), body="Hello"),
    Odd("broken_quoted_printable", _mail("qp", "Content-Transfer-Encoding: quoted-printable\n\nHello =ZZ=\n"), "Hello"),
    Odd("unknown_encoding", _mail("ue", "Content-Transfer-Encoding: x-nothing\n\nHello")),
    Odd("name_with_comma", _mail("nc", "\nHello").replace(b"Marta <", b'"Doe, Marta" <')),
    Odd("encoded_name_with_address", _mail("ea", "\nHello").replace(b"Marta <", b"=?utf-8?q?ceo=40acme=2Etest?= <")),
    Odd("two_senders", _mail("ts", "\nHello").replace(b"test>\nTo", b"test>, Eve <eve@evil.test>\nTo")),
    Odd("quoted_reply", _mail("qr", "\nHello\n\nOn 3 Mar 2026 10:00 a@b.test wrote:\n> Hi\n"), quoted="On 3 Mar 2026"),
    Odd("outlook_reply", _mail("or", "\nHello\n\nFrom: a@b.test\nSent: now\nTo: Marta\n\nOld"), quoted="From: a@b"),
    Odd("bottom_posted", _mail("bp", "\nOn 3 Mar 2026 10:00 a@b.test wrote:\n> Hi\n\nHello"), quoted="On 3 Mar"),
    Odd("forwarded", _mail("fw", "\nHello\n\n---------- Forwarded message ---------\nFrom: x@y.test\n\nThe fault")),
    Odd("html_only", _html("ho", "<p>Hello <b>you</b></p><script>alert(1)</script>"), "Hello you", absent=("alert",)),
    Odd(
        "html_hostile",
        _html("hh", '<p hx-get="/x" onclick="x()" style="a">Hello</p><img src=x onerror=1><a href="javascript:x">'),
        absent=("hx-get", "onclick", "onerror", "javascript", "<img", "style="),
    ),
    Odd("html_tracking", _html("ht", '<p>Hello</p><img src="https://t.test/p.gif" width=1>'), absent=("t.test",)),
    Odd("html_form", _html("hf", "<form action=https://e.test><input name=p></form>Hello"), absent=("<form", "<input")),
    Odd("html_hidden", _html("hd", '<div style="display: none">sneaky</div><p>Hello</p>')),
    Odd("html_quote", _html("hq", "<p>Hello</p><blockquote>Old words</blockquote>"), quoted="> Old words"),
    Odd("html_unclosed", _html("hu", "<div><p>Hello<table><tr><td>x")),
    Odd(
        "alternative",
        _mail(
            "alt",
            'Content-Type: multipart/alternative; boundary="x"\n\n--x\nContent-Type: text/plain\n\nHello\n'
            "--x\nContent-Type: text/html\n\n<p>Hello</p>\n--x--\n",
        ),
    ),
    Odd(
        "boundary_never_ends",
        _mail("bn", 'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nHello\n'),
    ),
    Odd("boundary_missing", _mail("bm", "Content-Type: multipart/mixed\n\nHello")),
    Odd(
        "attachment_names",
        _mail(
            "an",
            'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nHello\n'
            "--x\nContent-Type: application/pdf\n"
            "Content-Disposition: attachment; filename*=utf-8''r%C3%A9sum%C3%A9.pdf\n\nPDF\n"
            '--x\nContent-Type: text/plain\nContent-Disposition: attachment; filename="../../etc/passwd"\n\nx\n--x--\n',
        ),
        files=("résumé.pdf", "passwd"),
    ),
    Odd(
        "turned_name",
        _mail(
            "tn",
            'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nHello\n'
            "--x\nContent-Type: application/octet-stream\n"
            "Content-Disposition: attachment; filename*=utf-8''cod%E2%80%AEfdp.exe\n\nMZ\n--x--\n",
        ),
        files=("cod_fdp.exe",),
    ),
    Odd(
        "mail_in_mail",
        _mail(
            "mm",
            'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nHello\n'
            "--x\nContent-Type: message/rfc822\n\nFrom: eve@evil.test\nSubject: inner\n\nInner words\n--x--\n",
        ),
        files=("message.eml",),
        absent=("Inner words",),
    ),
    Odd("nested_without_end", _mail("nw", _NESTED + "Content-Type: text/plain\n\ndeep"), body="", absent=("deep",)),
    Odd("auto_submitted", _mail("as", "Auto-Submitted: auto-generated (x)\n\nHello"), automatic=True),
    Odd("precedence_bulk", _mail("pb", "Precedence: Bulk\n\nHello"), automatic=True),
    Odd("mailing_list", _mail("ml", "List-Id: <a.b>\n\nHello"), automatic=True),
    Odd("suppress", _mail("su", "X-Auto-Response-Suppress: OOF, DR\n\nHello"), automatic=True),
    Odd("null_return_path", b"Return-Path: <>\n" + _mail("nr", "\nHello"), automatic=True),
    Odd(
        "no_reply_sender",
        _mail("ns", "\nHello").replace(b"marta@", b"no-reply@"),
        address="no-reply@customer.test",
        automatic=True,
    ),
    Odd("auto_submitted_no", _mail("an2", "Auto-Submitted: no\n\nHello")),
    Odd("nul_and_controls", _mail("nul", "\nHello\x00\x07 you")),
    Odd("long_line", _mail("ll", "\nHello " + "x" * 300_000)),
    Odd("left_out", b"X-Desk-Left-Out: 31000000\n" + _mail("lo", "\n"), body="(This mail has 31 MB."),
    Odd("no_sender", b"Subject: x\n\nHello", unreadable=True),
    Odd("empty", b"", unreadable=True),
    Odd("noise", bytes(range(256)) * 20, unreadable=True),
    Odd("sender_without_domain", b"From: marta\nSubject: x\n\nHello", unreadable=True),
)  # fmt: skip

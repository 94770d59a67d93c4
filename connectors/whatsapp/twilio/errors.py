"""What Twilio's error codes mean for a reply, in words for people (Twilio error dictionary)."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["failed", "retry", "uncertain"]

_WORDS: dict[int, str] = {
    20003: "Twilio does not accept the credentials; enter them again in the channel's settings",
    20404: "Twilio does not know this account; look at the Account SID",
    20429: "too many calls at once",
    63018: "WhatsApp's limit of messages is reached",
    21211: "the recipient's number is not valid",
    21212: "the sender's number is not valid",
    21604: "the recipient is missing",
    21606: "the sender's number does not belong to this account",
    21609: "Twilio does not take the desk's public address for callbacks",
    21610: "the customer has written STOP to this sender",
    21617: "the text is longer than 1,600 characters",
    21620: "Twilio could not use the file's address",
    11751: "the file is too large or of a kind WhatsApp does not take",
    63019: "WhatsApp could not fetch the file",
    21656: "the template's values are not valid",
    63027: "there is no such template, or not in this language",
    63028: "the template has another number of variables",
    63003: "the recipient is not on WhatsApp",
    63024: "the recipient's number is not valid for WhatsApp",
    63007: "no WhatsApp sender with this number is set up at Twilio",
    63016: "more than 24 hours have passed since the customer's last message; send an approved template",
    63021: "WhatsApp does not take this content",
    63032: "WhatsApp's limit for this customer is reached",
    63033: "the customer has blocked this sender",
    63049: "WhatsApp chose not to deliver this message to this customer",
    63005: "WhatsApp rejected the message",
    63012: "WhatsApp had an error of its own",
    63013: "the message breaks WhatsApp's rules",
}
_RETRY = frozenset({20429, 63018})


def verdict_of(code: int, status: int) -> Verdict:
    if code in _RETRY or status == 429:
        return "retry"
    return "uncertain" if status >= 500 else "failed"


def words_of(code: int, told: str) -> str:
    """Our sentence for the code, Twilio's own words, and the code itself."""
    ours = _WORDS.get(code, "")
    said = " ".join(told.split())[:200]
    if ours:
        return f"{ours} (Twilio {code})"
    return f"{said or 'Twilio gives no reason'} (Twilio {code})" if code else said or "Twilio gives no reason"

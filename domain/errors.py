"""Every error says what happens next.

    FulfilmentError
    ├── Transient        try again with backoff                  time-outs, 5xx, connection reset, deadlock
    ├── Throttled        come back at `after_s`; spends no attempt               429, the platform's call limits
    ├── UnknownOutcome   the call may have happened: ask by reference, never repeat blindly
    │   └── Malformed    an answer that cannot be read, after the request was sent
    ├── Refused          the other side said no for a business reason: hold, show its words to a person
    ├── Misconfigured    our credentials or settings are wrong: pauses the account once that is proven
    ├── Conflict         the subject is not where the call needs it (already done, stale): a person looks
    └── Poison           cannot be read at all, or killed a worker three times: dead letter at once

Anything else that escapes a step is a bug: a few tries, then a dead letter with its fingerprint.

`code` is stable snake_case and groups errors in listings; `message` is for people and carries no
personal data; `facts` is a small mapping of plain values, also free of personal data. `evidence` is the
other side's answer as it came: it may quote a buyer, so it is kept in Postgres only and is in no text of the error.
"""

from collections.abc import Mapping

Facts = Mapping[str, str | int | float | bool | None]


EVIDENCE_MAX_BYTES = 8192


class FulfilmentError(Exception):
    """Base of all errors a step may end with."""

    evidence: bytes = b""

    def __init__(self, code: str, message: str = "", facts: Facts | None = None) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.facts: dict[str, str | int | float | bool | None] = dict(facts or {})


class Transient(FulfilmentError):
    """The call certainly had no effect, or repeating it is harmless: try again with backoff."""


class Throttled(FulfilmentError):
    """The other side asks us to slow down; the subject comes back after `after_s` seconds."""

    def __init__(self, code: str, message: str = "", facts: Facts | None = None, *, after_s: float) -> None:
        super().__init__(code, message, facts)
        self.after_s = after_s


class UnknownOutcome(FulfilmentError):
    """The call may have had its effect; only a query to the other side shows whether it had."""


class Malformed(UnknownOutcome):
    """An answer came that does not follow the protocol."""


class Refused(FulfilmentError):
    """A business refusal; repeating it changes nothing."""


class Misconfigured(FulfilmentError):
    """Credentials, signature, permission or settings seem to be wrong for a whole account.

    In a call about one subject the subject may still be the cause: a firewall may answer 403 to one address only.
    """


class Conflict(FulfilmentError):
    """The subject is no longer where this step needs it."""


class Poison(FulfilmentError):
    """No repetition can process this input."""


def keep_evidence(error: FulfilmentError, answer: bytes) -> FulfilmentError:
    """`error` with the beginning of the answer that led to it; what it carries already stays."""
    error.evidence = error.evidence or answer[:EVIDENCE_MAX_BYTES]
    return error


def evidence_of(error: BaseException) -> bytes:
    """The answer behind an error: its own, else that of the nearest error before it, even of one that is not shown."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        found = getattr(link, "evidence", b"")
        if isinstance(found, bytes) and found:
            return found
        link = link.__cause__ or link.__context__
    return b""


def in_own_words(error: BaseException | None) -> str:
    """An error of ours as it is; of a foreign one the type alone, as a foreign text may quote what it is about."""
    return str(error) if isinstance(error, FulfilmentError) else type(error).__name__

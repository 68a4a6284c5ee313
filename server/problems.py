"""Every error that Footfall answers with, as RFC 9457 problem details.

Problem
├── Malformed 400          the body is no JSON, or not text
│   ├── BrokenHttp 400     the request itself is not as HTTP wants it
│   └── UnknownEncoding 415  the body is compressed in a way that is not known here
├── Invalid 400 | 422      JSON, but fields are wrong; names each field
│   └── BadQuery 400       parameters of a question are wrong; names each
├── Unauthorized 401       a key is wanted, or the one given is not known
├── Forbidden 403          the key may not do this
├── NotFound 404           no such route, project, pack or target
├── MethodNotAllowed 405
├── TooSlow 408            the request did not arrive in time
├── TooLarge 413
│   └── HeadTooLarge 431   the headers are
├── UnknownTarget 422      the project lists its targets, and this is none of them
├── TooManyTargets 422     the project's bound on distinct targets is reached
├── TooBroad 422           a question that would read too many raw events
├── Limited 429            too many from one address; carries Retry-After
├── Failed 500             our own fault
└── Busy 503               the queue is full or the store cannot write; carries Retry-After

The type decides the status. No message holds anything that a client sent.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from server.event import FieldError, Refusal

CONTENT_TYPE = b"application/problem+json"


class _Document(msgspec.Struct, omit_defaults=True):
    """RFC 9457's members; `code` and `message` say the same for clients that look for those, such as RudderStack's."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    message: str
    errors: tuple[FieldError, ...] = ()


class Problem(Exception):
    """An answer that is an error. `errors` names fields; `retry_after` is in seconds."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"
    refusal: ClassVar[Refusal] = Refusal.FAILED

    def __init__(self, detail: str, *, errors: tuple[FieldError, ...] = (), retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after

    @property
    def code(self) -> int:
        """The HTTP status of this one problem."""
        return self.status

    @property
    def type(self) -> str:
        """A URI reference that names the kind of problem, as RFC 9457 wants it; explained on the reference page."""
        return f"/docs#problem-{self.refusal.value.replace('_', '-')}"

    def to_json(self) -> bytes:
        """The problem document."""
        return msgspec.json.encode(_Document(self.type, self.title, self.code, self.detail, self.refusal.value, self.detail, self.errors))


class Malformed(Problem):
    status, title, refusal = 400, "The body cannot be read", Refusal.MALFORMED


class BrokenHttp(Malformed):
    title = "The request cannot be read"


class UnknownEncoding(Malformed):
    status, title = 415, "The encoding of the body is not known here"
    known: ClassVar[str] = "gzip, deflate, zstd"

    def __init__(self) -> None:
        super().__init__(
            f"Content-Encoding names an encoding that is not known here; {self.known} are.",
            errors=(FieldError("Content-Encoding", f"must be one of: {self.known}"),),
        )


class Invalid(Problem):
    """Fields are wrong. The status is 422 unless the dialect's clients expect 400."""

    status, title, refusal = 422, "The body does not say what it must", Refusal.INVALID

    def __init__(self, *errors: FieldError, status: int = 422) -> None:
        noun = "field is" if len(errors) == 1 else "fields are"
        named = ", ".join(error.path or "(body)" for error in errors)
        super().__init__(f"{len(errors)} {noun} wrong: {named}", errors=errors)
        self._status = status

    @property
    def code(self) -> int:
        return self._status


class BadQuery(Invalid):
    """Parameters of a question are wrong, in a query string or in GraphQL."""

    status, title = 400, "A parameter cannot be used"

    def __init__(self, *errors: FieldError) -> None:
        super().__init__(*errors, status=400)


class Unauthorized(Problem):
    status, title, refusal = 401, "A valid key is needed", Refusal.BAD_KEY


class Forbidden(Problem):
    status, title, refusal = 403, "This key may not do that", Refusal.BAD_KEY


class NotFound(Problem):
    status, title, refusal = 404, "There is nothing here", Refusal.UNKNOWN_ROUTE


class UnknownProject(NotFound):
    refusal = Refusal.UNKNOWN_PROJECT


class MethodNotAllowed(Problem):
    status, title, refusal = 405, "This route does not take that method", Refusal.UNKNOWN_ROUTE


class TooSlow(Problem):
    status, title, refusal = 408, "The request took too long to arrive", Refusal.TOO_SLOW


class TooLarge(Problem):
    status, title, refusal = 413, "The body is too large", Refusal.TOO_LARGE


class HeadTooLarge(TooLarge):
    status, title = 431, "The headers are too large"


class UnknownTarget(Problem):
    status, title, refusal = 422, "No such target", Refusal.UNKNOWN_TARGET


class TooManyTargets(Problem):
    status, title, refusal = 422, "This project has as many targets as it may have", Refusal.TOO_MANY_TARGETS


class TooBroad(Problem):
    status, title, refusal = 422, "This question would read too much", Refusal.TOO_BROAD


class Limited(Problem):
    status, title, refusal = 429, "Too many requests", Refusal.LIMITED


class Failed(Problem):
    status, title, refusal = 500, "Something went wrong on our side", Refusal.FAILED


class Busy(Problem):
    status, title, refusal = 503, "Not now, try again shortly", Refusal.BUSY

"""Rules for the names of JSON properties: a name may mark its value as a secret, a person or a machine.

Like `patterns`, a table. The last word of the key decides: `password`, `dbPassword` and `DB-PASSWORD` are passwords; `password_length` and
`tokens_used` are numbers, which stay.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from server.scrubbing.patterns import REMOVED, SECRET

KEY_END = 64

_GAP = "[-_. ]*"


class KeyRule(NamedTuple):
    """A rule that replaces values with `marker`: under keys that end in one of `words`, or whose last word is one of `whole_words`.

    With `text_only`, only strings are replaced, including nested ones.
    """

    marker: str
    text_only: bool
    words: tuple[str, ...]
    whole_words: tuple[str, ...] = ()

    @property
    def regex(self) -> re.Pattern[str]:
        """An expression for keys in snake_case and lower case."""
        endings = [*self.words, *(f"(?<![a-z]){word}" for word in self.whole_words)]
        return re.compile(rf"(?:{'|'.join(endings)}){_GAP}\Z")

    @property
    def hints(self) -> tuple[str, ...]:
        """Expressions for the same keys in lower-case JSON text, including JSON within a string, with escaped quotes."""
        return tuple(rf"{word}{_GAP}\\*\"[\s\\ntr]*:" for word in (*self.words, *self.whole_words))


_KEYS = ("api", "access", "secret", "private", "signing", "encryption", "license", "master", "deploy", "write")
_NAMES = ("user", "host", "computer", "machine", "device", "full", "first", "last", "real", "nick")

RULES = (
    KeyRule(
        SECRET,
        False,
        (
            *("password", "passwort", "passwd", "passphrase", "passcode"),
            *("token", "secret", "credential", "authorization", "cookie", "bearer"),
            *(f"{kind}{_GAP}key" for kind in _KEYS),
            *(f"connection{_GAP}string", f"access{_GAP}key{_GAP}id"),
        ),
        ("pwd", "jwt", "otp"),
    ),
    # Plurals usually count things instead of containing them: {"tokens": 512}.
    KeyRule(SECRET, True, ("passwords", "tokens", "secrets", "credentials", "cookies")),
    KeyRule(
        REMOVED,
        False,
        (
            *(f"{whose}{_GAP}name" for whose in _NAMES),
            *(f"e{_GAP}mail", "address", "addresses", "phone", f"phone{_GAP}number"),
        ),
        ("user", "host", "ip", "ipv4", "ipv6", "mail", "addr", "fqdn"),
    ),
    KeyRule(REMOVED, True, (), ("mac", "home", "homedir", f"home{_GAP}(?:dir|path|directory)", "login", "ips", "emails")),
)

_RULES = tuple((rule, rule.regex) for rule in RULES)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@lru_cache(maxsize=4096)
def rule_for(key: str) -> KeyRule | None:
    """Return the rule for a key, or None. Cached: pass the last `KEY_END` characters of a long key."""
    snake = words(key)
    return next((rule for rule, regex in _RULES if regex.search(snake)), None)


def words(key: str) -> str:
    """Convert `clientIp` to `client_ip`."""
    return _HUMP.sub("_", key).lower()

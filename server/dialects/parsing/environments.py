"""The words for the fields of a context that clients use, as tables: environments, operating systems, architectures, and so on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from server.dialects.parsing.json_fields import MAX_WORD, SCRUBBED, cut, text
from server.event import CONTEXT_FIELDS, ENVIRONMENTS, Environment
from server.scrubbing import beginning, scrub_label
from server.scrubbing.scrub import CUT

_OS = {
    "win32": "windows",
    "windows": "windows",
    "windows_nt": "windows",
    "cygwin": "windows",
    "darwin": "darwin",
    "macos": "darwin",
    "mac": "darwin",
    "osx": "darwin",
    "mac os x": "darwin",
    "linux": "linux",
}
_ARCH = {
    "x64": "x64",
    "x86_64": "x64",
    "x86-64": "x64",
    "amd64": "x64",
    "arm64": "arm64",
    "aarch64": "arm64",
    "x86": "x86",
    "ia32": "x86",
    "i386": "x86",
    "i686": "x86",
    "386": "x86",
}
_INSTALL_SOURCES = {"homebrew": "brew", "pip3": "pip"}

_YES = ("true", "1", "yes", "on")
_NO = ("false", "0", "no", "off")
_IS_CI = dict.fromkeys(_YES, Environment.CI) | dict.fromkeys(_NO, Environment.PERSON)
_IS_CONTAINER = dict.fromkeys(_YES, Environment.CONTAINER)
_IS_TEST = dict.fromkeys(_YES, Environment.TEST)
_IS_DEVELOPMENT = dict.fromkeys(_YES, Environment.DEVELOPMENT)
_NAMES = {
    "person": Environment.PERSON,
    "ci": Environment.CI,
    "container": Environment.CONTAINER,
    "docker": Environment.CONTAINER,
    "test": Environment.TEST,
    "testing": Environment.TEST,
    "development": Environment.DEVELOPMENT,
    "dev": Environment.DEVELOPMENT,
    "local": Environment.DEVELOPMENT,
}

# Field of an event's properties -> environment by value, in lower case. "production" is missing: NODE_ENV has that value everywhere.
WORDS: dict[str, dict[str, Environment]] = {
    word: meanings
    for words, meanings in (
        ("ci CI isCI isCi is_ci inCI in_ci runningInCI running_in_ci", _IS_CI),
        ("container docker isContainer is_container inContainer in_container isDocker is_docker inDocker in_docker", _IS_CONTAINER),
        ("test isTest is_test", _IS_TEST),
        ("debug isDebug is_debug dev isDev is_dev development isDevelopment is_development", _IS_DEVELOPMENT),
        ("NODE_ENV nodeEnv node_env env environment", _NAMES),
    )
    for word in words.split()
}

# Precedence of several fields: a test in CI counts as CI, a developer in a container as development.
_RANK = (Environment.CI, Environment.TEST, Environment.DEVELOPMENT, Environment.CONTAINER, Environment.PERSON)

_UNKNOWN = (Environment.UNKNOWN, "")
_WORDS = frozenset(WORDS)
_MAX_MEANING = 32  # characters; every known value is shorter


def environment(
    properties: Mapping[str, Any], *, name: str | None = None, ci: bool | None = None, path: str = "properties"
) -> tuple[Environment, str]:
    """Return the environment and the reason: the field that names it (`environment`, `ci`, `properties.isCI`), or empty for `UNKNOWN`.

    `name` and `ci` are explicit fields, and take precedence. An unknown name is itself the reason for `UNKNOWN`, unless `ci` is True. `path` is
    the client's name for its properties.
    """
    if name:
        known = known_environment(name)
        if known is not None:
            return known, "environment"
        if not ci and (word := text(name)):
            return Environment.UNKNOWN, word
    if ci is not None:
        return (Environment.CI if ci else Environment.PERSON), "ci"
    if _WORDS.isdisjoint(properties):
        return _UNKNOWN
    found = {meaning: word for word in properties if (meaning := _meaning(word, properties[word])) is not None}
    return next(((meaning, f"{path}.{found[meaning]}") for meaning in _RANK if meaning in found), _UNKNOWN)


def known_environment(word: str) -> Environment | None:
    """Return an environment by its name or an alias, or None for an unknown one."""
    known = ENVIRONMENTS.get(word)
    return known if known is not None else _NAMES.get(word[:_MAX_MEANING].strip().lower())


def _meaning(word: str, value: Any) -> Environment | None:
    if word not in WORDS or not isinstance(value, bool | int | str):
        return None
    return WORDS[word].get(str(value)[:_MAX_MEANING].strip().lower())


def os_name(value: Any) -> str | None:
    """Normalize the name of an operating system: `windows`, `darwin`, `linux`, …

    A long description that begins with a known name, such as the output of `uname -a`, is cut after it, because the rest names a host.
    """
    if type(value) is str and len(value) > MAX_WORD and (known := _OS.get(value.split(maxsplit=1)[0].lower() if value.strip() else "")):
        return f"{known}{CUT}"
    return _name(value, _OS)


def arch_name(value: Any) -> str | None:
    """Normalize the name of an architecture: `x64`, `arm64`, `x86`, …"""
    return _name(value, _ARCH)


def node_runtime(value: Any) -> str | None:
    """Convert Node.js' version `v20.10` to the runtime `node 20.10`."""
    version = text(value)
    if version is None:
        return None
    number = version.removeprefix("v")
    return cut(f"node {number}", MAX_WORD) if number[:1].isdigit() else version


def _name(value: Any, names: Mapping[str, str]) -> str | None:
    if type(value) is not str:
        return None
    known = names.get(value)
    if known is not None:
        return known
    known = names.get(value.strip().lower())
    if known is not None:
        return known
    word = text(scrub_label(beginning(value, SCRUBBED)).lower())  # scrubbed first: some patterns depend on capitals
    return None if word is None else names.get(word, word)


def flag(value: Any) -> str | None:
    """Normalize a boolean, also one written as a word or as 1 or 0, to `true`, `false` or None."""
    if value in (0, 1):
        return "true" if value else "false"
    return _FLAGS.get(value[:_MAX_MEANING].strip().lower()) if isinstance(value, str) else None


_FLAGS = dict.fromkeys(_YES, "true") | dict.fromkeys(_NO, "false")

_NORMALIZE: dict[str, Callable[[Any], str | None]] = {
    "os": os_name,
    "arch": arch_name,
    "agent": lambda value: _name(value, {}),
    "install_source": lambda value: _name(value, _INSTALL_SOURCES),
    **{name: flag for name, declared in CONTEXT_FIELDS.items() if declared.kind == "flag"},
}
CONTEXT_READERS = tuple(_NORMALIZE.get(name, text) for name in CONTEXT_FIELDS)
"""For each field of `CONTEXT_FIELDS`, in their order, a function that normalizes a client's value, or returns None."""

_IN_PROPERTIES = tuple(
    (name, read, declared.properties)
    for (name, declared), read in zip(CONTEXT_FIELDS.items(), CONTEXT_READERS, strict=True)
    if declared.properties
)


def context_in(properties: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the fields of a context that properties have under one of their declared names."""
    if _PROPERTY_NAMES.isdisjoint(properties):
        return {}
    return {
        name: found
        for name, read, words in _IN_PROPERTIES
        if (found := next((read(properties[word]) for word in words if word in properties), None))
    }


_PROPERTY_NAMES = frozenset(word for _, _, words in _IN_PROPERTIES for word in words)

"""Litestar without the plugins for unused model libraries: importing pydantic for them takes a fifth of the start-up time."""

from __future__ import annotations

from litestar import Litestar
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin


class Application(Litestar):
    """An application whose handlers accept and return msgspec structs, dataclasses and built-in types."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]

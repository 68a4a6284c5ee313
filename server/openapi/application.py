"""Litestar without its plugins for kinds of classes that Footfall has none of: importing pydantic for them is a fifth of a start."""

from __future__ import annotations

from litestar import Litestar
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin


class Application(Litestar):
    """An application whose handlers take and return structs of msgspec, dataclasses and what Python itself has."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]

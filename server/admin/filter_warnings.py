"""Warnings about filter conditions that no event meets, so that a mistyped filter does not look like a zero."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from server.admin.answers import field
from server.analytics.absent_values import Absent, absent
from server.analytics.filters import Filter
from server.storage.engine import Store

MAX_FILTERS = 8  # checked in one operation


@strawberry.type(description="A condition of the filter that no event of the period meets.")
class FilterWarning:
    path: str = field("Path of the condition, such as `filter.version`.")
    message: str = field("Explanation for people.")
    nearest: list[str] = field("Most similar values that events of the period have.")


def warning(found: Absent) -> FilterWarning:
    """Convert a warning to its GraphQL type. It does not repeat the client's value."""
    nearest = f"; similar values:  {', '.join(found.nearest)}" if found.nearest else ""
    return FilterWarning(
        path=f"filter.{to_camel_case(found.field)}", message=f"No event in this period has this value{nearest}.", nearest=found.nearest
    )


async def filter_warnings(store: Store, filters: list[Filter]) -> list[dict[str, Any]]:
    """Return warnings for the conditions that no event meets in any of the requested periods."""
    found: dict[tuple[str, Any], Absent | None] = {}
    for filter_ in list(dict.fromkeys(filters))[:MAX_FILTERS]:
        missing = {each.field: each for each in await absent(store, filter_)}
        for name in ("os", "arch", "runtime", "version", "package_manager", "names", "environments", "target", "target_type"):
            key = (name, getattr(filter_, name))
            if key[1] not in (None, ()):
                met = found.get(key, missing.get(name)) is None
                found[key] = None if met else missing.get(name)
    return [strawberry.asdict(warning(each)) for each in found.values() if each is not None]

"""Warnings of an answer: conditions of a filter that no event meets, so that a zero is never silent."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from server.admin.answers import said
from server.analytics.absent_values import Absent, absent
from server.analytics.filters import Filter
from server.storage.engine import Store

MOST_FILTERS = 8  # of one operation that are looked at


@strawberry.type(description="A condition of the filter that no event of the period meets.")
class FilterWarning:
    path: str = said("The condition, such as `filter.version`.")
    message: str = said("What is wrong with it.")
    nearest: list[str] = said("The nearest values that events of the period have.")


def warning(found: Absent) -> FilterWarning:
    """A warning as clients see it. It does not repeat the value."""
    nearest = f"; the nearest: {', '.join(found.nearest)}" if found.nearest else ""
    return FilterWarning(
        path=f"filter.{to_camel_case(found.field)}", message=f"No event in this period has this value{nearest}.", nearest=found.nearest
    )


async def of_filters(store: Store, filters: list[Filter]) -> list[dict[str, Any]]:
    """The warnings of an operation: of conditions that are met in none of the periods for which they are asked."""
    found: dict[tuple[str, Any], Absent | None] = {}
    for filter_ in list(dict.fromkeys(filters))[:MOST_FILTERS]:
        missing = {each.field: each for each in await absent(store, filter_)}
        for name in ("os", "arch", "runtime", "version", "package_manager", "names", "environments", "target", "target_type"):
            key = (name, getattr(filter_, name))
            if key[1] not in (None, ()):
                met = found.get(key, missing.get(name)) is None
                found[key] = None if met else missing.get(name)
    return [strawberry.asdict(warning(each)) for each in found.values() if each is not None]

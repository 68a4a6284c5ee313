"""State that replicas share: rate limits and live events.

limits       rate limits by address
live_events  new events for subscribers
redis        both over Redis, for several replicas
"""

from server.shared.limits import Counters, Limits, LimitState
from server.shared.live_events import Live, TooManyWatchers, Watcher

__all__ = ["Counters", "LimitState", "Limits", "Live", "TooManyWatchers", "Watcher"]

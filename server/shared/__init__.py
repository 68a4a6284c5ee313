"""What replicas share, or would if there were several.

limits  how often an address has asked already
live    events as they come, for whoever watches
redis   both over Redis, for several servers
"""

from server.shared.limits import Counters, Limits, LimitState
from server.shared.live_events import Live, TooManyWatchers, Watcher

__all__ = ["Counters", "LimitState", "Limits", "Live", "TooManyWatchers", "Watcher"]

"""The commands that keep a server well, and say how it does. Registered by `server.cli`.

upkeep   jobs, backups, alerts
ledger   where everything that arrived went
"""

from server.operations import ledger, upkeep

COMMANDS = (*upkeep.COMMANDS, ledger.ledger_command)

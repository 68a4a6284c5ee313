"""The commands that keep a server well, and say how it does. Registered by `server.cli`.

upkeep   jobs, backups, alerts
copying  from SQLite to PostgreSQL
ledger   where everything that arrived went
access   a new login link
hosting  health check, systemd unit
send     one event, from a script or by hand
"""

from server.operations import access, copying, hosting, ledger, send, upkeep

COMMANDS = (
    *upkeep.COMMANDS, copying.copy_command, ledger.ledger_command, access.login_link, *hosting.COMMANDS, send.send_command,
)  # fmt: skip

"""Commands for operating a server. Registered by `server.cli`.

maintenance_commands  jobs, backups, alerts
copying               from SQLite to PostgreSQL
ledger_command        the outcome of every event that arrived
forward_command       shadow mode: a copy of what arrives, for the system that Footfall replaces
login_link            a new login link
hosting               health check, systemd unit
send                  one event, from a script or by hand
"""

from server.operations import copying, forward_command, hosting, ledger_command, login_link, maintenance_commands, send

COMMANDS = (
    *maintenance_commands.COMMANDS, *copying.COMMANDS, *forward_command.COMMANDS, *ledger_command.COMMANDS, *login_link.COMMANDS,
    *hosting.COMMANDS, *send.COMMANDS,
)  # fmt: skip

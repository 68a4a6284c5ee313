"""Commands for operating a server. Registered by `server.cli`.

maintenance_commands  jobs, backups, alerts
copying               from SQLite to PostgreSQL
ledger_command        the outcome of every event that arrived
login_link            a new login link
hosting               health check, systemd unit
send                  one event, from a script or by hand
"""

from server.operations import copying, hosting, ledger_command, login_link, maintenance_commands, send

COMMANDS = (
    *maintenance_commands.COMMANDS, copying.copy_command, ledger_command.ledger_command, login_link.login_link, *hosting.COMMANDS, send.send_command,
)  # fmt: skip

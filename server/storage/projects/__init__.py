"""Projects, their keys, and what their admins do.

words             what they are made of, and what is said where something cannot be
live              a view of them in memory, for the gate
making            how projects and keys come to be
project_changes   what admins change of a project
key_use           when keys were last used
releases          the latest version of a project's tool
sessions          people who are logged in
audit             who changed what
"""

from server.storage.projects.live import LiveKey, LiveProject, Projects
from server.storage.projects.making import create_key, create_project, ensure_admin, ensure_default, find_project, revoke_key
from server.storage.projects.words import (
    ADMINS,
    DEFAULT,
    KEY_PREFIX,
    OF_SETTINGS,
    SCOPE_SLUG,
    SCOPES,
    SLUG,
    FieldProblem,
    ProjectError,
    Why,
    checked_limit,
    hash_key,
    read_list,
)

__all__ = [
    "ADMINS",
    "DEFAULT",
    "KEY_PREFIX",
    "OF_SETTINGS",
    "SCOPES",
    "SCOPE_SLUG",
    "SLUG",
    "FieldProblem",
    "LiveKey",
    "LiveProject",
    "ProjectError",
    "Projects",
    "Why",
    "checked_limit",
    "create_key",
    "create_project",
    "ensure_admin",
    "ensure_default",
    "find_project",
    "hash_key",
    "read_list",
    "revoke_key",
]

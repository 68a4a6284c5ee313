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

from server.storage.projects.create import create_key, create_project, ensure_admin, ensure_default, find_project, revoke_key
from server.storage.projects.live_projects import LiveKey, LiveProject, Projects
from server.storage.projects.validation import (
    ADMINS,
    DEFAULT,
    KEY_PREFIX,
    SCOPE_SLUG,
    SCOPES,
    SETTINGS_KEY_NAME,
    SLUG,
    FieldProblem,
    ProblemKind,
    ProjectError,
    hash_key,
    read_list,
    validate_limit,
)

__all__ = [
    "ADMINS",
    "DEFAULT",
    "KEY_PREFIX",
    "SCOPES",
    "SCOPE_SLUG",
    "SETTINGS_KEY_NAME",
    "SLUG",
    "FieldProblem",
    "LiveKey",
    "LiveProject",
    "ProblemKind",
    "ProjectError",
    "Projects",
    "create_key",
    "create_project",
    "ensure_admin",
    "ensure_default",
    "find_project",
    "hash_key",
    "read_list",
    "revoke_key",
    "validate_limit",
]

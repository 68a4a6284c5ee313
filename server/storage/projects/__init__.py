"""Projects, their keys, and the actions of their admins.

validation        constants, the validation of fields, and its errors
live_projects     projects and keys in memory, for ingest
create            creates projects and keys, revokes keys
project_changes   lists and changes projects
key_use           the time at which keys were last used
picked_properties the properties that projects count by value
releases          the latest version of a project's tool
sessions          logins
saved_questions   questions that admins saved
shares            links that share saved questions
audit             the audit log
"""

from server.storage.projects.create import create_key, create_project, ensure_admin, ensure_default, find_project, revoke_key
from server.storage.projects.live_projects import LiveKey, LiveProject, Projects
from server.storage.projects.validation import (
    ADMINS,
    DEFAULT,
    KEY_PREFIX,
    MAX_PICKED,
    SCOPE_SLUG,
    SCOPES,
    SETTINGS_KEY_NAME,
    SLUG,
    FieldProblem,
    ProblemKind,
    ProjectError,
    hash_key,
    read_list,
    slug_of,
    validate_limit,
)

__all__ = [
    "ADMINS",
    "DEFAULT",
    "KEY_PREFIX",
    "MAX_PICKED",
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
    "slug_of",
    "validate_limit",
]

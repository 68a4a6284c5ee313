"""Rollups of active installs that are exact for any period; rollups by day beside those by hour; durations by day instead of by hour."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-26T00:40:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "active installs that add up, sums by the day"

_TIMED = "events BIGINT NOT NULL, successes BIGINT NOT NULL, failures BIGINT NOT NULL, timed BIGINT NOT NULL, duration_us BIGINT NOT NULL"
_DAY = 86_400_000
# Audiences: -1 is all installs, -2 those of people (environments 0 and 1), other numbers are environments.
_MEMBERS = """WITH members AS (
    SELECT project_id, install_id, day, environment AS audience FROM activity
    UNION SELECT project_id, install_id, day, -1 FROM activity
    UNION SELECT project_id, install_id, day, -2 FROM activity WHERE environment IN (0, 1))"""


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    keyed = "WITHOUT ROWID" if engine == "sqlite" else ""
    return [
        f"""CREATE TABLE rollup_day (
            project_id INTEGER NOT NULL, day INTEGER NOT NULL, name_id INTEGER NOT NULL, environment SMALLINT NOT NULL, {_TIMED},
            PRIMARY KEY (project_id, day, name_id, environment)) {keyed}""",
        f"""CREATE TABLE rollup_day_duration (
            project_id INTEGER NOT NULL, day INTEGER NOT NULL, environment SMALLINT NOT NULL, bucket INTEGER NOT NULL,
            events BIGINT NOT NULL, PRIMARY KEY (project_id, day, environment, bucket)) {keyed}""",
        f"""CREATE TABLE rollup_name_duration (
            project_id INTEGER NOT NULL, day INTEGER NOT NULL, name_id INTEGER NOT NULL, environment SMALLINT NOT NULL,
            bucket INTEGER NOT NULL, events BIGINT NOT NULL, PRIMARY KEY (project_id, day, name_id, environment, bucket)) {keyed}""",
        f"""CREATE TABLE rollup_active (
            project_id INTEGER NOT NULL, day INTEGER NOT NULL, earlier INTEGER NOT NULL, audience SMALLINT NOT NULL,
            installs BIGINT NOT NULL, PRIMARY KEY (project_id, day, earlier, audience)) {keyed}""",
        f"""CREATE TABLE rollup_arrival (
            project_id INTEGER NOT NULL, first_day INTEGER NOT NULL, day INTEGER NOT NULL, audience SMALLINT NOT NULL,
            installs BIGINT NOT NULL, PRIMARY KEY (project_id, first_day, day, audience)) {keyed}""",
        f"""CREATE TABLE rollup_cohort (
            project_id INTEGER NOT NULL, cohort INTEGER NOT NULL, week INTEGER NOT NULL, audience SMALLINT NOT NULL,
            installs BIGINT NOT NULL, PRIMARY KEY (project_id, cohort, week, audience)) {keyed}""",
        f"""CREATE TABLE rollup_version (
            project_id INTEGER NOT NULL, day INTEGER NOT NULL, version TEXT NOT NULL, audience SMALLINT NOT NULL, installs BIGINT NOT NULL,
            PRIMARY KEY (project_id, day, version, audience)) {keyed}""",
        "ALTER TABLE activity ADD COLUMN earlier INTEGER NOT NULL DEFAULT -1",
        *(f"ALTER TABLE install ADD COLUMN {column} INTEGER" for column in ("first_day", "active_day", "people_day")),
        *_from_hours(),
        *_from_activity(),
    ]


def _from_hours() -> list[str]:
    return [
        """INSERT INTO rollup_day SELECT project_id, hour / 24, name_id, environment, SUM(events), SUM(successes), SUM(failures), SUM(timed),
            SUM(duration_us) FROM rollup_hour GROUP BY 1, 2, 3, 4""",
        """INSERT INTO rollup_name_duration SELECT project_id, hour / 24, name_id, environment, bucket, SUM(events) FROM rollup_hour_duration
            GROUP BY 1, 2, 3, 4, 5""",
        """INSERT INTO rollup_day_duration SELECT project_id, day, environment, bucket, SUM(events) FROM rollup_name_duration
            GROUP BY 1, 2, 3, 4""",
        "DROP TABLE rollup_hour_duration",
    ]


def _from_activity() -> list[str]:
    return [
        """UPDATE activity SET earlier = linked.before FROM (
                SELECT project_id, install_id, day, LAG(day) OVER (PARTITION BY install_id ORDER BY day) AS before
                FROM (SELECT DISTINCT project_id, install_id, day FROM activity) AS days) AS linked
            WHERE activity.project_id = linked.project_id AND activity.day = linked.day AND activity.install_id = linked.install_id
                AND linked.before IS NOT NULL""",
        f"UPDATE install SET first_day = first_seen / {_DAY}",
        """UPDATE install SET active_day = last.day, people_day = last.people FROM (
                SELECT install_id, MAX(day) AS day, MAX(CASE WHEN environment IN (0, 1) THEN day END) AS people
                FROM activity GROUP BY install_id) AS last
            WHERE install.id = last.install_id""",
        f"""INSERT INTO rollup_active {_MEMBERS} SELECT project_id, day, earlier, audience, COUNT(*) FROM (
                SELECT project_id, day, audience, COALESCE(LAG(day) OVER (PARTITION BY install_id, audience ORDER BY day), -1) AS earlier
                FROM members) AS linked
            GROUP BY 1, 2, 3, 4""",
        f"""INSERT INTO rollup_arrival {_MEMBERS} SELECT came.project_id, install.first_day, came.day, audience, COUNT(*) FROM (
                SELECT project_id, install_id, audience, MIN(day) AS day FROM members GROUP BY project_id, install_id, audience) AS came
            JOIN install ON install.id = came.install_id GROUP BY 1, 2, 3, 4""",
        # Installs that were only reported count on a day in the far future.
        """INSERT INTO rollup_arrival SELECT project_id, first_day, 2147483647, audience, COUNT(*) FROM install
            CROSS JOIN (SELECT -1 AS audience UNION ALL SELECT -2 UNION ALL SELECT 0) AS audiences WHERE active_day IS NULL GROUP BY 1, 2, 4""",
        f"""INSERT INTO rollup_cohort {_MEMBERS} SELECT weeks.project_id, first_day - (first_day + 3) % 7, week, audience, COUNT(*) FROM (
                SELECT DISTINCT project_id, install_id, audience, day - (day + 3) % 7 AS week FROM members) AS weeks
            JOIN install ON install.id = weeks.install_id GROUP BY 1, 2, 3, 4""",
        # Of the versions of an install on one day, that of environment UNKNOWN comes last.
        """INSERT INTO rollup_version SELECT project_id, day, version, audience, COUNT(*) FROM (
                SELECT project_id, day, version, audience, ROW_NUMBER() OVER (PARTITION BY install_id, day, audience
                    ORDER BY CASE WHEN environment = 0 THEN 9 ELSE environment END) AS place
                FROM (SELECT activity.*, environment AS audience FROM activity UNION ALL SELECT activity.*, -1 FROM activity
                    UNION ALL SELECT activity.*, -2 FROM activity WHERE environment IN (0, 1)) AS ran
                WHERE version IS NOT NULL) AS placed
            WHERE place = 1 GROUP BY 1, 2, 3, 4""",
    ]


forwards = piccolo_migration(ID, DESCRIPTION, statements)

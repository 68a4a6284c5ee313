"""The rooms with SQL that writes: tables, rollups, the two engines, projects."""

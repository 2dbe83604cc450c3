"""One relay's own view of the log, in SQLite: events, snapshots, rejected events, floors, checkpoints, position."""

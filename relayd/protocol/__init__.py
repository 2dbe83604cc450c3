"""The words that viewers, workers and relay share: messages, cursors, endings and commands.  No I/O, no clock."""

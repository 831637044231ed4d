"""The host that a node changes: applied, watched, repaired, on trial, undone."""

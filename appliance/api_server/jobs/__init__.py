"""Executions of templates as jobs, and the log of events: what `management.jobs` decides, done and kept in the store."""

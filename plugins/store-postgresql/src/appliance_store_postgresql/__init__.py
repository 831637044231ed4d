"""A store in PostgreSQL: the same promises as the one in a file, for several API servers at once.

    commits ─▶ writer: those that wait together ─▶ one statement of the database's own function ─▶ one transaction
    reads ───▶ any other connection

All that decides is in the database (`forms`), under the lock of one row: servers that share a store decide one after the other.
"""

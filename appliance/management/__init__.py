"""What managing a node from afar says and decides: operations, users, jobs, reviews, figures, the audit log. Pure."""

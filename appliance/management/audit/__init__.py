"""The audit log, as far as it is bytes and rules: entries, the chain of their hashes, signed heads, and what verifying finds."""

"""Pure: desired and observed state to a plan, and its revert."""

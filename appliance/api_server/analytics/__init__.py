"""Figures over time: the node is asked for its figures again and again, and what it says is remembered, judged and kept."""

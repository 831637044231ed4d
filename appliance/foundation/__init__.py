"""What every process of ours stands on: clock, entropy, tasks, logs, places."""

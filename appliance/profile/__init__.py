"""Text to a frozen, validated profile with the position of every key."""

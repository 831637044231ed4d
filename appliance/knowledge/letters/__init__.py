"""Letters between servers of plugins on two members: opaque, small, and delivered or not."""

"""What keeps an application going when peers, or its node, do not: retries, circuits, pools, and leaving bad instances out."""

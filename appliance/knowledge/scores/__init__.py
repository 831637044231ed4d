"""What one node thinks of each member by what it saw itself, and with whom it has nothing to do for a while."""

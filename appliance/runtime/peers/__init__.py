"""What is known of peers: where they are, what goes to them."""

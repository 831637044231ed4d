"""What plugins bring to the API server: loaded before it gives up its privileges, opened when the profile names it."""

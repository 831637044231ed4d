"""What is different between two descriptions of the API, and whether clients of the older one notice. Pure."""

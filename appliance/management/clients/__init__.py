"""What clients in other languages consist of, from the description of the API. Pure: documents in, texts of files out."""

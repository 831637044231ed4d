"""Where the API server keeps what must outlive it: records, logs, sealed values."""

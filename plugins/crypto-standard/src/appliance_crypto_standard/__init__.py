"""Record protection suites: AES-256-GCM, ChaCha20-Poly1305 and their cascade."""

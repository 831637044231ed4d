"""Further ways to ask, which plugins bring: each operation is judged as if it had been asked for over HTTP."""

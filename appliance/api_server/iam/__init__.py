"""Users, roles and tokens as the API server keeps them: reads, lets the pure rules decide, and writes what they say."""

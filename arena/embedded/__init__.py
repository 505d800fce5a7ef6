"""Real PostgreSQL and Valkey servers as children of one owner, without Docker and without root (DESIGN §14)."""

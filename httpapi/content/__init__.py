"""Content that comes in: reading, checking and storing questions. ``FORMAT.md`` beside this describes the files."""

"""One module a mode: its settings, commands, view and private-view Structs."""

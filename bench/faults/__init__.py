"""``arena bench faults``: a whole installation under load, whose parts are killed, stopped, cut off and emptied.

``run`` is the conductor; ``bots`` are processes of players who keep their own books; ``books`` holds those books
against PostgreSQL. Nothing here looks into a server process: what is checked is what a player, an operator and the
two stores can see.
"""

"""Trivia: everybody answers the same question at the same time; a fast right answer earns more."""

from gameserver.games.trivia.rules import Trivia

__all__ = ["Trivia"]

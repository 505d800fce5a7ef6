"""Trivia over HTTP: what there is to play with."""

from httpapi.bodies import TriviaCategories, TriviaCategory
from httpapi.store import questions as store
from httpapi.store.database import Database, DatabaseUnavailable


class Trivia:
    """Reads questions. What was read last serves while PostgreSQL is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last: TriviaCategories | None = None

    async def categories(self) -> TriviaCategories:
        """Return the categories that have questions. Raises ``DatabaseUnavailable``."""
        try:
            async with self._database.connection() as link:
                counts = await store.count_by_category(link)
        except DatabaseUnavailable:
            if self._last is None:
                raise
            return self._last
        self._last = TriviaCategories(
            categories=[
                TriviaCategory(
                    slug=count.slug, name=count.name, questions=count.questions, by_difficulty=count.by_difficulty
                )
                for count in counts
            ]
        )
        return self._last

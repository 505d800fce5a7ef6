"""/api/trivia: categories."""

from typing import Final

from httpapi.bodies import TriviaCategories
from httpapi.endpoint import Access, Call, Endpoint, Reply
from httpapi.problem import Code


async def categories(call: Call) -> Reply:
    """Return every category that has questions."""
    return Reply(await call.services.trivia.categories(), headers={"cache-control": "public, max-age=30"})


ENDPOINTS: Final = [
    Endpoint(
        method="GET",
        path="/api/trivia/categories",
        handler=categories,
        summary="Categories that have questions, with how many of each difficulty",
        response=TriviaCategories,
        errors=[Code.DATABASE_UNAVAILABLE],
        access=Access.ANYONE,
    ),
]

"""/api/users: the signed-in user."""

from typing import Final

from httpapi.bodies import Me, ProfileBody
from httpapi.endpoint import Call, Endpoint


async def read_me(call: Call) -> Me:
    """Return who I am."""
    return await call.services.users.get(call.user)


async def change_me(call: Call) -> Me:
    """Change my name or avatar."""
    return await call.services.users.change(call.user, call.body(ProfileBody))


ENDPOINTS: Final = [
    Endpoint(method="GET", path="/api/users/me", handler=read_me, summary="Who I am", response=Me),
    Endpoint(
        method="PATCH",
        path="/api/users/me",
        handler=change_me,
        summary="Change my name or avatar",
        body=ProfileBody,
        response=Me,
    ),
]

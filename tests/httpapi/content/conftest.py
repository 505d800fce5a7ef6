from collections.abc import Callable
from typing import Any

import pytest

from httpapi.content import model
from httpapi.content.model import Draft


@pytest.fixture
def as_item() -> Callable[[Draft], dict[str, Any]]:
    return lambda draft: model.as_item(draft, identity="x")

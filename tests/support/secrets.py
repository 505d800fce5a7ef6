"""What is secret in each mode, and how to change it without changing anything that may be seen already.

A new mode adds its line to ``SECRETS``; the suite of law 8 then holds for it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from protocol.client import Command
from protocol.modes.trivia import TriviaAnswer
from protocol.types import View

Item = dict[str, Any]


class Secrets(NamedTuple):
    """How a mode's secrets are changed, and how it shows that they are told."""

    order: Callable[[Any], list[str]]  # state → content ids in the order of play
    number: Callable[[View], int]  # view → which item is current
    revealed: Callable[[View], bool]  # view → whether the current item's answer is told
    other_answer: Callable[[Item], Item]  # the same to see, another answer
    other_item: Callable[[Item], Item]  # another item altogether, of the same kind
    other_choice: Callable[[Command, View], Command]  # the same command with another secret choice


def _other_answer(item: Item) -> Item:
    return {
        **item,
        "right": (item["right"] + 1) % len(item["options"]),
        "explanation": item["explanation"] + ", or so they say",
        "source": "another source altogether",
    }


def _other_item(item: Item) -> Item:
    options = item["options"] if item["kind"] == "boolean" else [f"other {option}" for option in item["options"]]
    return _other_answer({**item, "text": "a longer text: " + item["text"], "options": options})


def _other_choice(command: Command, game: View) -> Command:
    options = game.get("question", {}).get("options")
    if not isinstance(command, TriviaAnswer) or options is None or command.option >= len(options):
        return command
    return msgspec.structs.replace(command, option=(command.option + 1) % len(options))


SECRETS: dict[str, Secrets] = {
    "trivia": Secrets(
        order=lambda state: [question.id for question in state.questions],
        number=lambda view: int(view["number"]),
        revealed=lambda view: view["stage"] in ("reveal", "scores", "over"),
        other_answer=_other_answer,
        other_item=_other_item,
        other_choice=_other_choice,
    ),
}

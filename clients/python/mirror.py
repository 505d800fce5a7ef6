"""The view as the server has it, kept by whole views and deltas (SPEC §6)."""

import enum

from protocol.delta import Patch, PatchError, apply
from protocol.server import Delta, PrivateDelta
from protocol.types import View


class Took(enum.Enum):
    """What became of a delta."""

    APPLIED = "applied"
    PASSED = "passed"  # of another epoch, or old: nothing to do
    GAP = "gap"  # something is missing: a whole view is needed


class Mirror:
    """View, private view and their version. Views are never changed in place: old ones stay as they were."""

    def __init__(self) -> None:
        self.epoch = 0
        self.n = 0
        self.clock = 0
        self.view: View = {}
        self.private: View | None = None
        self.known = False  # whether there is a version to go on from

    def set_whole(self, *, epoch: int, n: int, clock: int, view: View | None, private: View | None) -> None:
        """Take over what Welcome or Resync says; ``view`` None: keep the one that is here."""
        self.epoch, self.n, self.clock = epoch, n, clock
        if view is not None:
            self.view = view
        self.private = private
        self.known = True

    def take(self, delta: Delta) -> Took:
        """Apply a delta when it fits."""
        if delta.e != self.epoch or delta.n <= self.n:
            return Took.PASSED
        if delta.f != self.n:
            return Took.GAP
        try:
            self.view = apply(self.view, Patch(delta.s, delta.u, delta.a))
        except PatchError:
            return Took.GAP
        self.n, self.clock = delta.n, delta.c
        return Took.APPLIED

    def take_private(self, delta: PrivateDelta) -> Took:
        """Apply a private delta; its versions skip numbers."""
        if delta.e != self.epoch:
            return Took.PASSED
        try:
            self.private = apply(self.private or {}, Patch(delta.s, delta.u))
        except PatchError:
            return Took.GAP
        return Took.APPLIED

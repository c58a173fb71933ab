"""Rank 0 is the hub: every call goes through it once, so it sees at once when members call different things.

What is small travels with the call. Two members that send and receive have a link of their own for that, as have
neighbours in the ring: calls of all and calls of two never mix. Knows links and bytes, not tensors.

STAR-1: a member sends nothing more to the hub until the hub has answered.
STAR-2: whoever fails tells all it is connected to, and closes; the reason reaches everybody.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from trygon.util.collective import link as frames
from trygon.util.collective import rendezvous
from trygon.util.collective.errors import CollectiveError, CollectiveTimeoutError
from trygon.util.collective.shared_area import SharedArea

if TYPE_CHECKING:
    from collections.abc import Callable

    from trygon.util.collective.link import Frame, Link
    from trygon.util.collective.rendezvous import Member

# What a link is for.
HUB, SENDING, RING = "hub", "pair", "ring"
# The hub reports who is missing; the others wait a little longer, so that its report comes first.
_MORE_PATIENCE_S = 1.0


class Star:
    """The links of one member, and the calls that all members make together."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._links: dict[int, Link] = {}
        self._others: dict[tuple[str, int], Link] = {}
        # The last member comes to all others.
        self._door = rendezvous.Door(member) if member.rank + 1 < member.world_size else None
        if member.world_size > 1:
            member.peers.announce()
        self._is_ready = False
        self._number = 0
        self._waiter = select.poll()
        self._ranks: dict[int, int] = {}
        self.area: SharedArea | None = None

    def link(self, purpose: str, rank: int) -> Link:
        """A link to one member, beside those of the hub; made at the first use."""
        found = self._others.get((purpose, rank))
        if found is None:
            if rank > self._member.rank:
                assert self._door is not None
                found = self._door.wait(purpose, rank)
            else:
                found = rendezvous.connect(self._member, rank, purpose)
            self._others[purpose, rank] = found
        return found

    def gather_members(self) -> None:
        """Makes the links between the hub and all others."""
        if self._is_ready:
            return
        member = self._member
        if member.rank == 0:
            assert self._door is not None
            member.peers.meet(self._door.identity)
            self._links.update(self._door.wait_all(HUB, list(range(1, member.world_size))))
            hub_links = [self._links[rank] for rank in range(1, member.world_size)]
            descriptor = None
            if hub_links and all(link.is_local for link in hub_links):
                self.area, descriptor = SharedArea.create(member.world_size)
            with frames.descriptor_closer(descriptor):
                for link in hub_links:
                    link.pass_descriptor(descriptor, 0)
            for link in hub_links:
                self._waiter.register(link.fileno(), select.POLLIN)
                self._ranks[link.fileno()] = link.rank
        else:
            link = self._links[0] = rendezvous.connect(member, 0, HUB)
            member.peers.meet(link.door)
            # What the hub waits for is any of the others.
            link.look = member.peers.look
            link.set_timeout(member.timeout_s + _MORE_PATIENCE_S)
            descriptor = link.take_descriptor()
            if descriptor is not None:
                with frames.descriptor_closer(descriptor):
                    self.area = SharedArea.attach(descriptor, member.world_size)
        self._is_ready = True

    def call(
        self,
        description: bytes,
        data: memoryview | bytes,
        answer: Callable[[list[memoryview]], list[memoryview | bytes]],
    ) -> memoryview:
        """One call of all members. Each gives `data`; on the hub `answer` gets what the others gave, in the order of
        ranks from 1, and says what each of them, and the hub itself as number 0, gets back.
        """
        self.gather_members()
        self._number += 1
        number = self._number
        if self._member.rank != 0:
            hub = self._links[0]
            hub.send(frames.CALL, number, description, data)
            return _expect(hub.receive(), frames.DONE, number, hub).data
        given = self._collect(frames.CALL, number, description)
        answers = answer(given)
        for rank in range(1, self._member.world_size):
            self._links[rank].send(frames.DONE, number, b"", answers[rank])
        return memoryview(answers[0])

    def sync(self, round_number: int) -> None:
        """Returns when all members have called it; during a call only."""
        if self._member.rank != 0:
            hub = self._links[0]
            hub.send(frames.SYNC, round_number)
            _expect(hub.receive(), frames.GO, round_number, hub)
            return
        self._collect(frames.SYNC, round_number, b"")
        for rank in range(1, self._member.world_size):
            self._links[rank].send(frames.GO, round_number)

    def _collect(self, kind: int, number: int, description: bytes) -> list[memoryview]:
        """On the hub: one frame of each member, whichever comes first."""
        links = self._links
        found: dict[int, memoryview] = {}
        count = self._member.world_size - 1
        for rank in range(1, count + 1):
            if links[rank].has_bytes():
                found[rank] = self._checked(links[rank], kind, number, description)
        while len(found) < count:
            ready = frames.poll_patiently(self._waiter, self._member.timeout_s, self._member.peers.look)
            if not ready:
                missing = [rank for rank in range(1, count + 1) if rank not in found]
                raise CollectiveTimeoutError(self._late(missing, description))
            for descriptor, _ in ready:
                rank = self._ranks[descriptor]
                if rank in found:
                    # It cannot have sent more (STAR-1), so it has ended: the read says so.
                    _raise_error(links[rank].receive())
                    continue
                found[rank] = self._checked(links[rank], kind, number, description)
        return [found[rank] for rank in range(1, count + 1)]

    def _checked(self, link: Link, kind: int, number: int, description: bytes) -> memoryview:
        frame = link.receive()
        if frame.kind != kind or frame.number != number or frame.description != description:
            _raise_error(frame)
            raise CollectiveError(self._mismatch(link.rank, frame, number, description))
        return frame.data

    def _mismatch(self, rank: int, frame: Frame, number: int, description: bytes) -> str:
        group = f"the collective group {self._member.group!r}"
        mine = description.decode() or "the rest of a call"
        theirs = frame.description.decode() or "the rest of a call"
        return (
            f"In {group} the members made different calls: call number {number} is {mine} on rank 0, but {theirs} on"
            f" rank {rank} (its call number {frame.number}). All members must make the same calls, with tensors of the"
            " same size and type, in the same order."
        )

    def _late(self, missing: list[int], description: bytes) -> str:
        what = description.decode() or "the rest of a call"
        ranks = ", ".join(map(str, missing))
        senders = [
            str(rank) for (purpose, rank), link in self._others.items() if purpose == SENDING and link.is_readable()
        ]
        hint = f" Waiting in send to rank 0, perhaps: {', '.join(senders)}." if senders else ""
        return (
            f"{what} of the collective group {self._member.group!r} did not finish within {self._member.timeout_s:g} s:"
            f" these ranks did not take part: {ranks}. Every member must make the call.{hint}"
        )

    def close(self, reason: str) -> None:
        """Ends all links; with a reason, the others are told."""
        links = [*self._links.values(), *self._others.values()]
        self._links, self._others = {}, {}
        for link in links:
            link.give_up(reason)
        if self._door is not None:
            self._door.close(reason)
            self._door = None
        if self._member.world_size > 1:
            self._member.peers.withdraw(reason)
        if self.area is not None:
            self.area.close()
            self.area = None


def _raise_error(frame: Frame) -> None:
    if frame.kind == frames.ERROR:
        raise CollectiveError(bytes(frame.data).decode(errors="replace"))


def _expect(frame: Frame, kind: int, number: int, link: Link) -> Frame:
    """The hub's answer, or what it says went wrong."""
    if frame.kind == kind and frame.number == number:
        return frame
    _raise_error(frame)
    raise CollectiveError(f"{link.who} answered another call than the one that was made.")

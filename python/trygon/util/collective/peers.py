"""What a member knows of the others' processes, for the time in which it waits for one of them.

Every member says in the engine's key-value store which process it is. Whoever waits looks from time to time: a process
that was there and is gone, or that gave a call up, will not come. A record that was dead from the start is no reason
to stop: it may be of an earlier group of the same name, and the next process with this rank replaces it.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any

from trygon.util.collective.errors import CollectiveError

if TYPE_CHECKING:
    from trygon.util.collective.rendezvous import Member

# How often whoever waits looks for the others: an end is noticed within this time.
LOOK_EVERY_S = 0.5


class Peers:
    """The other members of one group as this member sees them; not for two threads at once."""

    def __init__(self, member: Member) -> None:
        self._member = member
        # The record of each member that was seen alive.
        self._alive: dict[int, dict[str, Any]] = {}
        pid = os.getpid()
        self._record: dict[str, Any] = {
            "id": secrets.token_hex(8),
            "pid": pid,
            "started": _start_of(pid),
            "node": member.store.node_id,
            # Which hub's group this is: the same for all who have met, other for earlier groups of the same name.
            "meeting": "",
            "gave_up": "",
        }

    def _key(self, rank: int) -> str:
        return f"member/{self._member.group}/{rank}"

    def announce(self) -> None:
        """Says which process this member is."""
        self._member.store.put(self._key(self._member.rank), self._record)

    def meet(self, meeting: str) -> None:
        """This member belongs to the hub with this identity from now on."""
        self._record["meeting"] = meeting
        self.announce()

    def withdraw(self, reason: str) -> None:
        """Takes back what `announce` said; with a reason, those who wait for this member find that instead."""
        store, key = self._member.store, self._key(self._member.rank)
        try:
            before = store.get(key)
            # A later group of the same name may have put its own there.
            if before is None or before["id"] != self._record["id"]:
                return
            if reason:
                store.put(key, {**self._record, "gave_up": reason})
            else:
                store.delete(key)
        except Exception:
            # The engine may be gone already; then its store is gone too.
            pass

    def look(self, awaited: list[int] | None = None) -> None:
        """CollectiveError, naming the process, if one of these members, or of all, has ended or given up.

        Members on other machines are seen through their connections only.
        """
        if awaited is not None:
            for rank in awaited:
                self._look_at(rank)
            return
        for rank in range(self._member.world_size):
            known = self._alive.get(rank)
            # The store is not asked again about who is still there.
            if rank != self._member.rank and not (known and self._is_of_this_meeting(known) and _is_running(known)):
                self._look_at(rank)

    def _look_at(self, rank: int) -> None:
        known = self._alive.get(rank)
        record = self._member.store.get(self._key(rank))
        if record is None or record["node"] != self._member.store.node_id:
            # It left, which is no failure: what it had to do it has done, or its connections tell.
            self._alive.pop(rank, None)
            return
        is_certain = self._is_of_this_meeting(record)
        if self._record["meeting"] and record["meeting"] and not is_certain:
            # Left over from an earlier group.
            return
        if not record["gave_up"] and _is_running(record):
            self._alive[rank] = record
        elif is_certain or (known is not None and known["id"] == record["id"]):
            raise CollectiveError(record["gave_up"] or f"{self._member.name(rank, record['pid'])} ended")

    def _is_of_this_meeting(self, record: dict[str, Any]) -> bool:
        return bool(self._record["meeting"]) and record["meeting"] == self._record["meeting"]

    def remarks(self, ranks: list[int]) -> str:
        """What is known of members that did not come, for the message that says so."""
        found = []
        for rank in ranks:
            record = self._member.store.get(self._key(rank))
            if record is None or record["node"] != self._member.store.node_id:
                continue
            if record["gave_up"]:
                found.append(f" Rank {rank} had given up before: {record['gave_up']}")
            elif not _is_running(record):
                found.append(f" The last process with rank {rank}, process {record['pid']}, has ended.")
        return "".join(found)


def _start_of(pid: int) -> int | None:
    """When a process began, in ticks since the machine did; -1 if it has ended, None if that cannot be known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # After the name, which may have anything in it: the state first, the start as the 20th.
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return -1 if os.path.exists("/proc/self/stat") else None
    except OSError:
        return None
    return -1 if fields[0] in (b"Z", b"X") else int(fields[19])


def _is_running(record: dict[str, Any]) -> bool:
    # The start tells a process from a later one with the same number.
    start = _start_of(record["pid"])
    return start is None or record["started"] is None or start == record["started"]

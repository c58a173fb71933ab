"""Holds back or loses frames between two machines. A process in the namespace of the hub; knows frames, nothing of the
engine.

The kernels of small virtual machines often lack `netem`. So a link that is to be slow leads here: the sender's table of
neighbours names this process's interface for the receiver, and what comes in goes on to the receiver after its delay.
Frames stay as they are but for the hardware addresses, large (not yet segmented) ones too: the ten bytes that
the kernel puts before them say what is still to be done, and go with them.

Standard input: lines of JSON `{"source", "target", "mac", "delay_ms", "jitter_ms", "loss_percent"}`, each answered by
a line; `delay_ms` null takes the rule away. The end of the input is the end of the process.
"""

from __future__ import annotations

import heapq
import json
import random
import select
import socket
import sys
import time

_SOL_PACKET = 263
_PACKET_VNET_HDR = 15
_SO_RCVBUFFORCE = 33
_ETH_P_IP = 0x0800
# What the kernel says about checksum and segments before each frame.
_META = 10
# Frames that a link holds at most; what comes then is lost, as in a router.
_MOST_WAITING = 20_000


class Rule:
    """What happens on the way from one address to another."""

    def __init__(self, command: dict[str, object]) -> None:
        self.mac = bytes.fromhex(str(command["mac"]).replace(":", ""))
        self.delay_s = float(str(command["delay_ms"])) / 1000
        self.jitter_s = float(str(command.get("jitter_ms") or 0)) / 1000
        self.loss = float(str(command.get("loss_percent") or 0)) / 100
        # Frames of one direction never overtake one another: TCP would take that for a loss.
        self.last_due = 0.0


class Relay:
    """All rules, and the frames that wait."""

    def __init__(self, interface: str) -> None:
        self.rules: dict[tuple[bytes, bytes], Rule] = {}
        self.waiting: list[tuple[float, int, bytes]] = []
        self.number = 0
        self.random = random.Random(77)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP))
        self.socket.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind((interface, _ETH_P_IP))
        self.socket.setblocking(False)
        self.mac = self.socket.getsockname()[4]

    def command(self, line: str) -> None:
        command = json.loads(line)
        way = (socket.inet_aton(command["source"]), socket.inet_aton(command["target"]))
        if command["delay_ms"] is None:
            self.rules.pop(way, None)
        else:
            self.rules[way] = Rule(command)

    def receive(self) -> None:
        for _ in range(256):
            try:
                frame, origin = self.socket.recvfrom(70_000)
            except BlockingIOError:
                return
            if origin[2] == socket.PACKET_OUTGOING:
                continue
            addresses = frame[_META + 26 : _META + 34]
            rule = self.rules.get((addresses[:4], addresses[4:]))
            if rule is None or len(self.waiting) >= _MOST_WAITING or self.random.random() < rule.loss:
                continue
            due = time.monotonic() + rule.delay_s + self.random.uniform(-rule.jitter_s, rule.jitter_s)
            due = rule.last_due = max(due, rule.last_due)
            self.number += 1
            # From here, not from the first sender: the bridge would learn that the sender is to be found here.
            onward = frame[:_META] + rule.mac + self.mac + frame[_META + 12 :]
            heapq.heappush(self.waiting, (due, self.number, onward))

    def send_due(self) -> float | None:
        """Sends what is due; gives the seconds until the next frame is."""
        while self.waiting:
            left = self.waiting[0][0] - time.monotonic()
            if left > 0:
                return left
            frame = heapq.heappop(self.waiting)[2]
            try:
                self.socket.send(frame)
            except OSError:
                # The other side of the interface is full or gone: the frame is lost.
                pass
        return None

    def run(self) -> None:
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        poller.register(sys.stdin, select.POLLIN)
        print("ready", flush=True)
        while True:
            left = self.send_due()
            ready = poller.poll(None if left is None else max(left * 1000, 0.2))
            for descriptor, _ in ready:
                if descriptor == self.socket.fileno():
                    self.receive()
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                self.command(line)
                print("done", flush=True)


if __name__ == "__main__":
    Relay(sys.argv[1]).run()

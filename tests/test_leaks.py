"""What stays after much use: descriptors, memory, processes, shared memory."""

import gc
import os
import time

import leaks
import trygon


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_tasks_do_not_grow_the_driver(engine):
    add = trygon.remote(lambda x: x)

    def burst():
        for _ in range(10):
            trygon.get([add.remote(i) for i in range(2000)])

    burst()
    gc.collect()
    before, descriptors = resident_bytes(), leaks.descriptors()
    for _ in range(4):
        burst()
    gc.collect()
    assert resident_bytes() - before < 8_000_000
    assert leaks.descriptors() == descriptors


def test_actors_leave_nothing(engine):
    @trygon.remote
    class Small:
        def ping(self):
            return os.getpid()

    trygon.get(Small.remote().ping.remote())
    time.sleep(0.2)
    before = leaks.descriptors()
    for _ in range(5):
        actors = [Small.remote() for _ in range(4)]
        pids = trygon.get([actor.ping.remote() for actor in actors], timeout=30)
        del actors
        assert not leaks.wait_gone(pids, 3.0)
    gc.collect()
    deadline = time.monotonic() + 2
    while leaks.descriptors() != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert leaks.descriptors() == before


def test_dead_workers_leave_nothing(engine):
    @trygon.remote(max_retries=0)
    def die():
        os._exit(1)

    def some():
        for _ in range(5):
            trygon.wait([die.remote()], timeout=10)

    some()
    gc.collect()
    time.sleep(0.2)
    before = leaks.descriptors()
    some()
    gc.collect()
    deadline = time.monotonic() + 2
    while leaks.descriptors() != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert leaks.descriptors() == before


def test_idle_workers_end(monkeypatch):
    monkeypatch.setenv("TRYGON_IDLE_WORKER_MS", "300")
    trygon.init(num_cpus=8)
    trygon.get([trygon.remote(time.sleep).remote(0.3) for _ in range(8)])
    many = len(leaks.engine_processes())
    deadline = time.monotonic() + 5
    while len(leaks.engine_processes()) > many - 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(leaks.engine_processes()) <= many - 4
    assert trygon.get(trygon.remote(lambda: 1).remote(), timeout=10) == 1


def test_twenty_sessions():
    for _ in range(20):
        trygon.init(num_cpus=2)
        ref = trygon.put(b"x" * 200_000)
        assert trygon.get(trygon.remote(len).remote(ref)) == 200_000
        del ref
        trygon.shutdown()


def test_no_listening_sockets(engine):
    trygon.get(trygon.remote(lambda: 1).remote())
    inodes = set()
    for process in [str(os.getpid()), *(entry.split()[0] for entry in leaks.engine_processes())]:
        try:
            for name in os.listdir(f"/proc/{process}/fd"):
                target = os.readlink(f"/proc/{process}/fd/{name}")
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
        except OSError:
            continue
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in leaks._read(f"/proc/net/{table}").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening.add(fields[9])
    for line in leaks._read("/proc/net/unix").splitlines()[1:]:
        fields = line.split()
        if int(fields[3], 16) & 0x10000:
            listening.add(fields[6])
    assert not inodes & listening

"""Identifiers: sizes, constructors, equality, pickling."""

import pickle

import ray
from observe import case, raised, run

KINDS = [
    "ActorClassID",
    "ActorID",
    "FunctionID",
    "JobID",
    "NodeID",
    "PlacementGroupID",
    "TaskID",
    "UniqueID",
    "WorkerID",
]


def each(observe):
    return {name: observe(getattr(ray, name)) for name in KINDS}


@case
def sizes():
    return {**each(lambda kind: kind.size()), "ObjectID": ray.ObjectID.size(), "same": ray.ObjectID is ray.ObjectRef}


@case
def nil():
    return each(lambda kind: (kind.nil().hex(), kind.nil().is_nil(), kind.nil() == kind.nil(), repr(kind.nil())))


@case
def round_trip():
    def observe(kind):
        one = kind(bytes(range(kind.size())))
        again = pickle.loads(pickle.dumps(one))
        return (one.hex(), one.binary(), again == one, hash(again) == hash(one), str(one), one.is_nil())

    return each(observe)


@case
def from_hex_of_text():
    return {
        name: getattr(ray, name).from_hex("ab" * getattr(ray, name).size()).hex()
        for name in KINDS
        if name not in ("UniqueID",)
    }


@case
def wrong_length():
    return each(lambda kind: raised(kind, b"x"))


@case
def wrong_type():
    return each(lambda kind: raised(kind, "x"))


@case
def nothing_given():
    return each(lambda kind: raised(kind))


@case
def kinds_differ():
    return (
        ray.WorkerID(b"x" * 28) == ray.NodeID(b"x" * 28),
        ray.UniqueID(b"x" * 28) == ray.NodeID(b"x" * 28),
        ray.NodeID(b"x" * 28) == ray.NodeID(b"x" * 28),
        ray.NodeID(b"x" * 28) == "x",
        issubclass(ray.NodeID, ray.UniqueID),
        issubclass(ray.JobID, ray.UniqueID),
    )


@case
def job_numbers():
    return (ray.JobID.from_int(7).hex(), ray.JobID.from_int(7).int(), raised(ray.JobID.from_int, "a"))


@case
def random_ids():
    return {
        name: (getattr(ray, name).from_random() != getattr(ray, name).from_random())
        for name in ("ActorID", "NodeID", "PlacementGroupID", "UniqueID", "WorkerID")
    }


@case
def as_keys():
    table = {ray.NodeID(b"a" * 28): 1, ray.NodeID(b"b" * 28): 2}
    return table[ray.NodeID(b"b" * 28)]


run()

"""Ray's small tools beside the core: where objects are, and the key-value store."""

import pytest
import trygon
from graph_parts import Counter, add


def test_places_of_objects(engine):
    from trygon.experimental import get_local_object_locations, get_object_locations

    large = trygon.put(b"x" * 1_000_000)
    small, later = add.remote(1), Counter.remote().slow.remote(1)
    trygon.wait([small])
    found = get_object_locations([large, small, later])
    assert found[large]["node_ids"] == [trygon.get_runtime_context().get_node_id()]
    assert found[large]["object_size"] >= 1_000_000 and found[large]["did_spill"] is False
    assert found[small]["object_size"] > 0 and found[small]["node_ids"] == []
    assert found[later] == {"node_ids": [], "object_size": None, "did_spill": False}
    assert get_local_object_locations([large])[large] == found[large]
    for wrong in ([1], large):
        with pytest.raises(TypeError, match="ObjectRefs"):
            get_object_locations(wrong)


def test_places_say_what_is_in_files(tmp_path):
    import spills

    spills.start(tmp_path)
    refs = [trygon.put(spills.value(number, 5_000_000)) for number in range(40)]
    found = trygon.experimental.get_object_locations(refs)
    state = spills.store()
    # Some are written ahead, and in memory as well.
    spilled = [ref for ref in refs if found[ref]["did_spill"]]
    assert state["spilled_objects"] <= len(spilled) < 40 and len(spilled) >= 20
    assert all(place["node_ids"] == [trygon.get_runtime_context().get_node_id()] for place in found.values())
    values = trygon.get(spilled[:6], timeout=30)
    assert all((value == spills.value(refs.index(ref), 5_000_000)).all() for value, ref in zip(values, spilled))


def test_the_key_value_store(engine):
    from trygon.experimental import internal_kv as store

    assert store._internal_kv_initialized()
    assert store._internal_kv_put("a", "1") is False
    assert store._internal_kv_put(b"a", b"2") is True
    assert store._internal_kv_put("a", "3", overwrite=False) is True
    assert store._internal_kv_get("a") == b"2"
    assert store._internal_kv_get("b") is None
    store._internal_kv_put("a", "4", namespace="other")
    assert store._internal_kv_get("a", namespace=b"other") == b"4"
    assert store._internal_kv_exists("a") and not store._internal_kv_exists("b")
    store._internal_kv_put("ab", "5")
    assert store._internal_kv_list("a") == [b"a", b"ab"]

    @trygon.remote
    def elsewhere():
        return store._internal_kv_get("ab")

    assert trygon.get(elsewhere.remote()) == b"5"
    assert store._internal_kv_del("a") == 1 and store._internal_kv_del("a") == 0
    store._internal_kv_put("ac", "6")
    assert store._internal_kv_del("a", del_by_prefix=True) == 2
    for wrong in (lambda: store._internal_kv_put("a", 1), lambda: store._internal_kv_get(1)):
        with pytest.raises(TypeError, match="str or bytes"):
            wrong()

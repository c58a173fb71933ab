"""Ray's deprecated parallel iterators: absent, and importing them says what to use."""

raise ImportError(
    "trygon.util.iter does not exist: Ray's parallel iterators are deprecated. Use trygon.util.map_unordered() or"
    " trygon.util.ActorPool to spread work over processes."
)

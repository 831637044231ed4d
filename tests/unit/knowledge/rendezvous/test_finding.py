"""What several places say is merged: the newest word of each member counts."""

from __future__ import annotations

from appliance.knowledge.rendezvous.finding import merge
from tests.unit.knowledge.rendezvous.crowd import ANN, BEN, CYD


def test_the_newest_of_each_counts_whoever_told_it() -> None:
    known: dict = {}  # type: ignore[type-arg]
    old, new, gone = ANN.registers("t"), ANN.registers("t", sequence=2), ANN.registers("t", sequence=3, withdrawn=True)
    assert merge(known, [new, BEN.registers("t")], 9) == [new, BEN.registers("t")]
    assert merge(known, [old, new], 9) == []
    assert merge(known, [gone], 9) == [gone]
    assert known == {ANN.digest: gone, BEN.digest: BEN.registers("t")}


def test_no_more_than_there_is_room_for() -> None:
    known: dict = {}  # type: ignore[type-arg]
    merge(known, [each.registers("t") for each in (ANN, BEN, CYD)], 2)
    assert list(known) == [ANN.digest, BEN.digest]
    assert merge(known, [BEN.registers("t", sequence=2)], 2), "who is there already is kept up to date"

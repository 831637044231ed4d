"""What was signed on a host goes to the node that runs there, however much it is."""

from __future__ import annotations

from appliance.cli.handing_over import MOST_BYTES, pieces
from appliance.members.parcel import pack_parcel
from appliance.runtime.operations import MOST_STATEMENTS


def test_a_thousand_certificates_are_handed_over_in_pieces_that_the_node_takes() -> None:
    certificates = [number.to_bytes(4, "big") * 1225 for number in range(1000)]  # 4.9 kB each, as they are
    found = list(pieces(certificates))
    assert [each for piece in found for each in piece] == certificates
    assert all(sum(map(len, piece)) <= MOST_BYTES for piece in found)
    assert all(len(pack_parcel(piece)) <= MOST_STATEMENTS for piece in found)
    assert len(pack_parcel(certificates)) > MOST_STATEMENTS, "one call would be refused"


def test_nothing_is_one_piece_of_nothing() -> None:
    assert list(pieces([])) == [[]]

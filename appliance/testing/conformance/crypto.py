"""What every record protection suite does, as the worker will use it: in place, in one buffer, with the header bound."""

from __future__ import annotations

from importlib import import_module

import pytest

from appliance.api.crypto import Aead, CryptoSuite
from appliance.testing.conformance.limits import Limited, missing
from appliance.testing.imports import heavy_imports

SIZES = (0, 1, 15, 16, 17, 1376, 8192, 63_000, 65_000)
HEADER = bytes(range(24))
NONCE = bytes(4) + (1 << 8).to_bytes(8, "big")
RECORDS = tuple(dict.fromkeys(low + (1 << bit) for bit in range(56) for low in (0, 1)))
"""Numbers of records that differ in each bit a number has."""


class CryptoConformance(Limited):
    """Subclass it, name the subclass Test…, and return your suite."""

    def suite(self) -> CryptoSuite:
        """The suite to try."""
        raise NotImplementedError

    def subject(self) -> str:
        """Its name."""
        return f"suite {self.suite().name}"

    def aead(self, filler: int = 7) -> Aead:
        """One direction's key."""
        return self.made(self.key(filler))

    def key(self, filler: int = 7) -> bytes:
        """Key material."""
        return bytes((filler + n) & 255 for n in range(self.suite().key_bytes))

    def made(self, key: bytes) -> Aead:
        """The Aead of some key material."""
        module, _, name = self.suite().aead.partition(":")
        found: Aead = getattr(import_module(module), name)(key)
        return found

    def stream(self, *, nonce: bytes = NONCE, aead: Aead | None = None) -> bytes:
        """What zeros are sealed to, without the tag: of most ciphers the key stream itself."""
        return self.sealed(bytes(64), aead=aead, nonce=nonce)[:64]

    def sealed(self, plain: bytes, *, aead: Aead | None = None, nonce: bytes = NONCE, header: bytes = HEADER) -> bytes:
        """`plain` sealed the way the worker does it."""
        buffer = memoryview(bytearray(plain + bytes(self.suite().tag_bytes)))
        written = (aead or self.aead()).encrypt_into(nonce, buffer[: len(plain)], header, buffer)
        assert written == len(buffer), "encrypt_into returns the bytes written: the plaintext's and tag_bytes"
        return bytes(buffer)

    def opened(self, sealed: bytes, *, aead: Aead | None = None, nonce: bytes = NONCE, header: bytes = HEADER) -> bytes:
        """`sealed` opened in place. Raises whatever the suite raises."""
        buffer = memoryview(bytearray(sealed))
        size = len(sealed) - self.suite().tag_bytes
        written = (aead or self.aead()).decrypt_into(nonce, buffer, header, buffer[:size])
        assert written == size, "decrypt_into returns the bytes written: the ciphertext's less tag_bytes"
        return bytes(buffer[:size])

    @pytest.fixture
    def protecting(self) -> None:
        """Skips what a suite for the laboratory does not promise."""
        if self.suite().lab_only:
            pytest.skip("a suite for the laboratory protects nothing")

    def test_it_describes_itself(self) -> None:
        suite = self.suite()
        assert 1 <= suite.wire_id <= 0xFFFF
        assert suite.key_bytes >= 16
        assert suite.tag_bytes >= (0 if suite.lab_only else 16)
        assert 1 <= suite.max_records <= 1 << 56, "record numbers have 56 bits"

    @pytest.mark.parametrize("size", SIZES)
    def test_a_record_goes_round_in_place(self, size: int) -> None:
        plain = bytes(n * 31 & 255 for n in range(size))
        assert self.opened(self.sealed(plain)) == plain

    @pytest.mark.parametrize("size", SIZES)
    def test_a_record_goes_round_through_other_memory(self, size: int) -> None:
        plain = memoryview(bytes(n * 7 & 255 for n in range(size)))
        aead, tag = self.aead(), self.suite().tag_bytes
        sealed, opened = memoryview(bytearray(size + tag)), memoryview(bytearray(size))
        assert aead.encrypt_into(NONCE, plain, HEADER, sealed) == size + tag
        assert aead.decrypt_into(NONCE, sealed, HEADER, opened) == size
        assert opened == plain

    def test_it_touches_nothing_behind_the_record(self) -> None:
        tag = self.suite().tag_bytes
        buffer = memoryview(bytearray(b"x" * 200))
        self.aead().encrypt_into(NONCE, buffer[:100], HEADER, buffer[: 100 + tag])
        assert buffer[100 + tag :] == b"x" * (100 - tag)

    def test_one_key_serves_many_records_in_any_order(self) -> None:
        aead = self.aead()
        nonces = [bytes(4) + (n << 8).to_bytes(8, "big") for n in (1, 2, 3, 1 << 40)]
        sealed = [self.sealed(b"record", aead=aead, nonce=nonce) for nonce in nonces]
        for nonce, record in reversed(list(zip(nonces, sealed, strict=True))):
            assert self.opened(record, aead=aead, nonce=nonce) == b"record"

    def test_two_ends_with_one_key_understand_each_other(self) -> None:
        assert self.opened(self.sealed(b"record", aead=self.aead()), aead=self.aead()) == b"record"

    @pytest.mark.usefixtures("protecting")
    def test_the_plaintext_does_not_show(self) -> None:
        assert b"a rather long secret" not in self.sealed(b"a rather long secret")

    def test_it_has_every_member(self) -> None:
        assert not missing(self.aead(), Aead)

    @pytest.mark.usefixtures("protecting")
    def test_no_two_records_are_sealed_alike(self) -> None:
        """Two records under one key stream give away what both say: every bit of the record's number must change it."""
        aead, seen = self.aead(), dict[bytes, int]()
        for number in RECORDS:
            body = self.stream(nonce=bytes(4) + ((number << 8) & (1 << 64) - 1).to_bytes(8, "big"), aead=aead)
            assert body not in seen, f"records {seen[body]} and {number} are sealed with one key stream"
            seen[body] = number

    @pytest.mark.usefixtures("protecting")
    def test_every_bit_of_the_nonce_changes_the_ciphertext(self) -> None:
        aead, plain = self.aead(), self.stream()
        for bit in range(8 * len(NONCE)):
            assert self.stream(nonce=_flipped(NONCE, bit), aead=aead) != plain, f"byte {bit // 8} of the nonce does not count"

    @pytest.mark.usefixtures("protecting")
    def test_every_bit_of_the_key_changes_the_ciphertext(self) -> None:
        key, plain = self.key(), self.stream()
        for bit in range(8 * len(key)):
            assert self.stream(aead=self.made(_flipped(key, bit))) != plain, f"byte {bit // 8} of the key does not count"

    @pytest.mark.usefixtures("protecting")
    def test_keys_and_nonces_give_distinct_ciphertexts(self) -> None:
        other = bytes(4) + (2 << 8).to_bytes(8, "big")
        sealed = [self.sealed(bytes(64)), self.sealed(bytes(64), aead=self.aead(9)), self.sealed(bytes(64), nonce=other)]
        assert len(set(sealed)) == 3

    @pytest.mark.usefixtures("protecting")
    @pytest.mark.parametrize("part", ["first", "middle", "last", "tag"])
    def test_a_flipped_bit_is_refused(self, part: str) -> None:
        record = bytearray(self.sealed(bytes(300)))
        record[{"first": 0, "middle": 150, "last": 299, "tag": len(record) - 1}[part]] ^= 1
        with pytest.raises(Exception):  # the contract: any exception
            self.opened(bytes(record))

    @pytest.mark.usefixtures("protecting")
    @pytest.mark.parametrize("part", ["key", "nonce", "header", "record"])
    def test_every_bit_is_authenticated(self, part: str) -> None:
        aead, sealed = self.aead(), self.sealed(b"record")
        given = {"key": self.key(), "nonce": NONCE, "header": HEADER, "record": sealed}
        for bit in range(8 * len(given[part])):
            wrong = given | {part: _flipped(given[part], bit)}
            opener = self.made(wrong["key"]) if part == "key" else aead
            with pytest.raises(Exception):  # noqa: PT012  the message says which
                self.opened(wrong["record"], aead=opener, nonce=wrong["nonce"], header=wrong["header"])
                pytest.fail(f"byte {bit // 8} of the {part} is not authenticated")

    @pytest.mark.usefixtures("protecting")
    @pytest.mark.parametrize("keep", [0, 1, 15, 31])
    def test_a_truncated_record_is_refused(self, keep: int) -> None:
        record = self.sealed(bytes(100))[:keep]
        room = memoryview(bytearray(max(0, keep - self.suite().tag_bytes)))
        with pytest.raises(Exception):
            self.aead().decrypt_into(NONCE, record, HEADER, room)

    def test_after_a_refusal_it_goes_on(self) -> None:
        aead = self.aead()
        sealed = self.sealed(b"record", aead=aead)
        if not self.suite().lab_only:
            with pytest.raises(Exception):
                self.opened(sealed[:-1] + bytes([sealed[-1] ^ 1]), aead=aead)
        assert self.opened(sealed, aead=aead) == b"record"

    def test_the_worker_stays_small(self) -> None:
        assert not heavy_imports(self.suite().aead.partition(":")[0]), "what it imports, the worker carries"


def _flipped(octets: bytes, bit: int) -> bytes:
    """The same with one bit turned round."""
    changed = bytearray(octets)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)

"""The key schedule: from the shared secret and the transcript to the keys of a handshake and of its session.

    th1 = SHA-512("LLP1 transcript" || u32 len || ClientHello core || u32 len || ServerHello core)
    master = HKDF-Extract-SHA512(salt = th1, ikm = X25519 secret || ML-KEM secret)
    server_key = HKDF-Expand(master, "llp1 server handshake", 32)      AES-256-GCM, nonce 12 zeros, aad th1
    th2 = SHA-512(th1 || server identity || server signature)
    client_key = HKDF-Expand(master, "llp1 client handshake", 32)      AES-256-GCM, nonce 12 zeros, aad th2
    th3 = SHA-512(th2 || client identity || client signature)
    client_chain, server_chain = HKDF-Expand(master, "llp1 client traffic" || th3, 64), … "llp1 server traffic" …
    exporter = HKDF-Expand(master, "llp1 exporter" || th3, 32)

Each handshake key seals one message only, hence the constant nonce. Signed are the role's label, the transcript hash that its
message extends (th1, th2) and the digest of the signer's identity.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from appliance.errors import PeerFault
from appliance.protocol.digests import hmac_sha512, sha512
from appliance.protocol.identity import PUBLIC_BYTES, Identity, PublicIdentity
from appliance.wire.faults import Fault
from appliance.wire.hello import ClientHello, ServerHello

TRANSCRIPT_LABEL = b"LLP1 transcript"
SERVER_SIGNATURE_LABEL = b"LLP1 server signature"
CLIENT_SIGNATURE_LABEL = b"LLP1 client signature"
HANDSHAKE_LABELS = {False: b"llp1 server handshake", True: b"llp1 client handshake"}
TRAFFIC_LABELS = {False: b"llp1 server traffic", True: b"llp1 client traffic"}
HANDSHAKE_KEY_BYTES = 32
CHAIN_BYTES = 64
EXPORTER_LABEL = b"llp1 exporter"
EXPORTER_BYTES = 32
_NONCE = bytes(12)


class KeySchedule:
    """The secrets of one handshake. Seal or open the server's proof, then the client's, then take the chains."""

    def __init__(self, client: ClientHello, server: ServerHello, secret: bytes) -> None:
        transcript = TRANSCRIPT_LABEL + _counted(client.core()) + _counted(server.core())
        self.transcript = sha512(transcript)
        self._master = bytearray(hmac_sha512(self.transcript, secret))

    def seal_proof(self, identity: Identity, initiator: bool) -> bytes:
        """This side's identity and signature, sealed. They become part of the transcript. `initiator`: it is the initiator's
        proof."""
        content = self.signed(identity.public, initiator)
        proof = identity.public.encoded + identity.sign(content)
        sealed = self._cipher(initiator).encrypt(_NONCE, proof, self.transcript)
        self.extend(proof)
        return sealed

    def open_proof(self, sealed: bytes, initiator: bool) -> UnverifiedProof:
        """The other side's proof. Raises PeerFault if it was not sealed with our secret."""
        try:
            proof = self._cipher(initiator).decrypt(_NONCE, sealed, self.transcript)
        except InvalidTag:
            raise PeerFault(Fault.NOT_AUTHENTIC) from None
        identity = PublicIdentity(proof[:PUBLIC_BYTES])
        return UnverifiedProof(self, identity, proof, initiator)

    def chains(self) -> tuple[bytes, bytes]:
        """The client's and the server's first traffic chain. The schedule is wiped then and gives nothing more."""
        client, server = (self._expand(TRAFFIC_LABELS[side] + self.transcript, CHAIN_BYTES) for side in (True, False))
        self.wipe()
        return client, server

    def exporter(self) -> bytes:
        """What both ends of this session know and nobody else, for proofs that hold in this session only. To be taken after both
        proofs and before the chains. It tells nothing of them: HKDF's results with two infos are independent (RFC 5869)."""
        return self._expand(EXPORTER_LABEL + self.transcript, EXPORTER_BYTES)

    def wipe(self) -> None:
        """Overwrite the master secret. (Copies that the interpreter made cannot be reached.)"""
        self._master[:] = bytes(len(self._master))

    def signed(self, signer: PublicIdentity, initiator: bool) -> bytes:
        """What `signer` signs at this point of the transcript."""
        label = CLIENT_SIGNATURE_LABEL if initiator else SERVER_SIGNATURE_LABEL
        return label + self.transcript + signer.digest

    def extend(self, proof: bytes) -> None:
        """A good proof becomes part of the transcript."""
        self.transcript = sha512(self.transcript + proof)

    def _cipher(self, initiator: bool) -> AESGCM:
        return AESGCM(self._expand(HANDSHAKE_LABELS[initiator], HANDSHAKE_KEY_BYTES))

    def _expand(self, label: bytes, length: int) -> bytes:
        return HKDFExpand(algorithm=SHA512(), length=length, info=label).derive(bytes(self._master))


class UnverifiedProof:
    """A proof whose signatures were not checked yet. Opening it takes microseconds, checking it half a millisecond."""

    def __init__(self, schedule: KeySchedule, identity: PublicIdentity, proof: bytes, initiator: bool) -> None:
        self.identity = identity
        self._schedule = schedule
        self._proof = proof
        self._initiator = initiator

    def verify(self) -> None:
        """Check both signatures and extend the transcript. Raises PeerFault."""
        content = self._schedule.signed(self.identity, self._initiator)
        self.identity.verify(self._proof[PUBLIC_BYTES:], content)
        self._schedule.extend(self._proof)


def _counted(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data

"""What a node finds out about its network, and how that is said: each answer with what it means, or with why it is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from appliance.members.reflections import VOICES, Mapping, Verdict


class Answer(NamedTuple):
    """One line of `appliance netcheck`."""

    question: str
    answer: str
    """"yes", "no", a kind, or "unknown"."""
    says: str
    """A sentence: what it means, or why it could not be found out."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found out. None: it could not be."""

    listens: bool
    """Does a socket for datagrams over IPv4 take strangers?"""
    peers: int
    """Peers with a session, over whatever."""
    peers_over_udp: int
    verdict: Verdict
    """Of IPv4."""
    verdict_v6: Verdict
    lets_in_other_ports: bool | None
    """Did a probe arrive from another port of a peer that this node speaks with?"""
    lets_in_strangers: bool | None
    """Did one arrive from a peer that it does not speak with directly?"""
    hairpin: bool | None
    mapped: str | None
    """The router's port for this node."""
    mapping_problem: str
    has_ipv6: bool
    """Does this host have an IPv6 address of the internet?"""


def answers(found: Findings) -> list[Answer]:
    """What to tell."""
    return [_udp(found), _mapping(found), _filtering(found), _hairpin(found), _port(found), _ipv6(found)]


def document(found: Findings) -> dict[str, Any]:
    """The same for programs."""
    return {
        "udp": _udp(found).answer,
        "mapping": str(found.verdict.mapping),
        "filtering": _filtering(found).answer,
        "hairpin": _hairpin(found).answer,
        "port_mapping": found.mapped,
        "ipv6": _ipv6(found).answer,
        "seen_at": [str(at) for at in (*found.verdict.seen, *found.verdict_v6.seen)],
        "voices": found.verdict.voices,
        "answers": [answer._asdict() for answer in answers(found)],
    }


def _udp(found: Findings) -> Answer:
    question = "Do datagrams pass?"
    if found.peers_over_udp:
        return Answer(question, "yes", f"{_count(found.peers_over_udp, 'peer answers', 'peers answer')} over UDP.")
    if not found.listens:
        return Answer(question, "unknown", "This node listens at no udp:// endpoint, so no direct path can be found.")
    if found.peers:
        return Answer(
            question, "no", "Peers answer by other ways, and none over UDP: this network blocks it, or nobody was tried by it."
        )
    return Answer(question, "unknown", "No peer has a session with this node.")


def _mapping(found: Findings) -> Answer:
    question, verdict = "Which port does the NAT give?", found.verdict
    seen = ", ".join(str(at) for at in verdict.seen)
    match verdict.mapping:
        case Mapping.NONE:
            return Answer(question, "none", f"There is no NAT for IPv4: others see this host's own address, {seen}.")
        case Mapping.INDEPENDENT:
            return Answer(question, "independent", f"One port, whoever is spoken to ({seen}): others can be told where to send.")
        case Mapping.DEPENDENT | Mapping.SEQUENTIAL:
            return Answer(
                question,
                "dependent",
                "Another port for each far end (symmetric): direct paths only to peers that let in anybody.",
            )
        case _:
            missing = max(1, VOICES - verdict.voices)
            so_far = f"So far {seen} was seen by {verdict.voices}. " if seen else ""
            more = _count(missing, "more peer", "more peers")
            return Answer(question, "unknown", f"{so_far}A verdict takes {more} of other networks, reached over UDP.")


def _filtering(found: Findings) -> Answer:
    question = "Whom does the NAT let in?"
    if found.lets_in_strangers:
        return Answer(question, "anybody", "A peer reached this node that it had sent nothing to.")
    if found.lets_in_other_ports:
        said = " or anybody" if found.lets_in_strangers is None else ""
        return Answer(question, f"by address{said}", "A peer reached this node from another port than it is spoken to at.")
    if found.lets_in_other_ports is False:
        return Answer(
            question, "by address and port", "A peer did not reach this node from another port than it is spoken to at."
        )
    return Answer(question, "unknown", "No peer that is reached over UDP could be asked to try.")


def _hairpin(found: Findings) -> Answer:
    question = "Do hosts behind the NAT reach each other at its outer address?"
    if found.verdict.mapping is Mapping.NONE:
        return Answer(question, "yes", "There is no NAT.")
    if found.hairpin is None:
        return Answer(question, "unknown", "It takes a NAT that keeps ports, and to know its outer address.")
    if found.hairpin:
        return Answer(question, "yes", "What this host sends to its outer address comes back (hairpin).")
    return Answer(question, "no", "What this host sends to its outer address does not come back: neighbours use inner addresses.")


def _port(found: Findings) -> Answer:
    question = "Does the router give a port?"
    if found.mapped:
        return Answer(question, "yes", f"Others get in at {found.mapped}.")
    return Answer(question, "no", f"{found.mapping_problem[:1].upper()}{found.mapping_problem[1:]}.")


def _ipv6(found: Findings) -> Answer:
    question = "Is there IPv6?"
    if found.verdict_v6.seen:
        return Answer(question, "yes", f"Others see this node at {found.verdict_v6.seen[0]}.")
    if found.has_ipv6:
        return Answer(question, "unknown", "This host has an address, and no peer was reached by it yet.")
    return Answer(question, "no", "This host has no IPv6 address of the internet.")


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"

"""`appliance network new`, `show`, `members`, `export` and `import`: a network's key and statements, in files. No node has to
run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

from appliance.cli.handing_over import hand_over
from appliance.cli.keys import loose_mode, read_secret, write_secret
from appliance.cli.lists import role, several
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal, seconds_text, table
from appliance.errors import ApplianceError, ExitCode, MissingPrivilege
from appliance.foundation import clock, places
from appliance.foundation.whole_files import write_whole
from appliance.members.carried import MAX_BYTES, bundle_of, read_bundle
from appliance.members.certificate import Certificate
from appliance.members.fields import NAME
from appliance.members.network import NetworkKey
from appliance.members.signer import Signer
from appliance.members.statement import StatementRefused
from appliance.members.trust import Taken, Trust
from appliance.profile.member_starter import member_starter
from appliance.protocol.identity import Identity, IdentityInvalid
from appliance.runtime.members.network_folder import OWNER, NetworkFolder, NetworkMissing

SOON = 30 * 86_400
"""Seconds before its end that a certificate is worth a warning."""


def new(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Make a network: the owner's key, and the certificate of this node, the first member."""
    from appliance.members.addressing import free_addresses, ranges_of
    from appliance.members.issuing import LIFETIME
    from appliance.members.scope import Grants

    folder = NetworkFolder.of(name_of(arguments.label, "a label"))
    if folder.path.exists():
        raise ApplianceError(
            f"this host has a network {folder.label} already: {folder.path}",
            hint="choose another label, or `appliance network show`",
        )
    name = name_of(arguments.name or os.uname().nodename.partition(".")[0].lower(), "a name", "say one: --name NAME")
    roles = frozenset(several("--role", arguments.role, role))
    wanted = several("--address", arguments.address, ip_address)
    key_path = Path(arguments.owner_key) if arguments.owner_key else folder.path / OWNER
    profile = Path(arguments.profile) if arguments.profile else places.profile_file()
    owner = Identity.generate()
    network, now = NetworkKey(owner.public.encoded), int(clock.wall())
    with ExitStack() as undo:
        identity, path = _own_identity(Path(arguments.identity) if arguments.identity else profile.parent / "identity", undo)
        addresses = wanted or free_addresses(ranges_of(network.digest), identity.public.digest, ())
        folder.make()
        undo.callback(folder.remove)
        write_secret(key_path, owner.to_pem())
        undo.callback(key_path.unlink, missing_ok=True)
        folder.keep_network(network)
        with folder.changing(now) as trust:
            made = Signer(trust, owner, microseconds()).certify(
                identity.public, name, Grants(addresses, roles=roles), now=now, lifetime=LIFETIME
            )
        new_profile = not profile.exists()
        if new_profile:
            reference = f"file:{quote(str(path.absolute()))}"
            write_public(profile, member_starter(name, reference, network.fingerprint, folder.label))
        undo.pop_all()
    document = {
        "network": network.fingerprint,
        "label": folder.label,
        "folder": str(folder.path),
        "owner_key": str(key_path.absolute()),
        "identity": str(path.absolute()),
        "profile": str(profile.absolute()),
        "certificate": certificate_document(made),
    }
    terminal.result(document, network.fingerprint)
    terminal.note(f"this node is {name}.{folder.label}, {', '.join(map(str, addresses))}")
    _say_what_is_next(terminal, profile, network, folder.label, new_profile=new_profile)
    _warn_of_the_key(terminal, key_path)
    return ExitCode.OK


def _say_what_is_next(terminal: Terminal, profile: Path, network: NetworkKey, label: str, *, new_profile: bool) -> None:
    if new_profile:
        terminal.note(f"written to {profile}. Next: {how_to_run(profile)}")
    else:
        terminal.note(f"{profile} exists already and is not overwritten. What it needs:")
        terminal.note(f"  mesh:\n    network: {network.fingerprint}\n    label: {label}")


def _warn_of_the_key(terminal: Terminal, key_path: Path) -> None:
    if loose_mode(key_path):
        terminal.warning(
            f"{key_path} lies where files have no modes: whoever has that disk, or may read it here, has the network"
        )
    terminal.warning(
        f"{key_path} is the network: who has it can make and remove members. Make a copy of it that lies elsewhere, "
        "and keep it off this host if no new members are expected."
    )


def show(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """A network's fingerprint, who signs, what was removed and what ends soon."""
    folder = the_folder(arguments.label)
    now = _judged_at(folder, terminal)
    trust = folder.trust(now)
    members = trust.members(now)
    issuers = [each for each in members.values() if each.scope is not None]
    soon = [each for each in members.values() if trust.ends_at(each) - now < SOON]
    document: dict[str, Any] = {
        "network": trust.network.fingerprint,
        "label": folder.label,
        "folder": str(folder.path),
        "owner_key": (folder.path / OWNER).exists(),
        "members": len(members),
        "issuers": [certificate_document(each) for each in issuers],
        "set_aside": len(trust.set_aside(now)),
        "frauds": [{"issuer": each.issuer, "serial": each.serial} for each in trust.frauds()],
        "ending_soon": [each.name for each in soon],
    }
    lines = [
        f"{folder.label}: {trust.network.fingerprint}",
        f"  {len(members)} members, {document['set_aside']} certificates set aside (appliance network members)",
        f"  the owner's key is {'' if document['owner_key'] else 'not '}in {folder.path}",
    ]
    lines += [f"  issuer {each.name}: {scope_text(each)}" for each in issuers]
    terminal.result(document, "\n".join(lines))
    for each in soon:
        left = seconds_text(trust.ends_at(each) - now)
        terminal.warning(f"the certificate of {each.name} ends in {left}: appliance network renew {each.name}")
    for fraud in trust.frauds():
        terminal.warning(f"{fraud.issuer} signed two statements with one serial: somebody else may have its key")
    return ExitCode.OK


def members(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Who is a member, and which certificates do not count, and why."""
    folder = the_folder(arguments.label)
    now = _judged_at(folder, terminal)
    trust = folder.trust(now)
    found = sorted(trust.members(now).values(), key=lambda each: each.name)
    aside = trust.set_aside(now)
    document = {
        "network": trust.network.fingerprint,
        "label": folder.label,
        "members": [certificate_document(each) for each in found],
        "set_aside": [
            {**certificate_document(each.certificate), "why": str(each.why), "against": each.against or None} for each in aside
        ],
    }
    rows = [_row(each, now) for each in found]
    text = table(("name", "addresses", "for", "ends in", "identity"), rows) if rows else "no members"
    if aside and not terminal.json:
        text += "\n\nset aside:\n" + "\n".join(
            f"  {each.certificate.name}: {each.why}{f' ({each.against})' if each.against else ''}  {each.certificate.identity}"
            for each in aside
        )
    terminal.result(document, text)
    return ExitCode.OK


def _judged_at(folder: NetworkFolder, terminal: Terminal) -> int:
    """What certificates are judged by, as far as a clock is seen to be wrong without a profile. Unix seconds."""
    wall = int(clock.wall())
    now = folder.lifetimes().time(wall)
    if now != wall:
        terminal.warning(
            f"this host's clock says {clock.utc_text(wall)[:10]}, before anything of {folder.label} began: set it (timedatectl); "
            f"this is as of {clock.utc_text(now)[:10]}"
        )
    return now


def export(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """The network's key and all statements, for a backup or another machine. Never a secret."""
    folder, now = the_folder(arguments.label), int(clock.wall())
    trust = folder.trust(now)
    statements = [each.encoded for each in trust.statements()]
    hand_out(terminal, {"statements": len(statements)}, bundle_of(trust.network, statements), arguments.output)
    return ExitCode.OK


def take(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Take statements from a file; the first file of a network makes its folder."""
    bundle, now = read_bundle(read_text(arguments.path)), int(clock.wall())
    folder = _folder_for(bundle.network, arguments.label, arguments.network)
    counts = {"new": 0, "known": 0, "refused": 0}
    reasons: dict[str, int] = {}
    with folder.changing(now) as trust:
        for statement in bundle.statements:
            try:
                counts["known" if trust.take(statement, now) is Taken.KNOWN else "new"] += 1
            except StatementRefused as refused:
                counts["refused"] += 1
                reasons[refused.reason] = reasons.get(refused.reason, 0) + 1
    hand_over(terminal, bundle.network.fingerprint, bundle.statements)
    document = {"network": bundle.network.fingerprint, "label": folder.label, **counts, "reasons": reasons}
    text = f"{folder.label}: {counts['new']} new, {counts['known']} known, {counts['refused']} refused"
    terminal.result(document, text)
    for reason, count in sorted(reasons.items()):
        terminal.note(f"refused {count}: {reason}")
    return ExitCode.OK


# ---- what the commands share ----


def name_of(text: str, what: str, hint: str = "") -> str:
    """The text, if it is a DNS label. Raises UsageError."""
    if not NAME.fullmatch(text):
        raise UsageError(f"{text!r} is not {what}", hint=hint or "lower-case letters, digits and dashes, up to 63")
    return text


def the_folder(label: str | None) -> NetworkFolder:
    """The folder of the network that was named, or of the only one. Raises ApplianceError."""
    if label is not None:
        folder = NetworkFolder.of(name_of(label, "a label"))
        folder.network()
        return folder
    found = NetworkFolder.all()
    if len(found) == 1:
        return found[0]
    if not found:
        raise NetworkMissing("this host is in no network", hint="`appliance network new LABEL` makes one")
    raise UsageError("there are several networks here", hint=f"say which: {', '.join(each.label for each in found)}")


def node_identity(path: str | None) -> tuple[Identity, Path]:
    """The identity in that file, or where profiles have it. Raises ApplianceError."""
    where = Path(path) if path else places.config_dir() / places.IDENTITY
    pem = read_secret(where)
    try:
        return Identity.from_pem(pem), where
    except IdentityInvalid as error:
        raise IdentityInvalid(f"{where}: {error.message}", hint=error.hint) from error


def _own_identity(path: Path, undo: ExitStack) -> tuple[Identity, Path]:
    """The identity in that file, which is made if it is not there. Raises ApplianceError."""
    if path.exists():
        return node_identity(str(path))
    make_folder(path.parent, undo)
    identity = Identity.generate()
    write_secret(path, identity.to_pem())
    undo.callback(path.unlink)
    return identity, path


def make_folder(path: Path, undo: ExitStack) -> None:
    """The folder is there from now on; what is put on `undo` takes it back. Raises ApplianceError."""
    if path.is_dir():
        return
    try:
        path.mkdir(mode=0o755, parents=path == places.config_dir())
    except FileNotFoundError as error:
        raise ApplianceError(f"{path.parent}: there is no such directory", hint=f"make it first: mkdir -p {path}") from error
    except PermissionError as error:
        raise MissingPrivilege(f"{path}: you may not write there", hint="run it as root (sudo)") from error
    undo.callback(_remove_if_empty, path)


def how_to_run(profile: Path) -> str:
    """The command that makes this user's node of a profile that was just written."""
    words = "appliance run" if os.geteuid() == 0 else "appliance run --rootless"
    return words if profile == places.profile_file() else f"{words} {profile}"


def _remove_if_empty(path: Path) -> None:
    with suppress(OSError):
        path.rmdir()


def certificate_document(certificate: Certificate) -> dict[str, Any]:
    """For programs."""
    scope = certificate.scope
    return {
        "name": certificate.name,
        "identity": certificate.identity,
        "addresses": [str(each) for each in certificate.addresses],
        "prefixes": [str(each) for each in certificate.prefixes],
        "exit": certificate.exit,
        "tags": list(certificate.tags),
        "roles": sorted(certificate.roles),
        "final": certificate.final,
        "issuer": certificate.issuer,
        "epoch": certificate.epoch,
        "serial": str(certificate.serial),
        "since": certificate.since,
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "scope": None
        if scope is None
        else {
            "lifetime": scope.lifetime,
            "addresses": [str(each) for each in scope.addresses],
            "prefixes": [str(each) for each in scope.prefixes],
            "tags": None if scope.any_tag else list(scope.tags),
            "roles": sorted(scope.roles),
            "exit": scope.exit,
        },
    }


def scope_text(issuer: Certificate) -> str:
    """What an issuer may give, for people."""
    scope = issuer.scope
    assert scope is not None
    parts = [f"for {seconds_text(scope.lifetime)} at most"]
    parts += [f"addresses in {', '.join(map(str, scope.addresses)) or 'none'}"]
    parts += [f"prefixes in {', '.join(map(str, scope.prefixes))}"] if scope.prefixes else []
    tags = "any tag" if scope.any_tag else f"tags {', '.join(scope.tags)}" if scope.tags else ""
    parts += [part for part in (tags, *sorted(scope.roles), "exit" if scope.exit else "") if part]
    return "; ".join(parts)


def read_text(path: str) -> str:
    """The content of a text file, `-` for standard input. Raises ApplianceError."""
    try:
        if path == "-":
            import sys

            return sys.stdin.read(MAX_BYTES)
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        raise ApplianceError(f"{path}: {(error.strerror or str(error)).lower()}", hint="name a file that is there") from error


def hand_out(terminal: Terminal, document: dict[str, Any], text: str, output: str | None) -> None:
    """Write what is to be carried to a new file, or to standard output."""
    if output is None:
        terminal.result({**document, "text": text}, text.rstrip("\n"))
        return
    path = Path(output)
    write_public(path, text)
    terminal.result({**document, "path": str(path.absolute())}, f"written to {path}")


def write_public(path: Path, text: str) -> None:
    """A new file that everybody may read; nothing is overwritten. Raises ApplianceError, OSError."""
    if path.exists():
        raise ApplianceError(f"{path} exists already and is not overwritten", hint="write to another path")
    write_whole(path, text.encode(), 0o644)


def microseconds() -> int:
    """The time as serials have it."""
    return int(clock.wall() * 1_000_000)


def signer_for(trust: Trust, folder: NetworkFolder, key: str | None, terminal: Terminal) -> Signer:
    """Whoever signs; see `secret_key`."""
    return Signer(trust, secret_key(trust, folder, key, terminal), microseconds())


def secret_key(trust: Trust, folder: NetworkFolder, key: str | None, terminal: Terminal) -> Identity:
    """Who signs: the key that was named; else the owner's, if it is here; else this node's own. Raises ApplianceError."""
    if key is not None:
        found, path = node_identity(key)
        if mode := loose_mode(path):
            terminal.warning(f"{path} has mode {mode:04o}: others can read this secret; chmod 600 {path}")
        return found
    owner = folder.owner()
    if owner is not None and trust.network.is_of(owner):
        return owner
    try:
        return node_identity(None)[0]
    except ApplianceError:
        raise ApplianceError(
            f"the owner's key of {folder.label} is not on this host, and this node has no identity to sign with",
            hint="say where the owner's key is: --key FILE",
        ) from None


def _folder_for(network: NetworkKey, label: str | None, pin: str | None) -> NetworkFolder:
    if pin is not None and pin != network.fingerprint:
        raise ApplianceError(f"that is the network {network.fingerprint}", hint=f"and not {pin}: where does the file come from?")
    known = [each for each in NetworkFolder.all() if each.network().fingerprint == network.fingerprint]
    if known and label in {None, known[0].label}:
        return known[0]
    if label is None:
        raise UsageError("this network is new here", hint="say what to call it: --label LABEL, and --network llpn1:… to be sure")
    folder = NetworkFolder.of(name_of(label, "a label"))
    if folder.path.exists():
        raise ApplianceError(f"{folder.path} is that of another network", hint="choose another label")
    folder.make()
    folder.keep_network(network)
    return folder


def _row(certificate: Certificate, now: int) -> Sequence[str]:
    purposes = [*sorted(certificate.roles), *(["exit"] if certificate.exit else []), *map(str, certificate.prefixes)]
    return (
        certificate.name,
        ", ".join(map(str, certificate.addresses)),
        ", ".join(purposes),
        seconds_text(certificate.not_after - now),
        certificate.identity,
    )

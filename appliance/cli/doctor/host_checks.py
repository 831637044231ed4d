"""Checks of the host: what the kernel and this process can do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from appliance.cli.doctor.facts import Facts
from appliance.cli.doctor.finding import Finding, failure, note, warning

if TYPE_CHECKING:
    from appliance.api.profile import Profile

OLDEST_KERNEL = (5, 14)
"""The first with SO_NETNS_COOKIE, by which the state of a network namespace is found."""
KERNEL_WITH_USO = (6, 2)
SEND_BUFFER_BYTES = 4 << 20
"""What the worker asks for. Without CAP_NET_ADMIN it gets at most net.core.*mem_max."""


def tun_missing(facts: Facts) -> Iterator[Finding]:
    """The overlay's interface is a TUN device."""
    if facts.host.tun_problem:
        yield failure(
            "tun-missing",
            f"/dev/net/tun cannot be opened: {facts.host.tun_problem}",
            "load the module (modprobe tun); in a container pass the device in (--device /dev/net/tun)",
        )


def no_net_admin(facts: Facts) -> Iterator[Finding]:
    """Interfaces and routes need the capability; a rootless node has it in a network of its own."""
    if facts.host.net_admin:
        return
    if not facts.host.rootless_problem:
        yield note(
            "no-net-admin",
            "this process may not change the host's network (CAP_NET_ADMIN is missing)",
            "nothing for a node of your own: appliance run --rootless",
        )
        return
    yield failure(
        "no-net-admin",
        "this process may not change the network (CAP_NET_ADMIN is missing)",
        "run as root, or give the service the capability: AmbientCapabilities=CAP_NET_ADMIN, docker --cap-add NET_ADMIN. "
        f"In the way of a node without it: {facts.host.rootless_problem}",
    )


def kernel_old(facts: Facts) -> Iterator[Finding]:
    """Some features need a kernel of the last years."""
    shown = ".".join(map(str, facts.host.kernel))
    if facts.host.kernel < OLDEST_KERNEL:
        yield failure("kernel-old", f"kernel {shown} is older than 5.14", "install a newer kernel (Debian 12 brings 6.1)")
    elif facts.host.kernel < KERNEL_WITH_USO:
        yield note(
            "kernel-old", f"kernel {shown} has no UDP offload on TUN devices (6.2 has)", "nothing, unless large UDP flows matter"
        )


def udp_offloads(facts: Facts) -> Iterator[Finding]:
    """Only with UDP_SEGMENT a record leaves in one call, and only with UDP_GRO it comes in one."""
    missing = [name for name, there in (("UDP_SEGMENT", facts.host.udp_gso), ("UDP_GRO", facts.host.udp_gro)) if not there]
    if missing:
        yield warning(
            "udp-offload-missing",
            f"the kernel refuses {' and '.join(missing)}: the UDP transport works, at a fraction of its speed",
            "use a kernel of 5.0 or later, or the TCP transport",
        )


def nft_missing(facts: Facts) -> Iterator[Finding]:
    """Masquerading and MSS clamping are nftables rules."""
    if facts.host.nft:
        return
    profile = facts.profile.profile if facts.profile else None
    if profile is not None and profile.network.masquerade:
        yield failure("nft-missing", "the profile masquerades, but `nft` is not installed", "apt install nftables")
    else:
        yield note(
            "nft-missing", "`nft` is not installed: no masquerading, no MSS clamping", "apt install nftables, if you need them"
        )


def ipv6_missing(facts: Facts) -> Iterator[Finding]:
    """`apply` switches IPv6 on for the overlay's interface, but not in a kernel booted without it."""
    profile = facts.profile.profile if facts.profile else None
    if profile is not None and not facts.host.ipv6 and any(":" in str(address) for address in profile.network.addresses):
        yield failure(
            "ipv6-missing",
            "the profile has IPv6 addresses, but this kernel runs without IPv6",
            "take ipv6.disable=1 off the kernel's command line, or the IPv6 addresses out of the profile",
        )


def rp_filter_strict(facts: Facts) -> Iterator[Finding]:
    """Strict reverse-path filtering drops what a hub forwards by another way than it came."""
    profile = facts.profile.profile if facts.profile else None
    if profile is not None and profile.network.forward and facts.host.sysctls.get("net.ipv4.conf.all.rp_filter") == "1":
        yield warning(
            "rp-filter-strict",
            "net.ipv4.conf.all.rp_filter = 1 makes the kernel drop forwarded packets whose way back is another one",
            "set it to 2 (loose) in the profile: network.sysctls: {net.ipv4.conf.all.rp_filter: 2}",
        )


def bbr_missing(facts: Facts) -> Iterator[Finding]:
    """On lossy paths the TCP transport depends on BBR."""
    available = facts.host.sysctls.get("net.ipv4.tcp_available_congestion_control", "bbr")
    profile = facts.profile.profile if facts.profile else None
    if "bbr" not in available.split() and profile is not None and "tcp://" in _endpoints(profile):
        yield note("bbr-missing", "the kernel has no BBR: the TCP transport is slow on lossy paths", "modprobe tcp_bbr")


def buffers_small(facts: Facts) -> Iterator[Finding]:
    """With CAP_NET_ADMIN socket buffers have the size that is asked for; without it the kernel limits them."""
    small = [
        key for key in ("net.core.wmem_max", "net.core.rmem_max") if 0 < int(facts.host.sysctls.get(key) or 0) < SEND_BUFFER_BYTES
    ]
    if small and not facts.host.net_admin:
        yield note(
            "buffers-small",
            f"{' and '.join(small)} below 4 MiB limit the socket buffers of a node without CAP_NET_ADMIN",
            f"sysctl -w {' '.join(f'{key}={SEND_BUFFER_BYTES}' for key in small)}",
        )


def aes_slow(facts: Facts) -> Iterator[Finding]:
    """On a processor without instructions for it, AES is several times slower than ChaCha20."""
    profile = facts.profile.profile if facts.profile else None
    if not facts.host.aes_instructions and profile is not None and profile.crypto.suites[0] == "aes-256-gcm":
        yield note(
            "aes-slow",
            "this CPU has no AES instructions",
            "prefer the other suite: crypto.suites: [chacha20-poly1305, aes-256-gcm]",
        )


def no_post_quantum(facts: Facts) -> Iterator[Finding]:
    """Identities and the key exchange need ML-DSA-87 and ML-KEM-1024."""
    if not facts.host.post_quantum:
        yield failure(
            "no-post-quantum",
            "the library `cryptography` in use has no ML-KEM or ML-DSA",
            "install cryptography 50 or later with its own OpenSSL: pip install --upgrade --only-binary :all: cryptography",
        )


def state_dir(facts: Facts) -> Iterator[Finding]:
    """The undo journal must be writable before anything is changed."""
    if facts.host.state_dir_problem:
        yield failure(
            "state-dir",
            f"{facts.host.state_dir}: {facts.host.state_dir_problem}",
            "make the directory and give it to the user the node runs as, or set APPLIANCE_STATE_DIR to one in a tmpfs",
        )


def _endpoints(profile: Profile) -> str:
    return " ".join(
        str(endpoint) for group in (profile.server.listen, *(peer.endpoints for peer in profile.peers)) for endpoint in group
    )


CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    tun_missing,
    no_net_admin,
    kernel_old,
    no_post_quantum,
    state_dir,
    udp_offloads,
    nft_missing,
    ipv6_missing,
    rp_filter_strict,
    bbr_missing,
    buffers_small,
    aes_slow,
)

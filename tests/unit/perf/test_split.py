from __future__ import annotations

from tests.perf.bench.split import busiest, from_perf, from_stacks

PERF = """\
# Overhead  Shared Object
    50.00%  [kernel.kallsyms]
    10.00%  [tun]
    20.00%  _rust.abi3.so
    15.00%  libpython3.11.so.1.0
     5.00%  libc.so.6
"""
STACKS = """\
run (worker/loop.py:10);write (dataplane/inbound.py:4);os_writev (libpython3.11.so.1.0);writev (libc.so.6) 5
run (worker/loop.py:12);write (dataplane/inbound.py:9);ossl_aes_gcm_encrypt_avx512 (cryptography/_rust.abi3.so) 3
run (worker/loop.py:12);__memmove_avx (libc.so.6) 1
run (worker/loop.py:14);__libc_recvmsg (libc.so.6) 1
"""


def test_objects_of_perf() -> None:
    assert from_perf(PERF) == {"kernel": 0.6, "crypto": 0.2, "interpreter": 0.2}


def test_nothing_has_no_shares() -> None:
    assert from_perf("# no samples\n") == {}
    assert from_stacks("") == {}
    assert busiest("") == {}


def test_a_system_call_is_the_kernel_and_a_copy_is_not() -> None:
    assert from_stacks(STACKS) == {"kernel": 0.6, "crypto": 0.3, "interpreter": 0.1}


def test_python_code_has_what_it_calls() -> None:
    assert busiest(STACKS) == {"dataplane/inbound.py write": 0.8, "worker/loop.py run": 0.2}

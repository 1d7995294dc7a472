"""What is read from a log of strace."""

from __future__ import annotations

from pathlib import Path

from tests.clis.outside import tries

LOG = """\
101 connect(3, {sa_family=AF_UNIX, sun_path="/x"}, 110) = 0
101 connect(3, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("127.0.0.1")}, 16) = -1 EINPROGRESS
102 connect(4, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("198.51.100.7")}, 16 <unfinished ...>
101 sendto(5, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 1
102 <... connect resumed>) = -1 ENETUNREACH
103 connect(9, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2001:db8::1")}, 28) = 0
104 connect(9, {sa_family=AF_INET6, sin6_port=htons(80), inet_pton(AF_INET6, "::1")}, 28 <unfinished ...>
"""


def test_tries_are_read_with_what_became_of_them(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG)
    found = tries(log)
    assert [str(one) for one in found if not one.local] == [
        "127.0.0.53 port 53: reached",
        "198.51.100.7 port 443: ENETUNREACH",
        "2001:db8::1 port 443: reached",
    ]
    assert [one.port for one in found if one.local] == [8080, 80]
    assert [one.host for one in found if one.refused] == ["198.51.100.7"]

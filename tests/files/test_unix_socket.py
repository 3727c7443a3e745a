"""What the kernel says of clients and groups (H-40)."""

from __future__ import annotations

import grp
import os
import socket
import subprocess
import sys

import pytest

from warren.errors import HostError
from warren.files.unix_socket import find_group, group_name, peer_credentials
from warren.local_client import Client, Group

pytestmark = pytest.mark.integration


def test_the_process_at_the_other_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_credentials(ours) == Client(os.geteuid(), os.getegid(), os.getpid(), frozenset(os.getgroups()))


def test_one_that_has_ended_is_still_known() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # the kernel chooses an abstract name
        listener.listen()
        connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(bytes.fromhex(sys.argv[1]))"
        name = listener.getsockname().hex()
        with subprocess.Popen([sys.executable, "-c", connect, name]) as child:
            connection, _ = listener.accept()
        with connection:
            client = peer_credentials(connection)
    assert (client.uid, client.pid) == (os.geteuid(), child.pid)


@pytest.mark.security
def test_where_nobody_is_at_the_other_end() -> None:
    with socket.socket(socket.AF_UNIX) as connection, pytest.raises(HostError) as error:
        peer_credentials(connection)
    assert error.value.code == "request.unidentified"


def test_groups_by_name_and_by_number() -> None:
    own = grp.getgrgid(os.getegid())
    assert find_group(own.gr_name) == Group(own.gr_name, own.gr_gid)
    assert group_name(own.gr_gid) == own.gr_name
    assert find_group("no-such-group") == Group("no-such-group", None)
    assert group_name(0x7FFF_FFF0) == str(0x7FFF_FFF0)

"""A real Dovecot of Debian's, on a free port of this machine: an IMAP server that others wrote."""

from __future__ import annotations

import getpass
import grp
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ADDRESS, PASSWORD = "chan@factory.example", "client-password"
UP = 20.0
PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MISSING = "Dovecot isn't installed: apt-get install dovecot-imapd"

CONFIGURATION = """
base_dir={folder}/run
state_dir={folder}/run
log_path={folder}/log
protocols=imap
ssl=no
disable_plaintext_auth=no
auth_mechanisms=plain login
auth_failure_delay=0
first_valid_uid=1
default_internal_user={servant}
default_login_user={servant}
default_internal_group={group}
mail_location=maildir:{folder}/mail/%u
mail_plugins=quota
plugin {{
  quota=count:User quota
  quota_rule=*:storage={room}K
  quota_vsizes=yes
}}
protocol imap {{
  mail_plugins=quota imap_quota
}}
namespace inbox {{
  inbox=yes
  separator=/
  mailbox Sent {{
    auto=create
    special_use=\\Sent
  }}
}}
passdb {{
  driver=passwd-file
  args=scheme=plain username_format=%u {folder}/users
}}
userdb {{
  driver=static
  args=uid={uid} gid={gid} home={folder}/mail/%u
}}
service imap-login {{
  chroot=
  inet_listener imap {{
    address=127.0.0.1
    port={port}
  }}
  inet_listener imaps {{
    port=0
  }}
}}
service anvil {{
  chroot=
}}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    host: str
    port: int
    folder: Path

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8")

    def sessions(self) -> list[int]:
        """Processes that serve somebody who is logged in."""
        shown = subprocess.run(["pgrep", "-f", "^dovecot/imap"], capture_output=True, text=True, check=False).stdout
        return [pid for pid in map(int, shown.split()) if _ancestor(pid) == self._master()]

    def _master(self) -> int:
        return int((self.folder / "run" / "master.pid").read_text())


def _ancestor(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@contextmanager
def dovecot(folder: Path, room: int = 200_000) -> Iterator[Dovecot]:
    """One mailbox with `room` KB, from `with` to its end. `folder` must be reachable for everybody."""
    assert PROGRAM is not None, MISSING
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    servant = pwd.getpwnam("nobody" if os.getuid() == 0 else getpass.getuser())  # it serves nobody's mail as root
    group = grp.getgrgid(servant.pw_gid).gr_name
    (folder / "mail").mkdir()
    shutil.chown(folder / "mail", servant.pw_uid, servant.pw_gid)
    (folder / "users").write_text(f"{ADDRESS}:{{plain}}{PASSWORD}\n")
    (folder / "conf").write_text(
        CONFIGURATION.format(
            folder=folder,
            room=room,
            servant=servant.pw_name,
            group=group,
            uid=servant.pw_uid,
            gid=servant.pw_gid,
            port=port,
        )
    )
    with (folder / "out").open("w") as out:
        master = subprocess.Popen([PROGRAM, "-F", "-c", str(folder / "conf")], stdout=out, stderr=subprocess.STDOUT)
    try:
        running = Dovecot("127.0.0.1", port, folder)
        _wait(running, master)
        yield running
    finally:
        master.terminate()
        master.wait(UP)


def _wait(server: Dovecot, master: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + UP
    while True:
        try:
            with socket.create_connection((server.host, server.port), 1.0) as connection:
                if connection.recv(100).startswith(b"* OK"):
                    return
        except OSError:
            pass
        said = (server.folder / "out").read_text("utf-8")
        assert master.poll() is None, said
        assert time.monotonic() < end, said
        time.sleep(0.05)

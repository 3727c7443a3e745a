"""The settings of signed commands."""

from __future__ import annotations

import pytest

from warren.agent.config import load_config
from warren.commands.settings import CommandSettings
from warren.config.defaults import defaults_for
from warren.errors import ConfigError

pytestmark = pytest.mark.unit

ROOT = "x" * 43
DOCUMENT_001 = """
[scripts]
openvpn_create = "/usr/local/bin/create_openvpn_user.sh"
openvpn_delete = "/usr/local/bin/delete_openvpn_user.sh"
panel_create = "/usr/local/bin/create_panel_user.sh"
panel_delete = "/usr/local/bin/delete_panel_user.sh"

[monitoring]
status_interval_seconds = 30
health_check_interval_seconds = 60
max_log_size_mb = 100
log_retention_days = 30

[containers]
docker_socket = "/var/run/docker.sock"
base_image = "viworks/chrome:latest"
max_containers = 50
container_timeout_seconds = 3600

[security]
cert_file = "/etc/viworks/agent.crt"
key_file = "/etc/viworks/agent.key"
ca_file = "/etc/viworks/ca.crt"
allowed_clients = ["backend.example.com"]
"""


def load(text: str, root: str = "") -> CommandSettings:
    return load_config(text, "agent.toml", defaults_for("warren", root)).commands


def test_absent_keys_have_their_defaults() -> None:
    commands = load("")
    assert not commands.security.exec_enable
    assert commands.security.trust == "/var/lib/warren/identity/trust.jws"
    assert (commands.audit, commands.commands) == ("/var/lib/warren/audit", "/var/lib/warren/commands")
    assert (commands.sandbox.max_concurrency, commands.sandbox.queue, commands.sandbox.cmd_timeout_secs) == (4, 100, 45)
    assert commands.services.units["nginx"] == "nginx"


def test_tables_of_the_viworks_gateway_agent_load() -> None:
    commands = load(DOCUMENT_001, "/there")
    assert commands.scripts.entries["panel_delete"] == "/there/usr/local/bin/delete_panel_user.sh"
    assert commands.containers.docker_socket == "/there/var/run/docker.sock"
    assert (commands.containers.max_containers, commands.containers.container_timeout_seconds) == (50, 3600)
    assert (commands.monitoring.max_log_size_mb, commands.monitoring.log_retention_days) == (100, 30)
    assert commands.security.allowed_clients == ("backend.example.com",)


def test_keys_of_every_table_are_read() -> None:
    commands = load(f"""
[daemon]
state = "/srv/warren"
[security]
exec_enable = true
root = ["{ROOT}"]
trust = "/etc/warren/trust.jws"
rate_per_minute = 600
[scripts]
scripts_root = "/opt/Viworks/scripts_viworks"
sha256.panel_create = "{"0" * 64}"
args_mode.panel_create = "argv"
[sandbox]
user = "scripts"
min_level = "L3"
memory = "256m"
cmd_timeout_secs = "1m"
writable = ["/etc/openvpn"]
network = false
[containers]
container_engine = "podman"
memory_limit = "1g"
cpu_limit = "0.5"
max_memory = "2g"
max_cpu = 2
images = ["busybox:1"]
[services]
nginx = "nginx.service"
sshd = "ssh"
bootstrap_socket = "/run/warren/bootstrap.sock"
bootstrap_group = "www-data"
[services.openvpn]
unit = "openvpn-server@main"
directory = "/etc/openvpn"
management = "/run/openvpn/management.sock"
remote = "vpn.example.com 1194 udp"
[services.panel]
htpasswd = "/etc/nginx/htpasswd"
""")
    assert commands.security.root == (ROOT,)
    assert commands.commands == "/srv/warren/commands"
    assert commands.scripts.args_mode == {"panel_create": "argv"}
    assert (commands.sandbox.memory_bytes, commands.sandbox.cmd_timeout_secs) == (256 << 20, 60)
    assert (commands.containers.memory_limit_mb, commands.containers.cpu_limit) == (1024, 0.5)
    assert (commands.containers.max_memory_mb, commands.containers.max_cpu) == (2048, 2)
    assert commands.services.units["openvpn"] == "openvpn-server@main"
    assert commands.services.units["sshd"] == "ssh"
    assert commands.services.openvpn.remote == "vpn.example.com 1194 udp"
    assert commands.services.panel.htpasswd == "/etc/nginx/htpasswd"


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("[security]\nexec_enable = true", "security: exec_enable needs at least one root; expected root"),
        ('[security]\nroot = ["short"]', "line 2: security.root[0]: invalid value; expected a thumbprint"),
        ("[security]\nexec_enabled = true", "line 2: security.exec_enabled: unknown key; did you mean exec_enable?"),
        ('[scripts]\nopenvpn_create = "create.sh"', "line 2: scripts.openvpn_create:"),
        ('[scripts]\nsha256.panel_create = "abc"', "expected 64 hexadecimal digits in lower case"),
        (
            '[scripts]\nsha256.panel_creat = "abc"',
            "scripts.sha256.panel_creat: unknown key; did you mean panel_create?",
        ),
        ("[sandbox]\nmax_concurrency = 0", "line 2: sandbox.max_concurrency: 0 is out of range"),
        ('[sandbox]\nmemory = "lots"', "invalid size; expected a number of bytes, or text such as"),
        ('[sandbox]\nmin_level = "L9"', "expected L0, L1, L2 or L3"),
        ('[containers]\ncontainer_engine = "lxc"', "expected docker or podman"),
        (
            '[containers]\nmax_memory = "256m"',
            "containers.memory_limit: exceeds max_memory; expected at most max_memory",
        ),
        ("[containers]\nmax_cpu = 0.25", "containers.cpu_limit: exceeds max_cpu; expected at most max_cpu"),
        ('[containers]\nnetwork = "host"', "line 2: containers.network: host network is not allowed"),
        (
            '[containers]\negress_network = "container:a"',
            "line 2: containers.egress_network: network of another container is not allowed",
        ),
        ('[containers]\ncpu_limit = "5"', "5 is out of range; expected 0.01 to 4"),
        ("[services]\nnginx = 1", "line 2: services.nginx: is a whole number; expected text"),
        ('[services.openvpn]\nremote = "vpn;x"', 'expected HOST PORT PROTOCOL, such as "vpn.example.com 1194 udp"'),
        ('[services.openvpn]\ndirectory = "/etc/openvpn"', "needs remote or template; expected the address"),
        ("[services.panel]\nhtpaswd = 1", "services.panel.htpaswd: unknown key; did you mean htpasswd?"),
        ("[monitoring]\nlog_retention_days = 0", "line 2: monitoring.log_retention_days: 0 is out of range"),
    ],
)
def test_invalid_value_is_rejected_with_its_key(text: str, finding: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(text)
    assert finding in str(refused.value)
    assert len(refused.value.findings) == 1


def test_openvpn_without_management_socket_is_a_warning() -> None:
    lines = '[services.openvpn]\ndirectory = "/etc/openvpn"\nremote = "vpn.example.com 1194 udp"\n'
    (warning,) = load_config(lines, "agent.toml", defaults_for("warren")).warnings
    assert "services.openvpn: sessions of a deleted or expired user stay connected" in str(warning)
    assert not load_config(f'{lines}management = "/run/m"', "agent.toml", defaults_for("warren")).warnings


def test_threshold_above_the_number_of_pinned_roots_is_rejected() -> None:
    pinned = f'[security]\nroot = ["{ROOT}", "{"y" * 43}"]\nroot_threshold = '
    assert load(f"{pinned}2").security.root_threshold == 2
    with pytest.raises(ConfigError, match="exceeds the number of pinned roots"):
        load(f"{pinned}3")

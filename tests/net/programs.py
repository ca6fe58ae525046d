# SPDX-License-Identifier: GPL-2.0
"""
programs.py: real servers in the lab's Internet, each as a context manager that ends it, with files and keys of their
own. test_programs.py and test_own_traffic.py use them.
"""

import contextlib
import os
import subprocess

from lab import LabError, wait_for


@contextlib.contextmanager
def running(lab, part, *command, port=None, log=None, cwd=None):
    """A program there, once it listens; its output is in the file `log`."""
    log = log or lab.folder / f"{os.path.basename(str(command[0]))}.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            lab.command(part, *command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd or lab.folder
        )
    try:
        if port:
            wait_for(lambda: listens(lab, part, port, process, log), 10, f"{command[0]} to listen")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(lab, part, port, process, log):
    if process.poll() is not None:
        raise LabError(f"{log.name}: it ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
    return f":{port} " in lab.run(part, "ss", "-Hlntu").stdout


def web(lab, family, folder, port=8080):
    """Python's own: GET of files; curl does not need more."""
    command = "/usr/bin/python3", "-m", "http.server", port, "--bind", family.server, "--directory", folder
    return running(lab, "inet", *command, port=port)


def dns(lab, family, port=5300):
    """Every name has an address."""
    command = "dnsmasq", "-k", "-C", "/dev/null", "-p", port, "--no-resolv", "--no-hosts", "--bind-interfaces", "-a"
    return running(lab, "inet", *command, family.server, "--address=/#/192.0.2.7", "-u", "root", port=port)


def perf(lab, family, port=5201):
    return running(lab, "inet", "iperf3", "--server", "--one-off", "--bind", family.server, "-p", port, port=port)


def key(folder):
    """A key pair for ssh; returns the private one's path."""
    path = folder / "key"
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def shell(lab, family, port=2200):
    """sshd, for whoever has key(lab.folder)."""
    own = key(lab.folder)
    os.makedirs("/run/sshd", exist_ok=True)
    config = lab.folder / "sshd_config"
    config.write_text(
        f"ListenAddress {family.server}\nPort {port}\nHostKey {own}\nAuthorizedKeysFile {own}.pub\n"
        "PermitRootLogin yes\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\n"
    )
    return running(lab, "inet", "/usr/sbin/sshd", "-D", "-e", "-f", config, port=port)


def ssh(lab, family, port=2200):
    """The beginning of a client's command."""
    options = "BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"
    return ["ssh", *(f"-o{one}" for one in options), "-i", key(lab.folder), "-p", port, f"root@{family.server}"]


def ftp(lab, family, folder, port=2100):
    """vsftpd, anonymous, passive; its root must not be writable, folder/in is."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in").chmod(0o777)
    folder.chmod(0o755)
    lab.folder.chmod(0o711)
    config = lab.folder / "vsftpd.conf"
    own, other = ("", "_ipv6") if family.is4 else ("_ipv6", "")
    config.write_text(
        f"listen{own}=YES\nlisten{other}=NO\nlisten_address{own[-1:]}={family.server}\n"
        f"listen_port={port}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\n"
        f"anon_root={folder}\nno_anon_password=YES\nwrite_enable=YES\nanon_upload_enable=YES\nanon_umask=022\n"
        "pasv_enable=YES\npasv_min_port=30000\npasv_max_port=30100\nseccomp_sandbox=NO\nftp_username=daemon\n"
        f"secure_chroot_dir={lab.folder}/empty\nisolate_network=NO\n"
    )
    (lab.folder / "empty").mkdir(exist_ok=True)
    return running(lab, "inet", "/usr/sbin/vsftpd", config, port=port)


def phone(lab, port=5060, media=6000):
    """A SIP telephone that takes every call and sends back what it hears."""
    command = "sipp", "-sn", "uas", "-i", "203.0.113.10", "-p", port, "-mp", media, "-rtp_echo", "-nostdin"
    return running(lab, "inet", *command, port=port)


def static_key(folder):
    path = folder / "openvpn.key"
    if not path.exists():
        subprocess.run(["openvpn", "--genkey", "secret", path], check=True, capture_output=True)
    return path


@contextlib.contextmanager
def tunnel(lab, family, part, port=1194):
    """OpenVPN between a part and the Internet: 10.9.0.2 there, 10.9.0.1 in the Internet."""
    kind = "udp4" if family.is4 else "udp6"
    common = [
        "openvpn", "--dev-type", "tun", "--secret", static_key(lab.folder), "--cipher", "AES-256-CBC",
        "--verb", 1, "--proto", kind, "--port", port,
    ]
    far = [*common, "--dev", "tun-far", "--local", family.server, "--float", "--ifconfig", "10.9.0.1", "10.9.0.2"]
    near = [*common, "--dev", "tun-near", "--remote", family.server, "--nobind", "--ifconfig", "10.9.0.2", "10.9.0.1"]
    with running(lab, "inet", *far, port=port, log=lab.folder / "far.log"):
        with running(lab, part, *near, log=lab.folder / "near.log"):
            # by the device: without it the default route, too, leads to the far end's address
            ping = ("ping", "-n", "-c", 1, "-W", 1, "-I", "tun-near", "10.9.0.1")
            wait_for(lambda: lab.run(part, *ping, check=False).returncode == 0, 10, "the tunnel to be open")
            yield


def certificate(folder):
    """Key and certificate for anything that speaks TLS."""
    own, cert = folder / "tls.key", folder / "tls.crt"
    if not own.exists():
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=server.test"]
        subprocess.run([*command, "-keyout", own, "-out", cert], check=True, capture_output=True)
    return own, cert


def http3(lab, family, folder, port=4433):
    command = "gtlsserver", "-q", "-d", folder, family.server, port, *certificate(lab.folder)
    return running(lab, "inet", *command, port=port)

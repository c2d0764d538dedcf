"""Certificates of the tests' own: authorities, servers, clients, good ones and wrong ones, made by openssl."""

import datetime
import subprocess


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True)
    if done.returncode:
        raise AssertionError(f"openssl {arguments[0]}: {done.stderr.decode()}")


class Authority:
    """A CA in `folder`, whose certificate is `self.certificate`."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.certificate = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.key,
                 "-out", self.certificate, "-days", 3, "-subj", f"/CN=weir test {name}")

    def issue(self, name, alternative_names="IP:127.0.0.1,DNS:localhost", expired=False):
        """A certificate and its key, for server and client: (path, path)."""
        certificate, key, request = (self.folder / f"{name}.{suffix}" for suffix in ("pem", "key", "csr"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative_names}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
                 request, "-subj", f"/CN={name}")
        days = ["-days", -1] if expired else ["-days", 2]
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-out",
                 certificate, "-extfile", extensions, *days)
        return certificate, key

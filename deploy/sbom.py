#!/usr/bin/python3
"""Writes what Weir is made of as SPDX 2.3 in JSON: sbom.py PROGRAM >weir.spdx.json   (`make sbom`)

The libraries are those that the program itself names, as needed (ELF) or by `weir version --json`, with the versions of the
Debian packages that they were built from; beside them what is compiled in: headers, files of the console, packages of npm
from a lock file. The same tree and the same packages give the same bytes: the date is that of debian/changelog."""

import datetime
import email.utils
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = "https://spdx.weir.example"
SHARED = "DYNAMIC_LINK"          # linked when the program starts
LOADED = "OPTIONAL_DEPENDENCY_OF"  # looked for when it is wanted; does without
COMPILED = "STATIC_LINK"         # a part of the program

# What `weir version` calls it, the names of its files, its licence, and how it comes in.
LIBRARIES = [
    ("libevent", r"libevent_", "BSD-3-Clause", SHARED),
    ("hiredis", r"libhiredis\.", "BSD-3-Clause", SHARED),
    ("jansson", r"libjansson\.", "MIT", SHARED),
    ("yyjson", r"libyyjson\.", "MIT", SHARED),
    ("libyaml", r"libyaml-", "MIT", SHARED),
    ("OpenSSL", r"lib(ssl|crypto)\.", "Apache-2.0", SHARED),
    ("Vectorscan", r"libhs\.", "BSD-3-Clause", SHARED),
    ("PCRE2", r"libpcre2-", "BSD-3-Clause", SHARED),
    ("Lua", r"liblua", "MIT", SHARED),
    ("zstd", r"libzstd\.", "BSD-3-Clause OR GPL-2.0-only", SHARED),
    ("xxHash", r"libxxhash\.", "BSD-2-Clause", SHARED),
    ("libpq", r"libpq\.", "PostgreSQL", SHARED),
    ("ncurses", r"lib(ncursesw?|tinfo)\.", "X11-distribute-modifications-variant", SHARED),
    ("glibc", r"lib(c|m|dl|pthread)\.so|ld-linux", "LGPL-2.1-or-later", SHARED),
    ("libcurl", None, "curl", LOADED),
    ("ICU", None, "Unicode-3.0", LOADED),
    ("uthash", None, "BSD-1-Clause", COMPILED),
]
# Debian's packages of what no ELF header names.
DEVELOPMENT = {"libcurl": "libcurl4-openssl-dev", "ICU": "libicu-dev", "uthash": "uthash-dev"}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def built_at():
    """The date of the newest entry of debian/changelog, or SOURCE_DATE_EPOCH."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch:
        moment = datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
    else:
        line = re.search(r"^ -- .*?>  (.*)$", (ROOT / "debian/changelog").read_text(), re.MULTILINE)
        moment = email.utils.parsedate_to_datetime(line[1]).astimezone(datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def package_of(path):
    """Name and version of the Debian package that a file is of, its source's name, or None."""
    for candidate in {path, os.path.realpath(path), path.replace("/lib/", "/usr/lib/", 1), path.replace("/usr/lib/", "/lib/", 1)}:
        found = subprocess.run(["dpkg-query", "-S", candidate], capture_output=True, text=True, check=False).stdout
        if found:
            return described(found.split(":")[0])
    return None


def described(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture} ${source:Package}\n", package],
                          capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0].split() if done.returncode == 0 and done.stdout.strip() else None


def needed(program):
    """What the program asks the dynamic linker for, and where that finds it."""
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", program))
    paths = dict(re.findall(r"^\s*(\S+) => (\S+)", output("ldd", program), re.MULTILINE))
    return {name: paths.get(name) for name in names}


def identifier(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def package_entry(name, version, licence, debian):
    entry = {"SPDXID": identifier("Package-" + name), "name": name, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
             "licenseConcluded": "NOASSERTION", "licenseDeclared": licence, "copyrightText": "NOASSERTION"}
    if version:
        entry["versionInfo"] = version
    if debian:
        package, debian_version, architecture, source = debian
        entry["supplier"] = "Organization: Debian"
        entry["sourceInfo"] = f"built from Debian's {package} {debian_version} (source {source})"
        entry["externalRefs"] = [{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": f"pkg:deb/debian/{package}@{debian_version}?arch={architecture}".replace("+", "%2B")}]
    return entry


def embedded_files():
    """The console's page, which is in the program byte for byte."""
    folder = ROOT / "console"
    names = sorted(path for path in folder.glob("*") if path.suffix in (".html", ".css", ".js", ".svg"))
    for path in names:
        content = path.read_bytes()
        name = "./" + path.relative_to(ROOT).as_posix()
        yield {"SPDXID": identifier("File-" + path.name), "fileName": name, "licenseConcluded": "NOASSERTION",
               "licenseInfoInFiles": ["NOASSERTION"], "copyrightText": "NOASSERTION",
               "checksums": [{"algorithm": kind.upper(), "checksumValue": hashlib.new(kind, content).hexdigest()}
                             for kind in ("sha1", "sha256")]}


def npm_packages():
    """What the console's lock file names, but for what only its tests use."""
    lock = ROOT / "console/package-lock.json"
    packages = json.loads(lock.read_text())["packages"] if lock.exists() else {}
    for path, package in sorted(packages.items()):
        if path and not package.get("dev"):
            name = path.rpartition("node_modules/")[2]
            entry = package_entry(name, package["version"], package.get("license", "NOASSERTION"), None)
            entry["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                      "referenceLocator": f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"}]
            yield entry


def document(program):
    told = json.loads(output(program, "version", "--json"))
    left = needed(program)
    packages = [package_entry("weir", told["version"], "NOASSERTION", None)]
    weir = packages[0]["SPDXID"]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", weir)]
    for name, pattern, licence, how in LIBRARIES:
        files = [file for file in left if pattern and re.match(pattern, file)]
        if pattern and not files:
            continue
        debian = package_of(left[files[0]]) if files and left[files[0]] else described(DEVELOPMENT.get(name, ""))
        for file in files:
            del left[file]
        version = told["libraries"].get(name, {}).get("compiled") or (debian[1] if debian else None)
        entry = package_entry(name, version, licence, debian)
        packages.append(entry)
        relations.append((entry["SPDXID"], how, weir) if how == LOADED else (weir, how, entry["SPDXID"]))
    for file, path in left.items():  # a library that nobody has told this script about is better named than left out
        entry = package_entry(file, None, "NOASSERTION", package_of(path) if path else None)
        packages.append(entry)
        relations.append((weir, SHARED, entry["SPDXID"]))
    for entry in npm_packages():
        packages.append(entry)
        relations.append((weir, COMPILED, entry["SPDXID"]))
    files = list(embedded_files())
    relations += [(weir, "GENERATED_FROM", file["SPDXID"]) for file in files]
    body = {"packages": packages, "files": files,
            "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
                              for one, kind, other in relations]}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
            "name": f"weir-{told['version']}", "documentNamespace": f"{HOME}/weir-{told['version']}-{digest}",
            "creationInfo": {"created": built_at(), "creators": [f"Tool: weir-sbom-{told['version']}"],
                             "licenseListVersion": "3.24"},
            **{key: value for key, value in body.items() if value}}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: sbom.py PROGRAM >weir.spdx.json")
    json.dump(document(os.path.abspath(sys.argv[1])), sys.stdout, indent=1, ensure_ascii=False)
    print()

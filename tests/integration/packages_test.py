"""What is packaged, as far as it can be seen without building: versions in step, every installed file in a package, units
that systemd takes and finds closed enough, the list of parts, the configurations of the container. The rest:
`make deb-test`, `make image-test`, `make reproducible`."""

import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

from harness import ROOT, WEIR, run_weir

DEBIAN = ROOT / "debian"
UNITS = ROOT / "deploy" / "systemd"


def text(*names):
    return ROOT.joinpath(*names).read_text()


def build_folder():
    return os.path.relpath(os.path.dirname(WEIR), ROOT)


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-test."))
        self.addCleanup(shutil.rmtree, self.folder)

    def installed(self, prefix, *arguments):
        """The files of `make install`, relative to the prefix, with the program that is being tested."""
        build = build_folder()
        done = subprocess.run(["make", "-s", f"BUILD={build}", "-o", f"{build}/weir", f"DESTDIR={self.folder}",
                               f"PREFIX={prefix}", *arguments, "install"], cwd=ROOT, capture_output=True, text=True,
                              timeout=600, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        top = self.folder / prefix.lstrip("/")
        return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}


class Debian(Folder):
    def entries(self):
        """(version, distribution, day) of debian/changelog, newest first."""
        heads = re.findall(r"^weir \((\S+)\) (\S+); urgency=\w+$", text("debian", "changelog"), re.MULTILINE)
        days = re.findall(r"^ -- [^<>]+ <[^<>@ ]+@[^<>@ ]+>  (\w{3}, \d\d \w{3} \d{4}) \d\d:\d\d:\d\d \+0000$",
                          text("debian", "changelog"), re.MULTILINE)
        self.assertTrue(heads)
        self.assertEqual(len(heads), len(days))
        return [(*head, day) for head, day in zip(heads, days)]

    def test_versions_are_in_step(self):
        entries = self.entries()
        self.assertEqual(entries[0][0], text("VERSION").strip())
        headings = re.findall(r"^## \[?(Unreleased|[0-9][^\s\]]*)\]?(?: - (\d{4}-\d\d-\d\d))?$", text("CHANGELOG.md"), re.MULTILINE)
        self.assertTrue(headings)
        unreleased = headings[0][0] == "Unreleased"
        self.assertEqual([entry[1] == "UNRELEASED" for entry in entries], [unreleased] + [False] * (len(entries) - 1))
        released = [heading[0] for heading in headings if heading[0] != "Unreleased"]
        self.assertEqual(released, [entry[0] for entry in entries[unreleased:]],
                         "each release of CHANGELOG.md has an entry in debian/changelog")

    def test_control_is_whole(self):
        paragraphs = [dict(re.findall(r"^([\w-]+): *((?:.*\n(?: .*\n)*))", paragraph + "\n", re.MULTILINE))
                      for paragraph in text("debian", "control").strip().split("\n\n")]
        self.assertEqual([paragraph.get("Package", "").strip() for paragraph in paragraphs],
                         ["", "weir", "matrix-synapse-weir", "weir-dev"])
        for paragraph in paragraphs[1:]:
            self.assertLessEqual(len(paragraph["Description"].split("\n")[0]), 80)
            self.assertIn("${misc:Depends}", paragraph["Depends"])
        wanted = re.search(r'^build="(.*?)"', text("deploy", "dependencies.sh"), re.MULTILINE | re.DOTALL)[1].split()
        libraries = {name for name in wanted if name.startswith("lib") and name.endswith("-dev")} - {"libc6-dev"}
        named = set(re.findall(r"[\w.+-]+", paragraphs[0]["Build-Depends"]))
        self.assertEqual(libraries - named, set(), "what deploy/dependencies.sh builds with is in Build-Depends")

    def test_scripts_are_shell(self):
        scripts = [path for path in DEBIAN.iterdir() if re.search(r"\.(pre|post)(inst|rm)$", path.name)]
        self.assertGreaterEqual(len(scripts), 4)
        for path in scripts:
            self.assertEqual(subprocess.run(["sh", "-n", path], check=False).returncode, 0, path)
            self.assertIn("#DEBHELPER#", path.read_text(), path)
            self.assertRegex(path.read_text(), r"(?m)^set -e$", path)

    def test_every_installed_file_is_in_a_package(self):
        files = {f"usr/{name}" for name in self.installed("/usr", "UNITS=")}
        patterns = [line.split()[0] for path in DEBIAN.glob("*.install") for line in path.read_text().splitlines()]
        for name in sorted(files):
            self.assertTrue(any(fnmatch.fnmatch(name, pattern) or name.startswith(pattern + "/") for pattern in patterns),
                            f"{name} is in no package: debian/*.install")
        for pattern in patterns:
            self.assertTrue((ROOT / pattern).exists() or any(fnmatch.fnmatch(name, pattern) or name.startswith(pattern + "/")
                                                             for name in files), f"{pattern}: `make install` brings no such file")

    def test_install_names_its_own_prefix(self):
        files = self.installed("/opt/weir")
        for unit in ("weir.service", "weir@.service"):
            self.assertIn(f"lib/systemd/system/{unit}", files)
            unit_text = (self.folder / "opt/weir/lib/systemd/system" / unit).read_text()
            self.assertIn("ExecStart=/opt/weir/bin/weir run", unit_text)
            self.assertNotIn("/usr/bin/weir", unit_text)
        self.assertIn("lib/sysusers.d/weir.conf", files)
        bot = (self.folder / "opt/weir/share/weir/consumers/weir-actions.service").read_text()
        self.assertIn("/opt/weir/share/weir/consumers/weir_actions.py", bot)

    def test_the_packaged_configuration_is_whole(self):
        configuration = text("debian", "weir.yaml").replace("/var/lib/weir", str(self.folder))
        path = self.folder / "weir.yaml"
        path.write_text(configuration)
        said = run_weir("check", "-c", path)
        self.assertEqual(said.stderr, b"")
        modules = yaml.safe_load(configuration)["modules"]
        self.assertTrue(modules and all(module["dry_run"] is True for module in modules), "it refuses nothing as it comes")


class Systemd(unittest.TestCase):
    def test_exposure(self):
        for unit in ("weir.service", "weir@.service"):
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", UNITS / unit],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout[-200:] + done.stderr)
            self.assertLessEqual(float(re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)[1]), 2.0)

    def test_systemd_knows_every_key(self):
        for unit in ("weir.service", "weir@.service"):
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", UNITS / unit], capture_output=True, text=True,
                                  check=False)
            # The program need not be installed here; whatever else it says of this unit is a mistake.
            wrong = [line for line in done.stderr.splitlines() if "weir" in line and "is not executable" not in line
                     and "Failed to create" not in line]
            self.assertEqual(wrong, [])

    def test_the_template_differs_in_its_paths_alone(self):
        def keys(name, instance):
            lines = [line for line in (UNITS / name).read_text().splitlines() if line and not line.startswith("#")]
            return [line.replace("%i.yaml", f"{instance}.yaml").replace("=weir/%i", "=weir").replace(" (%i)", "") for line in lines]

        self.assertEqual(keys("weir@.service", "weir"), keys("weir.service", "weir"))

    def test_exit_codes_are_those_of_the_program(self):
        named = re.search(r"^RestartPreventExitStatus=(.*)$", (UNITS / "weir.service").read_text(), re.MULTILINE)[1].split()
        codes = dict(re.findall(r"EXIT_CODE_(\w+) = (\d+)", text("engine", "option.h")))
        self.assertEqual(named, [codes["USAGE"], codes["CONFIGURATION"]])


class Parts(Folder):
    """The SBOM, held against what SPDX 2.3 demands."""

    def setUp(self):
        super().setUp()
        done = subprocess.run(["/usr/bin/python3", "-B", ROOT / "deploy" / "sbom.py", WEIR], capture_output=True, timeout=120,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.written = done.stdout
        self.document = json.loads(done.stdout)

    def test_the_document(self):
        document = self.document
        self.assertEqual((document["spdxVersion"], document["dataLicense"], document["SPDXID"]),
                         ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT"))
        self.assertRegex(document["documentNamespace"], r"^https://[^#\s]+$")
        self.assertTrue(document["name"])
        self.assertRegex(document["creationInfo"]["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertTrue(document["creationInfo"]["creators"])
        for creator in document["creationInfo"]["creators"]:
            self.assertRegex(creator, r"^(Person|Organization|Tool): \S")

    def test_packages_files_and_relationships(self):
        identifiers = [self.document["SPDXID"]]
        for package in self.document["packages"]:
            identifiers.append(package["SPDXID"])
            self.assertTrue(package["name"])
            self.assertEqual(package["downloadLocation"], "NOASSERTION")
            self.assertIs(package["filesAnalyzed"], False)  # so there is no packageVerificationCode
            self.assertNotIn("packageVerificationCode", package)
            for reference in package.get("externalRefs", []):
                self.assertEqual((reference["referenceCategory"], reference["referenceType"]), ("PACKAGE-MANAGER", "purl"))
                self.assertRegex(reference["referenceLocator"], r"^pkg:(deb/debian|npm)/[^\s@]+@[^\s@]+$")
        for file in self.document.get("files", []):
            identifiers.append(file["SPDXID"])
            self.assertTrue(file["fileName"].startswith("./"))
            self.assertIn("SHA1", [checksum["algorithm"] for checksum in file["checksums"]])
        for identifier in identifiers:
            self.assertRegex(identifier, r"^SPDXRef-[A-Za-z0-9.-]+$")
        self.assertEqual(len(identifiers), len(set(identifiers)))
        pairs = [(relation["spdxElementId"], relation["relationshipType"], relation["relatedSpdxElement"])
                 for relation in self.document["relationships"]]
        for one, kind, other in pairs:
            self.assertIn(kind, {"DESCRIBES", "DYNAMIC_LINK", "STATIC_LINK", "OPTIONAL_DEPENDENCY_OF", "GENERATED_FROM"})
            self.assertTrue({one, other} <= set(identifiers), (one, other))
        self.assertIn(("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Package-weir"), pairs)
        related = {name for one, _, other in pairs for name in (one, other)}
        self.assertEqual(set(identifiers) - related, set(), "nothing stands alone")

    def test_nothing_is_left_out(self):
        packages = {package["name"]: package for package in self.document["packages"]}
        libraries = json.loads(run_weir("version", "--json").stdout)["libraries"]
        self.assertEqual(set(libraries) - set(packages), set())
        for name, versions in libraries.items():
            if versions["compiled"]:
                self.assertEqual(packages[name]["versionInfo"], versions["compiled"])
        unknown = [name for name in packages if re.match(r"lib.*\.so", name) and not re.match(r"lib(asan|ubsan)\.", name)]
        self.assertEqual(unknown, [], "deploy/sbom.py does not know this library")
        embedded = {file["fileName"] for file in self.document.get("files", [])}
        console = {f"./console/{path.name}" for path in (ROOT / "console").glob("*")
                   if path.suffix in (".html", ".css", ".js", ".svg")}
        self.assertEqual(embedded, console)

    def test_the_same_bytes_again(self):
        again = subprocess.run(["/usr/bin/python3", "-B", ROOT / "deploy" / "sbom.py", WEIR], capture_output=True, timeout=120,
                               cwd=self.folder, env={**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C"}, check=True)
        self.assertEqual(again.stdout, self.written)


class Container(Folder):
    def setUp(self):
        super().setUp()
        self.compose = yaml.safe_load(text("deploy", "compose.yaml"))

    def test_compose_is_whole(self):
        services = self.compose["services"]
        self.assertLessEqual({"synapse", "worker", "postgres", "redis", "weir"}, set(services))
        for name, service in services.items():
            self.assertLessEqual(set(service), {"image", "build", "restart", "environment", "volumes", "ports", "command",
                                                "entrypoint", "depends_on", "healthcheck", "read_only", "tmpfs", "cap_drop",
                                                "security_opt"}, name)
            for other, how in service.get("depends_on", {}).items():
                self.assertIn(other, services)
                self.assertIn(how["condition"], {"service_healthy", "service_completed_successfully"})
                if how["condition"] == "service_healthy":
                    self.assertIn("healthcheck", services[other], other)
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((ROOT / "deploy" / source).exists(), source)
                else:
                    self.assertIn(source, self.compose["volumes"])
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), "nothing is open to the world")

    def test_the_configurations_fit_each_other(self):
        homeserver = yaml.safe_load(text("deploy", "compose", "synapse", "homeserver.yaml"))
        weir = yaml.safe_load(text("deploy", "compose", "weir", "weir.yaml"))
        for key in ("server_name", "instance_map", "worker_replication_secret"):
            self.assertEqual(weir[key], homeserver[key], key)
        self.assertEqual(weir["redis"]["host"], homeserver["redis"]["host"])
        self.assertEqual(weir["bodies"]["postgres"]["dbname"], homeserver["database"]["args"]["dbname"])
        role = text("deploy", "compose", "postgres", "role.sql")
        self.assertIn(f"CREATE ROLE {weir['bodies']['postgres']['user']} LOGIN PASSWORD '{weir['bodies']['postgres']['password']}'",
                      role)
        worker = yaml.safe_load(text("deploy", "compose", "synapse", "worker.yaml"))
        self.assertEqual(worker["worker_app"], self.compose["services"]["worker"]["environment"]["SYNAPSE_WORKER"])

    def test_weirs_configuration_is_whole(self):
        shutil.copytree(ROOT / "deploy" / "compose" / "weir", self.folder / "weir")
        path = self.folder / "weir" / "weir.yaml"
        path.write_text(path.read_text().replace("/var/lib/weir", str(self.folder)))
        run_weir("check", "-c", path)

    def test_the_image(self):
        lines = re.sub(r"\\\n", " ", text("Containerfile")).splitlines()
        stages = [line for line in lines if line.startswith("FROM ")]
        last = lines[lines.index(stages[-1]):]
        self.assertEqual(len(stages), 2)
        self.assertIn("USER weir", last)
        check = next(line for line in last if line.startswith("HEALTHCHECK"))
        command = json.loads(check[check.index("CMD ") + 4:])
        self.assertEqual(command[0], "weir")
        self.assertEqual(run_weir(command[1], "--help").returncode, 0, "the program has no such subcommand")


if __name__ == "__main__":
    unittest.main()

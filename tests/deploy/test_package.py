"""deploy/aws/package: the same zip for the same files, and none that Lambda couldn't run."""

import os
import pathlib
import subprocess
import tempfile
import unittest
import zipfile

from templates import ROOT

GATEWRIGHT = os.environ["DEPLOY_GATEWRIGHT"]
# What is wrong with a program shows in its first bytes; the rest doesn't matter here.
X86_64, ARM64, RISCV = (b"\x7fELF\x02\x01" + bytes(12) + machine.to_bytes(2, "little") for machine in (62, 183, 243))


class Package(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=os.environ["DEPLOY_DIR"])
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def package(self, bootstrap, policy=None, out="authorizer.zip"):
        (self.folder / "bootstrap").write_bytes(bootstrap)
        (self.folder / "policy").write_text(policy or (ROOT / "deploy/aws/policy.toml").read_text())
        command = [ROOT / "deploy/aws/package", "--bootstrap", self.folder / "bootstrap", "--policy", self.folder / "policy",
                   "--gatewright", GATEWRIGHT, "--out", self.folder / out]
        return subprocess.run([str(part) for part in command], capture_output=True, text=True)

    def refused(self, *args, **kwargs):
        done = self.package(*args, **kwargs)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertFalse((self.folder / "authorizer.zip").exists())
        return done.stderr

    def test_the_same_files_make_the_same_zip_whenever_they_were_made(self):
        self.assertEqual(self.package(X86_64, out="one.zip").returncode, 0)
        os.utime(self.folder / "bootstrap", (1, 1))
        self.assertEqual(self.package(X86_64, out="two.zip").returncode, 0)
        self.assertEqual((self.folder / "one.zip").read_bytes(), (self.folder / "two.zip").read_bytes())

    def test_bootstrap_can_be_run_and_both_can_be_read(self):
        self.assertEqual(self.package(X86_64).returncode, 0)
        with zipfile.ZipFile(self.folder / "authorizer.zip") as package:
            modes = {entry.filename: oct(entry.external_attr >> 16) for entry in package.infolist()}
        self.assertEqual(modes, {"bootstrap": "0o100755", "policy.toml": "0o100644"})

    def test_it_says_which_architecture_to_deploy_for(self):
        self.assertTrue(self.package(X86_64).stdout.endswith("for x86_64\n"))
        self.assertTrue(self.package(ARM64).stdout.endswith("for arm64\n"))

    def test_programs_that_lambda_cannot_run_are_refused(self):
        self.assertIn("build it for one of them", self.refused(RISCV))
        self.assertIn("not a Linux program", self.refused(b"#!/bin/sh\n"))

    def test_a_newer_glibc_than_lambdas_is_refused(self):
        self.assertIn("needs glibc 2.38, and provided.al2023 has 2.34", self.refused(X86_64 + b"\0GLIBC_2.9\0GLIBC_2.38\0"))

    def test_an_unsound_policy_is_refused(self):
        self.assertIn("can't be used", self.refused(X86_64, policy="[[rule]]\nid = 1\n"))

    def test_a_missing_file_is_named(self):
        done = subprocess.run([ROOT / "deploy/aws/package", "--bootstrap", "no/bootstrap"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no/bootstrap can't be read", done.stderr)

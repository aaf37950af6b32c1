"""What runbooks and alerts say to type, asked of the program itself."""

import os
import re
import subprocess
import unittest

from documents import commands
from names import COMING
from test_runbooks import everything

GATEWRIGHT = os.environ["DEPLOY_GATEWRIGHT"]


def help_of(verbs):
    done = subprocess.run([GATEWRIGHT, *verbs.split(), "--help"], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


class Commands(unittest.TestCase):
    def test_every_command_of_a_runbook_is_one_of_the_program_with_these_options(self):
        coming = {command.split()[0] for command in COMING}
        for name, text in everything():
            for verbs, options in commands(text):
                if verbs.split()[0] in coming:
                    continue
                with self.subTest(f"{name}: {verbs}"):
                    said = help_of(verbs)
                    self.assertIsNotNone(said, "no such command")
                    self.assertLessEqual(set(options), set(re.findall(r"--[a-z-]+", said)))

    def test_what_is_still_to_come_is_not_there_yet(self):
        for command in COMING:
            with self.subTest(command):
                self.assertIsNone(help_of(command), "it's there: take it out of COMING in names.py, so that it's tried here")

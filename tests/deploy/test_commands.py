"""What runbooks and alerts say to type, asked of the program itself."""

import os
import re
import subprocess
import unittest

from documents import commands
from test_runbooks import everything

GATEWRIGHT = os.environ["DEPLOY_GATEWRIGHT"]


def help_of(verbs):
    done = subprocess.run([GATEWRIGHT, *verbs.split(), "--help"], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


class Commands(unittest.TestCase):
    def test_every_command_of_a_runbook_is_one_of_the_program_with_these_options(self):
        for name, text in everything():
            for verbs, options in commands(text):
                with self.subTest(f"{name}: {verbs}"):
                    said = help_of(verbs)
                    self.assertIsNotNone(said, "no such command")
                    self.assertLessEqual(set(options), set(re.findall(r"--[a-z-]+", said)))

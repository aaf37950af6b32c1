"""Runs the tests beside it, those that need the programs or the others. `run` and `check` set the environment."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

# Those that call what was built.
NEED_PROGRAMS = {"test_commands", "test_live", "test_package"}

if __name__ == "__main__":
    there_are = {path.stem for path in pathlib.Path(__file__).parent.glob("test_*.py")}
    chosen = {"programs": NEED_PROGRAMS, "files": there_are - NEED_PROGRAMS}[sys.argv[1]]
    tests = unittest.defaultTestLoader.loadTestsFromNames(sorted(chosen))
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    failed = len(result.failures) + len(result.errors)
    # A failed set-up is an error beyond the tests that it kept from running.
    passed = max(result.testsRun - failed, 0)
    print(f"{passed} passed, {failed} failed")
    sys.exit(0 if failed == 0 and passed > 0 else 1)

"""Runs all tests and says in TAP how they went."""

import sys
import unittest
from pathlib import Path


class Tap(unittest.TestResult):
    """A line for each test."""

    def say(self, test: unittest.TestCase, ok: bool, more: str = "") -> None:
        # a test whose subtests fail is told of once for each of them
        name = test.id().replace("#", "")
        print(f"{'ok' if ok else 'not ok'} - {name}{more}", flush=True)

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self.say(test, True)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.say(test, True, f" # SKIP {reason}")

    def addFailure(self, test: unittest.TestCase, err: object) -> None:
        super().addFailure(test, err)
        self.bad(test, self.failures[-1][1])

    def addError(self, test: unittest.TestCase, err: object) -> None:
        super().addError(test, err)
        self.bad(test, self.errors[-1][1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: object) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.bad(subtest, (self.failures + self.errors)[-1][1])

    def bad(self, test: unittest.TestCase, trace: str) -> None:
        self.say(test, False)
        for line in trace.splitlines():
            print(f"# {line}")


here = Path(__file__).parent
result = Tap()
unittest.TestLoader().discover(str(here), top_level_dir=str(here.parent)).run(result)
print(f"1..{result.testsRun}" if result.wasSuccessful() else f"# of {result.testsRun}, some failed")
sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)

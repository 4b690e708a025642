import os
import subprocess
import sys

import pytest


@pytest.fixture
def skelbridge(tmp_path):
    """Runs the command line as a user does: another process, in an empty folder.

    A mistake must end in one line on standard error, exit code 2 and nothing new on disk;
    `fails_with` checks all of that.
    """

    def run(*arguments, stdin=b"", cwd=tmp_path, **options):
        return subprocess.run(
            [sys.executable, "-m", "skelbridge", *map(str, arguments)],
            input=stdin, capture_output=True, cwd=cwd, timeout=60, check=False, **options,
        )  # fmt: skip

    def works(*arguments, **options):
        done = run(*arguments, **options)
        assert done.returncode == 0, done.stderr.decode()
        return done

    def listing():
        return {
            os.path.join(folder, f): os.stat(os.path.join(folder, f)).st_mtime_ns
            for folder, _, files in os.walk(tmp_path)
            for f in files
        }

    def fails_with(fragment, *arguments, code=2, **options):
        before = listing()
        done = run(*arguments, **options)
        message = done.stderr.decode()
        assert done.returncode == code, (done.returncode, message, done.stdout)
        assert "Traceback" not in message
        last = message.strip().splitlines()[-1]
        assert last.startswith("Error: "), message
        assert sum(line.startswith("Error: ") for line in message.splitlines()) == 1
        assert fragment.lower() in last.lower(), message
        assert listing() == before, "something was left behind"
        return message

    run.works, run.fails_with = works, fails_with
    return run

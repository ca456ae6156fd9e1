"""Counts what holds and what does not, in a file that the script adds up."""

import json
import time
import urllib.request


class Checks:
    """Writes a line for each check: `ok NAME` or `FAIL NAME: what was seen`."""

    def __init__(self, path, prefix):
        self.file = open(path, "a", encoding="utf-8")
        self.prefix = prefix

    def check(self, name, holds, seen=""):
        line = f"ok {self.prefix}: {name}" if holds else f"FAIL {self.prefix}: {name}: {seen}"
        print(line, file=self.file, flush=True)
        if not holds:
            print(line, flush=True)

    def equal(self, name, seen, expected):
        self.check(name, seen == expected, f"{seen!r} in place of {expected!r}")

    def refused(self, name, code, text, call, **arguments):
        """The class of the error and the start of its text; `call` is a method of a boto3 client."""
        from botocore.exceptions import ClientError

        try:
            answer = call(**arguments)
        except ClientError as error:
            told = error.response["Error"]
            modeled = type(error).__name__
            self.check(name, told["Code"] == code and told["Message"].startswith(text), told)
            self.check(f"{name}, as a class of its own", modeled in (code, "ClientError"), modeled)
        else:
            self.check(name, False, answer)


def get_json(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def post_json(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def wait_for(url, seconds):
    """Waits until something answers at a URL."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.2)
    return False

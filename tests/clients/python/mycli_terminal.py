"""A program on a terminal of its own: keys in, a screen out."""

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

# A screen that nothing is folded on.
LINES, COLUMNS = 50, 300
PATIENCE_S = 30
# How long to wait before keys are pressed again: names for completion are read in the background, and a key is lost
# that comes while the program changes the terminal's mode.
AGAIN_S = 1

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07")
CLEARS_LINE = "\x15"


class Terminal:
    def __init__(self, words, environment):
        self.screen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(words[0], words, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)  # it hears that its terminal is gone
        os.waitpid(self.pid, 0)

    def type(self, keys):
        self.screen = ""
        os.write(self.fd, keys.encode())

    def shows(self, text):
        """Waits until `text` has come since the last keys."""
        self.until(lambda: text in self.read(0.1))

    def shows_upon(self, keys, text):
        """Presses keys until `text` has come."""
        self.screen = ""

        def is_shown():
            os.write(self.fd, keys.encode())
            end = time.monotonic() + AGAIN_S
            while text not in self.screen and time.monotonic() < end:
                self.read(0.1)
            return text in self.screen

        self.until(is_shown)

    def completes(self, begun, name):
        """Types the beginning of a statement until its completion comes, and wipes it out."""

        def is_completed():
            self.type(f"{begun}\t")
            end = time.monotonic() + AGAIN_S
            while name not in self.screen and time.monotonic() < end:
                self.read(0.1)
            found = name in self.screen
            self.type(CLEARS_LINE)
            return found

        self.until(is_completed)

    def until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            self.read(0.01)
            if time.monotonic() > end:
                sys.exit(f"in vain; the screen: {self.screen!r}")

    def read(self, seconds):
        """All of the screen since the last keys, after having waited for more."""
        if select.select([self.fd], [], [], seconds)[0]:
            self.screen = CONTROLS.sub("", self.screen + os.read(self.fd, 65536).decode(errors="replace"))
        return self.screen

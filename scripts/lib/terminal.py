"""A program in a terminal of its own: a pseudo-terminal with the screen that it draws, into which keys
are typed at given times. The screen knows what TERM=screen-256color may ask for, and no more; only
Python's own modules are used."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

BLANK = (" ", None, None, False, False)  # glyph, foreground, background (None: default), bold, reverse


class Screen:
    """What a terminal shows: `cells[line][column]` is like BLANK."""

    SEQUENCE = re.compile(r"\033(?:\[([?>]?)([0-9;]*)([@-~])|[()](.)|([^\[()]))")

    def __init__(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.cells = [[BLANK] * columns for _ in range(lines)]
        self.x = self.y = 0
        self.pen = BLANK[1:]
        self.top, self.bottom = 0, lines - 1
        self.cursor_seen = True
        self.alternate = False
        self.other = None  # what the alternate screen hides
        self.saved = 0, 0
        self.rest = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def resize(self, columns, lines):
        def fitted(cells):
            return [(line + [BLANK] * columns)[:columns]
                    for line in (cells + [[BLANK]] * lines)[:lines]]

        self.columns, self.lines = columns, lines
        self.cells = fitted(self.cells)
        if self.other:
            self.other = fitted(self.other[0]), *self.other[1:]
        self.x, self.y = min(self.x, columns), min(self.y, lines - 1)
        self.top, self.bottom = 0, lines - 1

    def feed(self, data):
        text = self.rest + self.decoder.decode(data)
        self.rest = ""
        at = 0
        while at < len(text):
            if text[at] != "\033":
                self.put(text[at])
                at += 1
                continue
            match = self.SEQUENCE.match(text, at)
            if match is None:
                self.rest = text[at:]  # not all of it is here yet
                return
            at = match.end()
            private, numbers, final, _, other = match.groups()
            if final:
                self.control(private, [int(n or 0) for n in numbers.split(";")], final)
            elif other in ("7", "8"):  # the cursor is put down, or taken up there
                if other == "7":
                    self.saved = self.x, self.y
                else:
                    self.x, self.y = self.saved
            elif other == "M":  # reverse line feed
                if self.y == self.top:
                    self.scroll(self.top, -1)
                else:
                    self.y -= 1

    def put(self, glyph):
        if glyph == "\r":
            self.x = 0
        elif glyph == "\n":
            if self.y == self.bottom:
                self.scroll(self.top, 1)
            else:
                self.y += 1
        elif glyph == "\b":
            self.x = max(self.x - 1, 0)
        elif glyph == "\t":
            self.x = min(self.x // 8 * 8 + 8, self.columns - 1)
        elif glyph >= " ":
            if self.x == self.columns:
                self.x = 0
                self.put("\n")
            self.cells[self.y][self.x] = (glyph, *self.pen)
            self.x += 1

    def blank(self):
        return (" ", None, self.pen[1], False, False)

    def scroll(self, top, n):
        for _ in range(abs(n)):
            line = [self.blank()] * self.columns
            if n > 0:
                del self.cells[top]
                self.cells.insert(self.bottom, line)
            else:
                del self.cells[self.bottom]
                self.cells.insert(top, line)

    def erase(self, line, start, end):
        self.cells[line][start:end] = [self.blank()] * (end - start)

    def control(self, private, n, final):
        count = max(n[0], 1)
        x, y = min(self.x, self.columns - 1), self.y
        if private:
            on = final == "h"
            if 25 in n:
                self.cursor_seen = on
            if 1049 in n and on != self.alternate:
                self.alternate = on
                here = self.cells, self.x, self.y
                self.cells, self.x, self.y = self.other or (
                    [[BLANK] * self.columns for _ in range(self.lines)], 0, 0)
                self.other = here if on else None
        elif final == "m":
            self.colour(n)
        elif final in "Hf":
            self.y = min(count, self.lines) - 1
            self.x = min(max(n[1] if len(n) > 1 else 1, 1), self.columns) - 1
        elif final == "A":
            self.y = max(y - count, 0)
        elif final == "B":
            self.y = min(y + count, self.lines - 1)
        elif final == "C":
            self.x = min(x + count, self.columns - 1)
        elif final == "D":
            self.x = max(x - count, 0)
        elif final == "G":
            self.x = min(count, self.columns) - 1
        elif final == "d":
            self.y = min(count, self.lines) - 1
        elif final == "J":
            for line in range(self.lines):
                if n[0] == 2 or (n[0] == 0 and line > y) or (n[0] == 1 and line < y):
                    self.erase(line, 0, self.columns)
            if n[0] < 2:
                self.control("", n, "K")
        elif final == "K":
            self.erase(y, 0 if n[0] else x, x + 1 if n[0] == 1 else self.columns)
        elif final == "X":
            self.erase(y, x, min(x + count, self.columns))
        elif final == "P":
            self.cells[y][x:x + count] = []
            self.cells[y] += [self.blank()] * (self.columns - len(self.cells[y]))
        elif final == "@":
            self.cells[y][x:x] = [self.blank()] * count
            del self.cells[y][self.columns:]
        elif final in "LM":
            self.scroll(y, count if final == "M" else -count)
        elif final in "ST":
            self.scroll(self.top, count if final == "S" else -count)
        elif final == "r":
            self.top = count - 1
            self.bottom = (n[1] if len(n) > 1 else self.lines) - 1

    def colour(self, n):
        foreground, background, bold, reverse = self.pen
        at = 0
        while at < len(n):
            code = n[at]
            if code == 0:
                foreground, background, bold, reverse = BLANK[1:]
            elif code in (1, 22):
                bold = code == 1
            elif code in (7, 27):
                reverse = code == 7
            elif code in (38, 48) and n[at + 1:at + 2] == [5]:
                if code == 38:
                    foreground = n[at + 2]
                else:
                    background = n[at + 2]
                at += 2
            elif 30 <= code <= 37:
                foreground = code - 30
            elif 40 <= code <= 47:
                background = code - 40
            elif code == 39:
                foreground = None
            elif code == 49:
                background = None
            at += 1
        self.pen = (foreground, background, bold, reverse)

    def text(self):
        return "\n".join("".join(cell[0] for cell in line).rstrip() for line in self.cells)


class Terminal:
    def __init__(self, command, columns, lines, environment=None):
        self.screen = Screen(columns, lines)
        self.status = None
        variables = dict(os.environ, TERM="screen-256color", LC_ALL="C.UTF-8")
        variables.update(environment or {})
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self._resize(0, columns, lines)
            os.execvpe(command[0], command, variables)
        self._resize(self.fd, columns, lines)
        self.modes = termios.tcgetattr(self.fd)

    @staticmethod
    def _resize(fd, columns, lines):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        self.screen.resize(columns, lines)
        self._resize(self.fd, columns, lines)

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def wait(self, seconds):
        """Lets it run for so long; True while it does."""
        end = time.monotonic() + seconds
        while self.status is None:
            left = end - time.monotonic()
            if left <= 0:
                return True
            if not select.select([self.fd], [], [], left)[0]:
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # its side is closed
                data = b""
            if not data:
                self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
                break
            self.screen.feed(data)
        return False

    def wait_for(self, pattern, seconds=10):
        """Until the screen shows it; False: it never did."""
        end = time.monotonic() + seconds
        while re.search(pattern, self.text(), re.MULTILINE) is None:
            if time.monotonic() > end or not self.wait(0.05):
                return re.search(pattern, self.text(), re.MULTILINE) is not None
        return True

    def is_restored(self):
        """Whether the modes are as they were, the cursor is seen and the other screen is left."""
        now = termios.tcgetattr(self.fd)
        return now[:4] == self.modes[:4] and self.screen.cursor_seen and not self.screen.alternate

    def text(self):
        return self.screen.text()

    def close(self):
        os.close(self.fd)

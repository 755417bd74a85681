"""TypedKeys: tells a letter that is a command from the first letter of a word that the user types.

While a list has the focus, a letter alone is a command and a word is text. Most command letters therefore wait
LONE_SECONDS for a second letter. Letters whose command only moves the view or stops the sound act at once, and belong to
the text as well if a word follows. So every character of a typed message reaches the text field.

Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["LONE_SECONDS", "TypedKeys"]

# Average typists need 0.1 to 0.3 s from the first letter of a word to the second one
LONE_SECONDS = 0.4
# No message begins with these: they are always commands
SIGNS = frozenset(" /?")
# Words of one letter, which a space follows
SHORT_WORDS = frozenset("ai")


class TypedKeys:
    """Takes the printable keys that are pressed while a list has the focus.

    Parameters
    ----------
    commands : collection of str
        Characters that are commands.
    at_once : collection of str
        Those of them that act without waiting for a second letter.
    """

    def __init__(self, commands: Collection[str], at_once: Collection[str]) -> None:
        self._commands = frozenset(commands)
        self._at_once = frozenset(at_once) | SIGNS
        # Command letters that came one soon after the other, and when the last one came
        self._run = ""
        self._since = 0.0
        # The last one of them, if its command waits
        self._waiting = ""

    def press(self, character: str, now: float) -> tuple[list[str], str]:
        """Take one character.

        Parameters
        ----------
        character : str
            What the key types.
        now : float
            Seconds that only grow.

        Returns
        -------
        tuple of list of str and str
            The commands to run now, in order; and the text that goes to the text field, empty if there is none.
        """
        if now - self._since >= LONE_SECONDS and not self._waiting:
            self._run = ""
        late = self.tick(now)
        commands = [late] if late else []
        run, waiting = self._run, self._waiting
        if run and not _continues(run, character):
            run = ""
            if waiting:
                commands.append(waiting)
        elif waiting or (run and character == " "):
            return commands, self._typed(run + character)
        if character not in self._commands:
            return commands, self._typed(run + character)
        at_once = character in self._at_once
        if at_once:
            commands.append(character)
        self._run = "" if character in SIGNS else run + character
        self._since, self._waiting = now, "" if at_once else character
        return commands, ""

    def _typed(self, text: str) -> str:
        self._run = self._waiting = ""
        return text

    def tick(self, now: float) -> str:
        """Return the command letter that has stayed alone for LONE_SECONDS, or ""."""
        return self.flush() if self._waiting and now - self._since >= LONE_SECONDS else ""

    def flush(self) -> str:
        """Return the command letter that waits, or "": a key that types nothing has been pressed."""
        waiting = self._waiting
        self._typed("")
        return waiting


def _continues(run: str, character: str) -> bool:
    """True if *character*, typed right after the command letters *run*, can make both the beginning of a text."""
    last = run[-1]
    if character == " ":
        return last in SHORT_WORDS or last.isdigit()
    if character in SIGNS:
        return False
    if run == character:
        # A key that is pressed twice; words begin with two equal vowels only
        return last in "aeo" or last.isdigit()
    if character.isdigit():
        return last.isdigit()
    # "tT": a command, and then a text
    return not (last.islower() and character.isupper())

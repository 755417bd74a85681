"""``wavtools completion``: prints a script that teaches a shell the verbs and options.

The script is made from the parser, so it knows what the command knows.

Thread: the main one.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

from wavtools.command.verbs import PARTS, VERBS

__all__ = ["add_arguments", "run"]

HOW = {
    "bash": 'eval "$(wavtools completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(wavtools completion zsh)" in ~/.zshrc, after compinit',
    "fish": "wavtools completion fish > ~/.config/fish/completions/wavtools.fish",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    parser.epilog = "; ".join(f"{shell}: {text}" for shell, text in HOW.items())
    parser.add_argument("shell", choices=tuple(HOW), help="bash, zsh or fish")


def run(arguments: argparse.Namespace) -> int:
    """Print the script; return the exit status."""
    verbs = dict(_verbs())
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell](verbs))
    return 0


class _Options:
    """Stands for a parser while a verb adds its arguments: it keeps the names of the options."""

    def __init__(self) -> None:
        self.flags = ["--help"]
        self.description = self.epilog = ""

    def add_argument(self, *names: str, **_: object) -> None:
        """Note the long names."""
        self.flags += [name for name in names if name.startswith("--")]


def _verbs() -> Iterator[tuple[str, tuple[str, list[str]]]]:
    """Each verb with its help and its options."""
    for verb, text in VERBS.items():
        options = _Options()
        importlib.import_module(f"wavtools.command.{verb}").add_arguments(options)
        yield verb, (text, options.flags)
    for verb, (_, _, text) in PARTS.items():
        yield verb, (text, ["--help"])


def _bash(verbs: dict[str, tuple[str, list[str]]]) -> str:
    cases = "\n".join(f"        {verb}) words={' '.join(flags)!r};;" for verb, (_, flags) in verbs.items())
    return f"""_wavtools() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" words=""
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "{" ".join(verbs)} --help --version" -- "$word")); return
    fi
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    case "$word" in -*) COMPREPLY=($(compgen -W "$words" -- "$word"));; *) COMPREPLY=($(compgen -f -- "$word"));; esac
}}
complete -o filenames -F _wavtools wavtools"""


def _zsh(verbs: dict[str, tuple[str, list[str]]]) -> str:
    described = " ".join(f"'{verb}:{_quoted(text)}'" for verb, (text, _) in verbs.items())
    cases = "\n".join(f"        {verb}) flags=({' '.join(flags)});;" for verb, (_, flags) in verbs.items())
    return f"""_wavtools() {{
    local -a verbs flags
    verbs=({described})
    if (( CURRENT == 2 )); then _describe 'verb' verbs; return; fi
    case "${{words[2]}}" in
{cases}
    esac
    if [[ "$PREFIX" == -* ]]; then compadd -- $flags; else _files; fi
}}
compdef _wavtools wavtools"""


def _fish(verbs: dict[str, tuple[str, list[str]]]) -> str:
    lines = ["complete -c wavtools -n __fish_use_subcommand -f"]
    for verb, (text, flags) in verbs.items():
        lines.append(f"complete -c wavtools -n __fish_use_subcommand -f -a {verb} -d '{_quoted(text)}'")
        lines += [
            f"complete -c wavtools -n '__fish_seen_subcommand_from {verb}' -l {flag.removeprefix('--')}"
            for flag in flags
        ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return text.replace("'", "").replace(":", ",")

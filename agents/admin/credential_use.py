"""What the code of an action wants of a credential, as far as its text tells, and which credentials give it.

Code can reach a field in ways that no reading of its text finds, so what is read here leads to an advice. Only a name
that stands nowhere in the code is certain: then no credential is needed.
"""

import re

from agents import library
from agents.models import CustomAction
from chatzuri.credentials import KINDS
from chatzuri.models import Credential

# A comment, or a text in quotes. Template literals stay: what they fill in is code.
_COMMENT_OR_TEXT = re.compile(
    r"""(?P<text>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|`(?:\\.|[^`\\])*`|//[^\n]*|/\*.*?\*/""", re.DOTALL
)
# `fetch(address, { credentials: 'omit' })` is an option of fetch.
_MENTIONED = re.compile(r"\bcredentials\b(?!\s*:\s*'')")
_FIELD = re.compile(r"""\bcredentials\s*(?:\?\.|\.)\s*(\w+)|\bcredentials\s*(?:\?\.)?\s*\[\s*['"](\w+)['"]\s*\]""")
_TAKEN_APART = re.compile(r"\{([^{}]*)\}\s*=\s*credentials\b")
_NUMBERED = re.compile(r"_\d+$")


def uses_credential(action: CustomAction) -> bool:
    code = action.current.code if action.current else ""
    return bool(_MENTIONED.search(_plain(code, text="''")))


def fields_read(code: str) -> frozenset[str]:
    """The names that the code reads from `credentials` in so many words."""
    code = _plain(code)
    named = {dotted or quoted for dotted, quoted in _FIELD.findall(code)}
    for names in _TAKEN_APART.findall(code):
        named |= set(re.findall(r"(?:^|,)\s*(\w+)", names))
    return frozenset(named)


def fitting_kinds(action: CustomAction) -> list[str]:
    """The kinds whose credentials have what the code reads. Empty where the code does not say."""
    if kind := _library_kind(action):
        return [kind]
    wanted = fields_read(action.current.code) if action.current else frozenset()
    return [kind for kind in KINDS if wanted and wanted <= _declared(kind)]


def misfit(action: CustomAction, credential: Credential) -> str:
    """A sentence for people about a credential that does not give what the code reads; empty where it does."""
    kind = _library_kind(action)
    if kind and credential.kind != kind:
        return f"The action was made for a credential of the kind {KINDS[kind].label}, and this is {credential}."
    has = _declared(credential.kind) or frozenset(credential.reveal())
    lacking = sorted(fields_read(action.current.code) - has) if action.current else []
    if not lacking:
        return ""
    return f"Its code reads {', '.join(f'credentials.{name}' for name in lacking)}, which {credential} does not have."


def _plain(code: str, text: str | None = None) -> str:
    """Without comments; `text`, if given, stands for each text in quotes."""

    def instead(found: re.Match[str]) -> str:
        if found["text"]:
            return found[0] if text is None else text
        return found[0] if found[0].startswith("`") else " "

    return _COMMENT_OR_TEXT.sub(instead, code)


def _declared(kind: str) -> frozenset[str]:
    return frozenset(field.name for field in KINDS[kind].fields) if kind in KINDS else frozenset()


def _library_kind(action: CustomAction) -> str:
    """That of the ready action it was made from. A name alone is not enough: a team may have chosen it itself."""
    code = action.current.code if action.current else ""
    name = _NUMBERED.sub("", action.name)
    for ready in library.READY.values():
        reads = fields_read(code)
        same_name = ready.name == name and bool(reads) and reads <= _declared(ready.credential_kind)
        if code == ready.code or same_name:
            return ready.credential_kind
    return ""

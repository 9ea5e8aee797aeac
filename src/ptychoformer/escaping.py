"""A user's words in the languages that tables and figures are written in, where some letters mean
something: labels are text, and are printed as they are.

HTML is escaped by the report's template, Typst by the paper's with `typst`. Needs nothing but
Python, so that the workflow can use it while it parses.
"""

import string

_ONE_LINE = {"\n": " ", "\r": " "}
_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|~$&"} | _ONE_LINE)
# Brackets and asterisks are arguments of the \\ before them where a row begins.
_LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {sign: f"{{{sign}}}" for sign in "[]*"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "µ": r"$\mu$"}
    | {"α": r"$\alpha$", "’": "'", "±": r"$\pm$", "−": "$-$", "∞": r"$\infty$", "†": r"$^{\dagger}$", "×": r"$\times$"}
    | {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "<": "$<$", ">": "$>$", "|": r"\textbar{}", "`": r"\textasciigrave{}"}
    | {'"': "''", **_ONE_LINE}
)

# All that Typst ends a line at; every sign of ASCII, since a backslash makes any of them a letter.
_TYPST = str.maketrans(
    {sign: f"\\{sign}" for sign in string.punctuation} | dict.fromkeys("\n\r\v\f\x85\u2028\u2029", " ")
)


def mathtext(text: str) -> str:
    """Escape ``text`` for Matplotlib, where a dollar begins a formula."""
    return text.replace("$", r"\$")


def markdown(text: str) -> str:
    """Escape ``text`` for a line or a table's cell of Markdown, as GitHub has it."""
    return text.translate(_MARKDOWN)


def latex(text: str) -> str:
    """Escape ``text`` for a line or a table's cell of LaTeX."""
    return text.translate(_LATEX).replace("⁻²", "$^{-2}$")


def typst(text: str) -> str:
    """Escape ``text`` for a line or a table's cell of Typst, of markup rather than of its code."""
    return text.translate(_TYPST)

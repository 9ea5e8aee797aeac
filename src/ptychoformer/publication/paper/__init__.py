"""The reproduction as a paper of its own, typeset by Typst."""

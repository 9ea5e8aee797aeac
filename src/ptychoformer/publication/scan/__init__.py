"""One scan, one reconstruction and one predicted scene as pictures and in words."""

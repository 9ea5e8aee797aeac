"""The reference runs: gathered from results, kept in one folder, and taken out again."""

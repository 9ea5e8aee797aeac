"""The reference runs: kept in one folder, which `harvest` fills, and taken out again."""

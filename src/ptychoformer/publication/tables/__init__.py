"""From metrics and their statistics to tables, and to sentences about them."""

"""What a build costs: figures, pages, pictures."""

"""The project's own tools, which are believed and so have to be right."""

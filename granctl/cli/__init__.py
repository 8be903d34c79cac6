"""The command line: one file a command group; the only room that imports typer and rich."""

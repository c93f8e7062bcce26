"""The demo exists to show supervised agents at real work: they answer questions over a folder, with quotes."""

"""The file format: what a file holds, and how a stranger's file is checked."""

"""The file format: encoding, reading and writing, and checks of untrusted files."""

"""The private heart of the package: the only importer of `trygon._native`."""

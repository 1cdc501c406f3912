"""Classes of problems, one module each; a module has `TASK`. Standard library only, no I/O."""

//! What Holdfast promises, tested from outside against the real binary.

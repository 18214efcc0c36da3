//! Request bodies, verified while they stream.

//! Storage backends: the port, directories, memory, decorators and one conformance suite.

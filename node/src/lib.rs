//! One Holdfast process: configuration, assembly, object use cases, jobs, listeners, command line.
